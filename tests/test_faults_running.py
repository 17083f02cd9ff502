"""Faults of the machine that a run is on, and the exit code that says which."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from dusty_flats import digest, dusty_flat
from fleckcore import build_config, find, median_filter
from fleckcore.cli import main
from fleckcore.cli import results as cli_results
from fleckcore.errors import FleckError, MissingExtraError, OutputError
from fleckcore.kernels import default_threads

COMMAND = [sys.executable, "-c", "from fleckcore.cli import main; main()"]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    path = tmp_path / "flat.fits"
    fits.PrimaryHDU(dusty_flat()).writeto(path)
    return path


def run(
    *arguments: object, env: dict[str, str] | None = None, program: list[str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    words = [*program, *map(str, arguments)]
    return subprocess.run(words, env=env, capture_output=True, text=True)


# R08: the output cannot be written


def test_r08_is_found_before_any_input_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_:
        main(["find", "-o", str(tmp_path / "file" / "out"), str(tmp_path / "missing.fits")])
    assert exit_.value.code == 5
    err = capsys.readouterr().err
    assert "[R08]" in err
    assert "Not a directory" in err
    assert "missing.fits" not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_r08_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="Permission denied") as error:
        cli_results.prepare_folder(tmp_path)
    assert error.value.code == "R08"


def test_r08_folder_that_takes_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(OutputError, match=r"Permission denied.*with -o") as error:
        cli_results.prepare_folder(tmp_path)
    assert (error.value.code, error.value.path) == ("R08", tmp_path)


def test_r08_leaves_no_probe_behind(tmp_path: Path) -> None:
    cli_results.prepare_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_r08_output_that_is_a_file_is_a_usage_error(flat: Path) -> None:
    finished = run("find", "-o", flat, flat)
    assert finished.returncode == 2
    assert "is a file" in finished.stderr


# R12: threads


@pytest.mark.parametrize("count", [1, 3, 64])
def test_r12_environment_sets_the_number_of_threads(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLECKCORE_NUM_THREADS", str(count))
    assert default_threads() == count
    assert build_config()["threads"] == count


def test_r12_default_is_what_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLECKCORE_NUM_THREADS", raising=False)
    assert 1 <= default_threads() <= len(os.sched_getaffinity(0))


def test_r12_affinity_is_respected() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from fleckcore.kernels import default_threads; print(default_threads())"
    )
    env = {key: value for key, value in os.environ.items() if key != "FLECKCORE_NUM_THREADS"}
    finished = run(program=[sys.executable, "-c", program], env=env)
    assert finished.stdout == "1\n"


@pytest.mark.parametrize("value", ["zero", "0", "-1", "2.5", "1e9", "99999", "2 threads"])
def test_r12_impossible_number_of_threads(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLECKCORE_NUM_THREADS", value)
    for call in (default_threads, build_config, lambda: median_filter(np.ones((9, 9)), 3)):
        with pytest.raises(FleckError, match=f"FLECKCORE_NUM_THREADS={value}") as error:
            call()
        assert error.value.code == "R12"
    with pytest.raises(FleckError):
        find(dusty_flat())


def test_r12_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLECKCORE_NUM_THREADS", "zero")
    assert median_filter(np.ones((9, 9)), 3, threads=2).sum() == 81


def test_r12_impossible_environment_is_a_usage_error(
    flat: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FLECKCORE_NUM_THREADS", "many")
    with pytest.raises(SystemExit) as exit_:
        main(["find", "--no-pictures", "-o", str(tmp_path / "out"), str(flat)])
    assert exit_.value.code == 2
    assert "[R12] FLECKCORE_NUM_THREADS=many" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_instruction_set_names_those_there_are(flat: Path, tmp_path: Path) -> None:
    env = {**os.environ, "FLECKCORE_ISA": "mmx"}
    finished = run("find", "--no-pictures", "-o", tmp_path / "out", flat, env=env)
    assert finished.returncode == 2
    assert "FLECKCORE_ISA=mmx cannot run here; this machine has: baseline" in finished.stderr


# R16: nobody at home


@pytest.mark.parametrize("home", [None, "/proc", "/does/not/exist"])
def test_r16_no_display_and_no_home(flat: Path, tmp_path: Path, home: str | None) -> None:
    env = {"PATH": os.defpath} | ({} if home is None else {"HOME": home})
    finished = run("find", "--no-pictures", "-o", tmp_path / "out", flat, env=env)
    assert finished.returncode == 0, finished.stderr
    assert "3 features" in finished.stdout
    assert finished.stderr == ""


def test_r16_pictures_are_drawn_without_display_and_home(flat: Path, tmp_path: Path) -> None:
    env = {"PATH": os.defpath, "HOME": "/proc", "TMPDIR": str(tmp_path)}
    finished = run("find", "--pictures", "-o", tmp_path / "out", flat, env=env)
    assert finished.returncode == 0, finished.stderr
    for name in ("flat.png", "flat_thumbnails.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_r16_a_language_without_utf8(flat: Path, tmp_path: Path) -> None:
    env = {"PATH": os.defpath, "LC_ALL": "C"}
    assert run("find", "--no-pictures", "-o", tmp_path / "out", flat, env=env).returncode == 0


# R17: an optional part is missing


def test_r17_says_what_to_install(
    flat: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit) as exit_:
        main(["find", "--pictures", "-o", str(tmp_path / "out"), str(flat)])
    assert exit_.value.code == 2
    assert "pip install 'fleckcore[report]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_r17_pictures_are_left_out_when_nobody_asks(
    flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit) as exit_:
        main(["find", "-o", str(tmp_path / "out"), str(flat)])
    assert exit_.value.code == 0
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".ecsv", ".reg", ".fits"}


def test_r17_crosses_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(MissingExtraError("dask", "dask")))
    assert isinstance(error, MissingExtraError)
    assert error.code == "R17"
    assert str(error).endswith("Run: pip install 'fleckcore[dask]'")


# A search in every worker


def test_search_gives_the_same_in_a_worker() -> None:
    program = (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from dusty_flats import digest, dusty_flat\n"
        "from fleckcore import find\n"
        "def work(seed): return digest(find(dusty_flat(seed=seed)))\n"
        "if __name__ == '__main__':\n"
        "    work(1)\n"
        "    with ProcessPoolExecutor(2) as pool: print(*pool.map(work, (1, 2)))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    finished = run(program=[sys.executable, "-c", program], env=env)
    assert finished.stdout.split() == [digest(find(dusty_flat(seed=seed))) for seed in (1, 2)]
