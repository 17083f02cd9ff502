"""Models of traps: their numbers, their checks, and as tables."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from fleckcore.errors import ArrayError, FleckError, InputFileError, MetadataError
from fleckcore.instruments import load_profile, model_traps, quadrants
from fleckcore.io.pctetab import read_pctetab, write_pctetab
from fleckcore.kernels import cte_readout
from fleckcore.traps import TrapModel, TrapModels, parametric_traps

WFC = load_profile("acs_wfc")
FLECK_MJD = 57878.0


def model(**changes):
    numbers = {"densities": [1.0, 2.0], "release_transfers": [2.0, 10.0], "full_well_e": 80_000}
    return parametric_traps(**(numbers | {"fill_power": 0.5, "levels": 30, "trail": 40} | changes))


def test_parametric_traps_hold_what_their_volume_says():
    traps = model(substeps=1000, levels=300)
    assert traps.traps.sum() == pytest.approx(3.0 * 2048)
    half = traps.traps[traps.levels < 20_000].sum()
    assert half == pytest.approx(3.0 * 2048 / 2, rel=0.05)
    np.testing.assert_allclose(traps.release.sum(axis=1), 1.0)
    np.testing.assert_allclose(traps.release.cumsum(axis=1) + traps.remaining, 1.0)
    first = 1 - (np.exp(-1 / 2.0) + 2 * np.exp(-1 / 10.0)) / 3
    assert traps.release[0, 0] == pytest.approx(first)


def test_no_packet_loses_more_than_it_has():
    traps = model(substeps=2)
    assert (traps.traps.cumsum() <= 2 * traps.levels * (1 + 1e-12)).all()
    image = np.zeros((2048, 3))
    image[2000] = (2.0, 20.0, 200.0)
    assert cte_readout(image, traps, readout="-y").min() >= 0


def test_wfc_of_the_flecks():
    """Numbers that arctic 2.6 gives for the same traps, every transfer computed."""
    assert WFC.traps is not None
    era = WFC.traps.eras[-1]
    assert era.density_per_day * (FLECK_MJD - era.began_mjd) == pytest.approx(2.884, abs=0.002)
    traps = model_traps(WFC, FLECK_MJD, levels=400, substeps=10).parallel
    image = np.full((2048, 4), 64.0)
    image[1500, :3] += (200.0, 1000.0, 10_000.0)
    image[1400:1412, 3] = 0.3 * 64
    change = cte_readout(image, traps, readout="-y") - image
    np.testing.assert_allclose(change[1500, :3], (-104.3, -348.3, -1371.5), rtol=0.02)
    np.testing.assert_allclose(change[1501, :3], (17.98, 60.86, 244.66), rtol=0.02)
    np.testing.assert_allclose(change[1501:1511, 1].sum(), 200.6, rtol=0.02)
    np.testing.assert_allclose(change[1412:1417, 3].sum(), -35.0, rtol=0.03)


def test_dates():
    traps = model(date0=50_000.0, date1=51_000.0)
    assert traps.scale(50_500.0) == pytest.approx(0.5)
    with pytest.raises(MetadataError, match="before 50000") as caught:
        traps.scale(49_999.0)
    assert caught.value.code == "M07"
    early, late = (model_traps(WFC, mjd).parallel for mjd in (53_000.0, 58_000.0))
    assert early.release[0, 0] > late.release[0, 0]
    for profile, mjd in ((WFC, 50_000.0), (load_profile("generic"), 58_000.0)):
        with pytest.raises(MetadataError, match="knows no traps"):
            model_traps(profile, mjd)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"levels": np.array([2.0, 1.0])}, "A09"),
        ({"levels": np.array([-1.0, 1.0])}, "A09"),
        ({"traps": np.array([-1.0, 1.0])}, "A09"),
        ({"traps": np.array([np.nan, 1.0])}, "A09"),
        ({"traps": np.ones(3)}, "A12"),
        ({"remaining": np.ones((2, 2))}, "A12"),
        ({"row_scale": np.ones((5, 3))}, "A12"),
        ({"substeps": 0}, "A09"),
        ({"iterations": 1.5}, "A09"),
        ({"date1": 0.0}, "M07"),
    ],
)
def test_faults_of_a_model(changes, code):
    good = {"levels": np.array([1.0, 2.0]), "traps": np.ones(2)}
    good |= {"release": np.ones((2, 3)), "remaining": np.ones((2, 3))}
    assert TrapModel(**good).release.flags.writeable is False
    with pytest.raises(FleckError) as caught:
        TrapModel(**(good | changes))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"densities": [1.0]},
        {"densities": [0.0, 0.0]},
        {"release_transfers": [0.0, 1.0]},
        {"full_well_e": 0.5},
        {"fill_power": -1.0},
        {"levels": 0},
    ],
)
def test_faults_of_parameters(changes):
    with pytest.raises(ArrayError):
        model(**changes)


def test_columns():
    scaled = replace(model(), row_scale=np.arange(40.0).reshape(10, 4))
    assert model().columns(0, 5).row_scale is None
    assert scaled.columns(2, 5).row_scale[0, 0] == 8
    assert scaled.columns(2, 5, backwards=True).row_scale[0, 0] == 16
    with pytest.raises(ArrayError, match="columns 2 to 11"):
        scaled.columns(2, 11)


def test_quadrants_of_wfc():
    a, b = quadrants(WFC, 1, (2048, 4096))
    c, d = quadrants(WFC, 2, (2048, 4096))
    assert [q.amplifier for q in (a, b, c, d)] == list("ABCD")
    assert (a.readout, b.readout, c.readout, d.readout) == ("+y", "+y", "-y", "-y")
    assert (a.serial, b.serial, c.serial, d.serial) == ("-x", "+x", "-x", "+x")
    assert c.table_columns == (0, 2048, False)
    assert d.table_columns == (2048, 4096, True)
    assert a.table_rows == (4096, 6144, False)
    assert d.table_rows == (2048, 4096, True)
    (part,) = quadrants(WFC, 2, (100, 50), x_offset=4000, y_offset=200)
    assert (part.amplifier, part.first_row, part.first_column) == ("D", 200, 46)
    assert part.table_columns == (2094, 2144, True)
    assert part.columns == slice(0, 50)
    (part,) = quadrants(WFC, 1, (100, 50), x_offset=10, y_offset=200)
    assert (part.first_row, part.first_column, part.table_rows[0]) == (1748, 10, 4296)
    with pytest.raises(MetadataError, match="which way") as caught:
        quadrants(load_profile("acs_wfc").model_copy(update={"amplifiers": _silent()}), 2, (9, 9))
    assert caught.value.code == "M07"


def _silent():
    return {name: a.model_copy(update={"readout": None}) for name, a in WFC.amplifiers.items()}


@pytest.fixture
def models():
    rng = np.random.default_rng(2)

    def rounded(traps):
        scale = rng.uniform(0.5, 1.5, (8192, 4)).astype(np.float32).astype(float)
        return replace(traps, row_scale=scale)

    serial = model(densities=[0.1, 0.1], trail=12, date0=54_962.0, date1=58_000.0, iterations=3)
    parallel = replace(model(date0=54_136.0, date1=57_900.0), repair_rays=True, ray_threshold=-9.0)
    return TrapModels(
        parallel=rounded(parallel), serial={"A": rounded(serial), "D": rounded(serial)}
    )


def test_a_table_comes_back(tmp_path, models):
    path = tmp_path / "mine_cte.fits"
    write_pctetab(path, models, read_noise_e=4.25)
    found = read_pctetab(path)
    assert found.name == "mine_cte.fits"
    assert sorted(found.serial) == list("ABCD")
    assert found.serial["B"].traps.sum() == 0
    for wanted, got in ((models.parallel, found.parallel), (models.serial["D"], found.serial["D"])):
        np.testing.assert_array_equal(got.levels, np.rint(wanted.levels))
        np.testing.assert_allclose(got.traps, wanted.traps, rtol=1e-7, atol=1e-4)
        np.testing.assert_allclose(got.release, wanted.release, atol=1e-7)
        np.testing.assert_allclose(got.remaining, wanted.remaining, atol=1e-7)
        np.testing.assert_array_equal(got.row_scale, wanted.row_scale)
        for name in ("substeps", "rows", "date0", "date1", "iterations"):
            assert getattr(got, name) == getattr(wanted, name)
    assert (found.parallel.repair_rays, found.parallel.ray_threshold) == (True, -9.0)
    again = tmp_path / "again_cte.fits"
    write_pctetab(again, found, read_noise_e=4.25)
    with fits.open(path) as one, fits.open(again) as two:
        assert one[0].header["PCTERNOI"] == 4.25
        for a, b in zip(one[1:], two[1:], strict=True):
            assert (a.name, a.ver) == (b.name, b.ver)
            assert np.array(a.data).tobytes() == np.array(b.data).tobytes()


def test_what_a_table_cannot_hold(tmp_path, models):
    short = replace(models.parallel, row_scale=np.ones((10, 4)))
    for wrong in (replace(models.parallel, rows=1024), short):
        with pytest.raises(ArrayError) as caught:
            write_pctetab(tmp_path / "x_cte.fits", TrapModels(parallel=wrong))
        assert caught.value.code == "A12"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda h: h[0].header.set("CTE_NAME", "ACS PCTE 1"), "I05", "CTE_NAME"),
        (lambda h: h.pop(("RPROF", 1)), "I11", "RPROF"),
        (lambda h: h["QPROF", 1].header.remove("PCTETLEN"), "I11", "PCTETLEN"),
        (lambda h: h["QPROF", 3].header.set("PCTENPAR", 0), "I05", "substeps"),
        (lambda h: h["QPROF", 1].header.set("CTEDATE1", 1.0), "I05", "date0"),
    ],
)
def test_faults_of_a_table(tmp_path, models, change, code, words):
    path = tmp_path / "mine_cte.fits"
    write_pctetab(path, models)
    with fits.open(path) as hdus:
        change(hdus)
        hdus.writeto(path, overwrite=True)
    with pytest.raises(InputFileError, match=words) as caught:
        read_pctetab(path)
    assert caught.value.code == code


def test_no_table(tmp_path):
    path = tmp_path / "page.fits"
    path.write_text("<html>")
    for name in (path, tmp_path / "none.fits"):
        with pytest.raises(InputFileError) as caught:
            read_pctetab(name)
        assert caught.value.code == "I04"
