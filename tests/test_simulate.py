from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from astropy.io import fits

from fleckcore import find, simulate
from fleckcore.errors import ArrayError, MetadataError, OutputError
from fleckcore.simulate import FLECKS, Obstruction, blank_frame
from fleckcore.simulate.blank import LEVEL

SMALL = {"shape": (300, 420), "flecks": (), "n_freckles": 0}


@pytest.mark.parametrize(
    ("chip", "name", "published", "area", "half"),
    [
        (2, "larger", (1521, 1773), 144, 67),
        (1, "elongated", (3510, 355), 52, 21),
        (1, "tiny", (1850, 1755), 25, 9),
    ],
)
def test_the_flecks_are_the_published_ones(chip, name, published, area, half):
    (fleck,) = (item for item in FLECKS[chip] if item.name == name)
    assert (round(fleck.x) + 1, round(fleck.y) + 1) == published
    assert fleck.area == area
    assert np.count_nonzero(fleck.stamp() > 0.5) == half
    assert fleck.stamp().max() > 0.99


def test_a_stamp_is_centred_where_it_says():
    item = Obstruction(x=10.3, y=19.6, width=9, height=6)
    stamp = item.stamp()
    rows, cols = item.reach
    y, x = (np.average(grid, weights=stamp) for grid in np.indices(stamp.shape))
    assert x - cols + 10 == pytest.approx(10.3, abs=0.01)
    assert y - rows + 20 == pytest.approx(19.6, abs=0.01)
    assert max(stamp[0].max(), stamp[-1].max(), stamp[:, 0].max(), stamp[:, -1].max()) == 0


def test_a_freckle_loses_the_same_everywhere():
    item = Obstruction(x=0, y=0, width=5, height=5, loss=0.25, kind="freckle")
    assert item.area == 25
    assert set(np.unique(item.stamp())) == {0.0, 0.25}


def test_whole_chips():
    scene = simulate.short_dark()
    frame = scene.frame
    assert (frame.shape, frame.data.dtype, frame.error.dtype) == ((2048, 4096), "f4", "f4")
    assert (frame.meta.chip, frame.meta.readout, frame.meta.kind) == (2, "-y", "short_dark")
    assert [item.kind for item in scene.truth] == ["fleck"] + ["freckle"] * 100
    core = frame.data[1771:1774, 1519:1522]
    around = np.median(frame.data[1740:1800, 1490:1550])
    assert abs(core.mean()) < 0.1 * around
    means = frame.data.reshape(32, 64, 64, 64).mean(axis=(1, 3))
    assert 1.7 < means.max() / means.min() < 2.3
    row, col = np.unravel_index(means.argmax(), means.shape)
    assert row > 25
    assert 20 < col < 45


def test_both_chips_are_brightest_at_the_gap():
    above, below = (simulate.short_dark(chip=chip, **SMALL).frame for chip in (1, 2))
    assert above.meta.readout == "+y"
    assert above.data[:30].mean() > 1.15 * above.data[-30:].mean()
    assert below.data[-30:].mean() > 1.15 * below.data[:30].mean()


def test_a_seed_gives_the_same_bytes():
    one, same, other = (simulate.short_dark(seed=s, cosmic_rays=5, **SMALL) for s in (3, 3, 4))
    assert one.frame.data.tobytes() == same.frame.data.tobytes()
    assert one.frame.quality.tobytes() == same.frame.quality.tobytes()
    assert one.frame.data.tobytes() != other.frame.data.tobytes()


def test_the_error_plane_is_the_noise():
    options = {**SMALL, "hot_pixels": 0.0, "n_exposures": 10, "column_rms": 0.0}
    one, other = (simulate.short_dark(seed=s, **options).frame for s in (1, 2))
    pull = (one.data - other.data) / np.hypot(one.error, other.error)
    assert pull.std() == pytest.approx(1, abs=0.01)
    assert pull.mean() == pytest.approx(0, abs=0.01)


