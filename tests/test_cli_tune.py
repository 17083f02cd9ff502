"""``fleckcore tune``: the table, the profile, and what later runs make of it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from fleckcore import bench
from fleckcore.bench import tuning
from fleckcore.cli import main
from fleckcore.kernels import forget_tuning


@pytest.fixture(autouse=True)
def as_before():
    yield
    forget_tuning()


@pytest.fixture
def flat(tmp_path):
    path = tmp_path / "flat.fits"
    noise = np.random.default_rng(0).normal(20_000, 150, (60, 90))
    fits.PrimaryHDU(noise.astype(np.uint16)).writeto(path)
    return path


def run(*arguments):
    forget_tuning()
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    return end.value.code


def test_the_table_and_the_profile_tell_the_same(flat, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLECKCORE_TUNING", str(tmp_path / "settings" / "node.json"))
    assert run("tune", flat, "--seconds", 0) == 0
    out, err = capsys.readouterr()
    profile = json.loads((tmp_path / "settings" / "node.json").read_text())
    assert "flat.fits[0], 60 x 90 uint16" in out
    assert profile["processor"] in out
    for row in profile["measured"]:
        (line,) = (line for line in out.splitlines() if line.startswith(row["about"]))
        assert f"measuring: {row['about']}" in err
        assert f"{row['ms'][str(row['default'])]:.1f}" in line
        assert f"{row['ms'][str(row['best'])]:.1f}" in line
        assert ("chosen" in line) == (row["choice"] in profile["choices"])
        assert ("the same" in line) == (row["best"] == row["default"])
    assert "settings/node.json" in out
    assert "FLECKCORE_TUNING=off" in out
    assert "warning" not in err


def test_a_profile_elsewhere_is_named_for_later_runs(flat, tmp_path, capsys):
    assert run("tune", flat, "--seconds", 0, "--threads", 1, "-o", tmp_path / "p.json") == 0
    out = capsys.readouterr().out
    assert f"Later runs use it with FLECKCORE_TUNING={tmp_path / 'p.json'}" in out
    assert ", 1 thread." in out
    assert "threads" not in json.loads((tmp_path / "p.json").read_text())["choices"]


def test_find_and_bench_record_the_profile(flat, tmp_path, monkeypatch, capsys):
    path = tmp_path / "p.json"
    monkeypatch.setattr(tuning, "_trials", lambda *_: [])
    assert run("tune", "-o", path) == 0
    assert "no choice changed" in capsys.readouterr().out
    monkeypatch.setenv("FLECKCORE_TUNING", str(path))
    assert run("find", flat, "-o", tmp_path / "out", "--no-pictures", "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["meta"]["tuning"].startswith("p.json ")
    assert (
        json.loads(bench.json_of([], bench.Limits(2.0, 1.0, 50.0, 100.0)))["tuning"]
        == record["meta"]["tuning"]
    )
    assert record["meta"]["tuning"] in bench.text_of([], bench.Limits(2.0, 1.0, 50.0, 100.0))


def test_a_damaged_profile_is_one_line_and_the_run_goes_on(flat, tmp_path):
    path = tmp_path / "p.json"
    path.write_text("{")
    program = [sys.executable, "-c", "from fleckcore.cli import main; main()"]
    run = subprocess.run(
        [*program, "find", flat, "-o", tmp_path / "out", "--no-pictures"],
        env=os.environ | {"FLECKCORE_TUNING": str(path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"warning: [R18] {path}: ")
    assert "fleckcore tune" in line


@pytest.mark.parametrize(("wavers", "busy"), [(0.05, False), (0.25, True)])
def test_a_busy_machine_is_named(wavers, busy, tmp_path, monkeypatch, capsys):
    trial = tuning.Trial("threads", "threads", 2, 1, {2: 8.0, 1: 4.0}, wavers)
    monkeypatch.setattr(tuning, "_trials", lambda *_: [trial])
    assert run("tune", "-o", tmp_path / "p.json") == 0
    out = capsys.readouterr().out
    assert ("busy: times wavered by up to 25 %" in out) == busy
    assert "1 of 1 choices changed" in out


def test_files_that_cannot_be_used_are_named_and_the_others_measured(
    flat, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tuning, "_trials", lambda *_: [])
    (tmp_path / "text.fits").write_text("no FITS")
    profile = tmp_path / "p.json"
    assert run("tune", tmp_path / "text.fits", *[flat] * 5, "-o", profile) == 3
    assert "not used: [I04]" in capsys.readouterr().err
    assert json.loads(profile.read_text())["frames"] == ["flat.fits[0], 60 x 90 uint16"] * 4


def test_what_cannot_be_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tuning, "_trials", None)
    assert run("tune", tmp_path / "none.fits") == 4
    assert run("tune", "--threads", 0) == 2
    assert run("tune", "--seconds", -1) == 2
    (tmp_path / "text.fits").write_text("no FITS")
    assert run("tune", tmp_path / "text.fits") == 4
    assert "[I04]" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run("tune", "-o", tmp_path / "file" / "p.json") == 5
    assert "[R08]" in capsys.readouterr().err
    monkeypatch.setenv("FLECKCORE_TUNING", "off")
    assert run("tune") == 5
    assert "--output" in capsys.readouterr().err
