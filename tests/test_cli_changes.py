"""``fleckcore changes``: two nights in, a table, a record and a picture out."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from click.testing import CliRunner

from fleckcore.cli import cli
from fleckcore.errors import InputFileError, MetadataError
from fleckcore.track import Registry
from two_nights import DUST, flat, ring

PEDESTAL = 1000


def run(*arguments, code=0):
    result = CliRunner().invoke(
        cli, [str(argument) for argument in arguments], standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result


def write_night(folder, dust, seed, extra=()):
    """Three biases, a dark, and a raw flat of each of two filters."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    frames = [
        (f"bias{n}", "Bias Frame", "", random.normal(PEDESTAL, 5, (420, 460))) for n in range(3)
    ]
    frames.append(("dark", "Dark Frame", "", np.full((420, 460), PEDESTAL + 40.0)))
    for n, band in enumerate("gr"):
        light = flat(dust, seed + n, band=band).data
        frames.append((f"flat_{band}", "Flat Field", band, light + PEDESTAL))
    for name, kind, band, data in frames:
        header = fits.Header({"IMAGETYP": kind, "FILTER": band, "EXPTIME": 2.0})
        hdu = fits.PrimaryHDU(np.round(data).astype(np.uint16), header)
        hdu.writeto(folder / f"{name}.fits")
    for name, content in extra:
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nights")
    moved, _, *rest = DUST
    new = ring(170, 230)
    write_night(folder / "one", DUST, 1)
    write_night(
        folder / "two", (moved.moved(24, 32), new, *rest), 11, extra=[("broken.fits", b"no")]
    )
    return folder


def test_finds_what_changed_and_writes_it(nights, tmp_path):
    pytest.importorskip("matplotlib")
    said = run("changes", nights / "one", nights / "two", "-o", tmp_path, code=3).output
    assert "earlier: 2 frames, less the mean of 3 biases" in said
    table = QTable.read(tmp_path / "changes.ecsv")
    assert list(table["kind"]) == ["moved", "appeared", "vanished"]
    assert table["x_after"][1].value == pytest.approx(170, abs=2)
    registry = Registry.read(tmp_path / "changes_registry.fits")
    assert len(set(map(str, registry.features["id"]))) == len(registry) == len(DUST) + 1
    assert all(str(reason) for reason in registry.events["reason"])
    record = json.loads((tmp_path / "changes.json").read_text())
    (chip,) = record["chips"]
    assert [one["kind"] for one in chip["changes"]] == list(table["kind"])
    assert chip["filters"] == ["g", "r"]
    assert [one["code"] for one in record["not_used"]] == ["I04"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "changes.ecsv",
        "changes_registry.fits",
        "changes.json",
        "changes.png",
    }


def test_patterns_and_a_level_for_the_bias(nights, tmp_path):
    result = run(
        "changes",
        f"{nights}/one/flat_*",
        nights / "one" / "flat_r.fits",
        *("-o", tmp_path, "--bias", PEDESTAL, "--json"),
    )
    record = json.loads(result.output)
    assert record["chips"][0]["changes"] == []
    assert record["chips"][0]["filters"] == ["r"]


def test_nights_that_cannot_be_compared(nights, tmp_path):
    with pytest.raises(MetadataError, match="no filter in common"):
        run(
            "changes",
            nights / "one" / "flat_g.fits",
            nights / "one" / "flat_r.fits",
            "-o",
            tmp_path,
        )
    with pytest.raises(InputFileError):
        run("changes", nights / "none", nights / "one", "-o", tmp_path, "--bias", "no.fits")
    run("changes", nights / "none", nights / "one", "-o", tmp_path, code=4)