def test_freckles_keep_apart_and_lose_what_the_truth_says():
    with_, without = (
        simulate.short_dark(
            shape=(400, 400), flecks=(), n_freckles=n, hot_pixels=0.0, n_exposures=10_000, seed=5
        )
        for n in (20, 0)
    )
    places = np.array([(item.x, item.y) for item in with_.truth])
    gaps = np.abs(places[:, None] - places).max(axis=2)[~np.eye(20, dtype=bool)]
    assert gaps.min() >= 5 + 12
    assert places.min() >= 30
    assert places.max() < 370
    assert without.truth == ()
    for item in with_.truth:
        x, y = int(item.x), int(item.y)
        inside = with_.frame.data[y - 2 : y + 3, x - 2 : x + 3].mean()
        ring = with_.frame.data[y - 6 : y + 7, x - 2 : x + 3]
        outside = np.concatenate([ring[:3], ring[-3:]]).mean()
        assert 1 - inside / outside == pytest.approx(item.loss, abs=0.03)


def test_hot_pixels_are_flagged_and_cosmic_rays_are_not():
    clean = simulate.short_dark(**{**SMALL, "hot_pixels": 0.0}).frame
    assert not clean.quality.any()
    hot = simulate.short_dark(**{**SMALL, "hot_pixels": 0.01}).frame
    assert np.count_nonzero(hot.quality == 16) == 1260
    added = (hot.data - clean.data)[hot.quality == 16]
    assert 0 < added.min() < 20
    assert 900 < added.max() < 1010
    struck = simulate.short_dark(**{**SMALL, "hot_pixels": 0.0, "cosmic_rays": 10}).frame
    changed = struck.data != clean.data
    assert 20 <= np.count_nonzero(changed) <= 210
    assert (struck.data[changed] > clean.data[changed]).all()


def test_all_three_flecks_fit_on_one_chip():
    scene = simulate.short_dark(flecks=FLECKS[1] + FLECKS[2], n_freckles=0, chip=2)
    assert [item.name for item in scene.truth] == ["elongated", "tiny", "larger"]
    for item in scene.truth:
        y, x = round(item.y), round(item.x)
        level = np.median(scene.frame.data[y - 30 : y + 31, x - 30 : x + 31])
        assert scene.frame.data[y, x] < 0.1 * level


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"shape": (300, 300)}, "A13", "'larger' at x=1520.3, y=1771.7 does not fit in"),
        ({**SMALL, "n_freckles": 2000}, "A13", "of 2000 freckles"),
        ({**SMALL, "shape": (50, 500), "n_freckles": 1}, "A13", "only 0 of 1"),
        ({**SMALL, "chip": 3}, "A09", "chip=3"),
        ({**SMALL, "n_exposures": 0}, "A09", "n_exposures=0"),
    ],
)
def test_what_cannot_be_made_is_refused(options, code, words):
    with pytest.raises(ArrayError, match=words) as caught:
        simulate.short_dark(**options)
    assert caught.value.code == code


def test_the_file_looks_like_a_calibrated_exposure(tmp_path):
    scenes = [simulate.short_dark(chip=chip, **SMALL) for chip in (1, 2)]
    path = tmp_path / "sim.fits"
    simulate.write(scenes, path)
    with fits.open(path) as hdus:
        names = [(hdu.name, hdu.ver, hdu.header["CCDCHIP"]) for hdu in hdus[1:]]
        assert names == [(n, v, 3 - v) for v in (1, 2) for n in ("SCI", "ERR", "DQ")]
        np.testing.assert_array_equal(hdus["SCI", 1].data, scenes[1].frame.data)
        np.testing.assert_array_equal(hdus["ERR", 2].data, scenes[0].frame.error)
        np.testing.assert_array_equal(hdus["DQ", 2].data, scenes[0].frame.quality)
        header = hdus[0].header
        assert header["SIMULATED"] is True
        wanted = {
            "INSTRUME": "ACS",
            "DETECTOR": "WFC",
            "IMAGETYP": "DARK",
            "EXPTIME": 0.5,
            "FLASHDUR": 4.6,
            "FLASHCUR": "LOW",
            "EXPSTART": 57900.0,
            "DATE-OBS": "2017-05-27",
        }
        assert {key: header[key] for key in wanted} == wanted
        assert hdus["SCI", 1].header["BUNIT"] == "ELECTRONS"


def test_written_file_passes_fitsverify(tmp_path, fitsverify):
    scene = simulate.short_dark(**SMALL)
    simulate.write(scene, tmp_path / "one.fits")
    assert fitsverify(tmp_path / "one.fits") == ""


