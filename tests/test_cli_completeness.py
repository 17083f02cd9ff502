"""``fleckcore completeness`` and ``fleckcore find --completeness``."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from dusty_flats import dusty_flat
from fleckcore import Completeness
from fleckcore.cli import main

QUICK = ("--kind", "fleck", "--radii", "2,4", "--depths", "0.0001,60", "--trials", "4")


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command with results in ``out``; gives exit code, stdout and stderr."""

    def run(command, *arguments):
        with pytest.raises(SystemExit) as exit_:
            main([command, "-o", str(tmp_path / "out"), *map(str, arguments)])
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def flat(tmp_path):
    def flat(name="flat.fits", **options):
        fits.PrimaryHDU(dusty_flat(**options)).writeto(tmp_path / name)
        return tmp_path / name

    return flat


def written(tmp_path):
    return {path.name for path in (tmp_path / "out").iterdir()}


def test_text_table_and_picture(run, flat, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, err = run("completeness", *QUICK, flat())
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("flat.fits: 3 features")
    assert any("no bias was subtracted" in line for line in lines[1:3])
    assert lines[3].startswith("  a fleck of 2 px radius is found with 95 % from ")
    assert any(
        line.startswith("  2 to 8 px radius: 3 listed, 0 elsewhere with the sign") for line in lines
    )
    assert lines[-1].endswith("flat.completeness.*")
    assert err.splitlines()[-1].startswith("completeness of ")
    assert written(tmp_path) == {"flat.completeness.ecsv", "flat.completeness.png"}
    result = Completeness.read(tmp_path / "out" / "flat.completeness.ecsv")
    assert result.cells["recovered"].tolist() == [0, 4, 0, 4]
    assert result.cells["depth"][1] == 0.6


def test_json_is_strict_and_the_same_for_any_number_of_threads(run, flat, tmp_path):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    path = flat()
    seen = []
    for threads in (1, 3):
        code, out, _ = run(
            "completeness", "--json", "--no-pictures", "--threads", threads, *QUICK, path
        )
        assert code == 0
        (record,) = json.loads(out, parse_constant=refuse)
        seen.append((record, (tmp_path / "out" / "flat.completeness.ecsv").read_bytes()))
    assert seen[0] == seen[1]
    assert record["limits"][0]["kind"] == "fleck"
    assert record["meta"]["trials"] == 4
    assert set(record["files"]) == {"completeness"}


def test_several_files_are_one_scene(run, flat, tmp_path):
    files = [flat(f"f{seed}.fits", seed=seed) for seed in range(4)]
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"<html>")
    code, out, err = run("completeness", "--no-pictures", *QUICK, *files, bad)
    assert code == 3
    assert "not used: [I04]" in err
    assert "f0.fits and 3 more: 3 features" in out
    assert "3 listed, 3 in both halves of the frames" in out
    assert written(tmp_path) == {"f0.completeness.ecsv"}


def test_files_that_do_not_go_together(run, flat):
    code, out, err = run("completeness", *QUICK, flat("a.fits"), flat("b.fits", shape=(90, 80)))
    assert (code, out) == (4, "")
    assert "M07" in err


def test_chips_are_apart(run, tmp_path):
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus[0].header.update({"INSTRUME": "ACS", "DETECTOR": "WFC", "CCDAMP": "ABCD"})
    for version in (1, 2):
        hdu = fits.ImageHDU(dusty_flat(seed=version), name="SCI", ver=version)
        hdu.header.update({"CCDCHIP": 3 - version, "LTV1": -100.0, "LTV2": -50.0})
        hdus.append(hdu)
    hdus.writeto(tmp_path / "two.fits")
    code, _, _ = run("completeness", "--no-pictures", *QUICK, tmp_path / "two.fits")
    assert code == 0
    assert written(tmp_path) == {f"two_chip{chip}.completeness.ecsv" for chip in (1, 2)}


def test_an_input_is_never_replaced(flat, capsys, tmp_path):
    path = flat("a.completeness.fits")
    path.rename(tmp_path / "a.completeness.ecsv")
    other = flat("a.fits")
    with pytest.raises(SystemExit) as exit_:
        main(
            [
                "completeness",
                "-o",
                str(tmp_path),
                "--no-pictures",
                *QUICK,
                str(other),
                str(tmp_path / "a.completeness.ecsv"),
            ]
        )
    assert exit_.value.code == 0
    assert (tmp_path / "a_2.completeness.ecsv").exists()
    assert fits.getdata(tmp_path / "a.completeness.ecsv").shape == (192, 256)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--bright", "x.fits"),
        ("--kind", "freckle", "x.fits"),
        ("--radii", "4;8", "x.fits"),
        ("--radii", "0", "x.fits"),
        ("--depths", "200", "x.fits"),
        ("--depths", "nan", "x.fits"),
        ("--trials", "0", "x.fits"),
        ("--seed", "-1", "x.fits"),
        ("--window", "64", "x.fits"),
        ("--normalise", "difference", "x.fits"),
    ],
    ids=" ".join,
)
def test_usage_error_comes_before_any_work(run, tmp_path, arguments):
    code, out, err = run("completeness", *arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err
    assert not (tmp_path / "out").exists()


def test_nothing_usable_and_no_room_for_results(run, flat, tmp_path):
    assert run("completeness", tmp_path / "missing.fits")[0] == 4
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_:
        main(["completeness", "-o", str(tmp_path / "file" / "out"), str(flat())])
    assert exit_.value.code == 5


def test_find_says_what_it_would_find(run, flat, tmp_path):
    path = flat(shape=(500, 600))
    code, out, err = run("find", "--no-pictures", "--completeness", path)
    assert code == 0
    assert "3 features" in out
    assert "  a disc of 16 px radius is found with" in out
    assert "searches" in err
    assert "flat.completeness.ecsv" in written(tmp_path)
    code, out, _ = run("find", "--no-pictures", "--completeness", "--json", path)
    (record,) = json.loads(out)
    assert {cell["kind"] for cell in record["completeness"]["cells"]} == {"disc"}
    assert record["files"]["completeness"].endswith("flat.completeness.ecsv")


def test_find_without_it_is_as_before(run, flat, tmp_path):
    _, out, err = run("find", "--no-pictures", flat())
    assert (err, "is found with" in out) == ("", False)
    assert not any("completeness" in name for name in written(tmp_path))


def test_find_of_nothing_says_so(run, tmp_path):
    fits.PrimaryHDU(np.full((20, 30), np.nan, np.float32)).writeto(tmp_path / "nan.fits")
    code, out, _ = run("find", "--no-pictures", "--completeness", tmp_path / "nan.fits")
    assert code == 0
    assert "a disc of 4 px radius does not fit on the frame" in out


def test_find_completeness_knows_shadows_only(run, tmp_path):
    code, _, err = run("find", "--bright", "--completeness", "x.fits")
    assert code == 2
    assert "--bright" in err


def test_help_is_light():
    program = (
        "import sys; from fleckcore.cli import main\n"
        "sys.argv = ['fleckcore', 'completeness', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    loaded = run.stdout.rpartition("LOADED")[2].split()
    assert {"astropy", "matplotlib", "scipy"}.isdisjoint(loaded)