def test_writing_refuses(tmp_path):
    scene = simulate.short_dark(**SMALL)
    with pytest.raises(MetadataError, match=r"chips \[2, 2\]"):
        simulate.write([scene, scene], tmp_path / "two.fits")
    simulate.write(scene, tmp_path / "one.fits")
    with pytest.raises(OutputError, match="R08"):
        simulate.write(scene, tmp_path / "one.fits")
    with pytest.raises(OutputError, match="R08"):
        simulate.write(scene, tmp_path / "missing" / "one.fits")


@pytest.mark.parametrize("kind", simulate.BLANK_KINDS)
def test_blank_frames_are_blank(kind):
    image, same = (blank_frame(kind, shape=(256, 300), seed=9) for _ in range(2))
    assert image.tobytes() == same.tobytes()
    assert (image.shape, image.dtype) == ((256, 300), np.float32)
    level = np.median(image[:64, :64])
    assert level == pytest.approx(LEVEL * (1.11 if kind == "gradient" else 1), rel=0.02)
    assert (image > 0.8 * LEVEL).all()


def test_a_flat_has_the_light_and_the_shadows_that_it_says():
    scene = simulate.vignetted_flat(seed=3)
    data, error = scene.frame.data, scene.frame.error
    assert (data.shape, data.dtype, error.dtype) == ((1024, 1024), "f4", "f4")
    assert data[500:520, 500:520].mean() == pytest.approx(30_000, rel=0.002)
    assert data[:10, :10].mean() == pytest.approx(0.75 * 30_000, rel=0.01)  # the corner's quarter
    blank = simulate.vignetted_flat(seed=4, shadows=()).frame.data
    pull = (data - blank)[560:600, 520:600] / (np.sqrt(2) * error[560:600, 520:600])  # no shadow
    assert np.std(pull) == pytest.approx(1, abs=0.05)
    for item in (item for item in scene.truth if item.kind == "disc"):
        y, x = round(item.y), round(item.x)
        box = np.s_[y - 8 : y + 9, x - 8 : x + 9]
        assert 1 - data[box].mean() / blank[box].mean() == pytest.approx(item.loss, abs=0.002)


def test_a_flat_holds_what_the_demo_says_of_it():
    large = [item for item in simulate.MOTES if item.kind in ("disc", "ring")]
    assert (len(large), len(simulate.MOTES) - len(large)) == (6, 5)
    radii, losses = [item.width / 2 for item in large], [item.loss for item in large]
    assert (min(radii), max(radii)) == (30, 100)
    assert (min(losses), max(losses)) == (0.005, 0.03)
    assert sum(item.x + item.width / 2 > 1023 for item in large) == 1
    apart = [
        np.hypot(a.x - b.x, a.y - b.y) - (a.width + b.width) / 2 for a, b in combinations(large, 2)
    ]
    assert sum(gap < 0 for gap in apart) == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_is_on_the_flat_is_found_at_its_place_and_size(seed):
    scene = simulate.vignetted_flat(seed=seed)
    catalog = find(scene.frame)
    assert len(catalog) == len(scene.truth)
    found = simulate.match_truth(scene.truth, catalog["x_centroid"], catalog["y_centroid"])
    for item, match in zip(scene.truth, found, strict=True):
        row = catalog[match]
        assert row["kind"] == item.kind
        assert row["x_centroid"].value == pytest.approx(item.x, abs=0.2 + 0.004 * item.width)
        assert row["y_centroid"].value == pytest.approx(item.y, abs=0.2 + 0.004 * item.width)
        assert row["radius"].value == pytest.approx(item.width / 2, rel=0.02, abs=0.5)
        assert 1 - row["transmission_min"] == pytest.approx(
            item.loss, rel=0.06, abs=0.015 * item.loss
        )


@pytest.mark.parametrize(
    "option",
    [
        {"shape": (0, 5)},
        {"level_e": 0},
        {"read_noise_e": -1},
        {"vignetting": 1},
        {"vignetting": np.nan},
    ],
)
def test_a_flat_that_cannot_be_is_refused(option):
    with pytest.raises(ArrayError, match="A09"):
        simulate.vignetted_flat(**option)
