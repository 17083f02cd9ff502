"""The kernels' choices: no byte depends on them, and a profile that does not fit is not used."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from fleckcore import build_config, find, kernels, tune
from fleckcore._core import tuning as choices_in_use
from fleckcore.bench import tuning
from fleckcore.errors import ArrayError, FleckError, OutputError, TuningWarning
from fleckcore.kernels import (
    default_threads,
    gaussian_filter,
    label_components,
    median_filter,
    mesh_statistics,
    set_tuning,
    shadow_search,
    streak_search,
    trail_scan,
)
from fleckcore.kernels._tuning import forget_tuning

DEFAULTS = choices_in_use()
VALUES = {
    "isa": build_config()["isas"],
    "threads": (1, 2, 4096),
    "network_side_32": (1, 9, 15, 21),
    "network_side_64": (1, 9, 15, 21),
    "network_trimmed": (0, 1),
    "network_cols": (16, 64, 128, 256, 4096),
    "band_rows_21": (8, 16, 24, 32, 128),
    "band_rows_63": (8, 24, 48, 128),
    "band_rows_101": (8, 56, 64, 128),
    "band_rows_any": (8, 48, 96, 128),
    "gaussian_rows": (8, 64, 120, 1024),
}


@pytest.fixture(autouse=True)
def as_before():
    yield
    forget_tuning()


def frame(shape=(170, 230)):
    """Noise with steps, ties, pixels that are not numbers and a bright trail."""
    rng = np.random.default_rng(3)
    data = (1000 + 20 * rng.standard_normal(shape)).astype("f4")
    data[60:90] = np.round(data[60:90])
    data[100:130, 50:120] *= 0.9
    data[20:60, 80] += 5000
    data[5, 7], data[80, 100], data[81, 100] = np.nan, np.inf, -0.0
    return data


def results():
    """The bytes of every kernel on a small hard frame."""
    data, rng = frame(), np.random.default_rng(4)
    mask, few = rng.random(data.shape) < 0.3, np.zeros(data.shape, bool)
    few[:60, :60] = True
    for size in (5, 15, (9, 21), 31, 101, 111):
        yield median_filter(data, size).tobytes()
    for plane in (mask, few):
        yield median_filter(data, 15, mask=plane, mode="shrink").tobytes()
    for other in (data.astype("f8"), np.nan_to_num(data, posinf=0).astype("u2")):
        for size in (15, 21):
            yield median_filter(other, size).tobytes()
    for sigma in (1.5, 6.0):
        yield gaussian_filter(data, sigma, mask=few).tobytes()
    found = label_components(data, 1040.0, labels=True)
    yield found.labels.tobytes() + found.area.tobytes()
    mesh = mesh_statistics(data, 32)
    yield mesh.level.tobytes() + mesh.noise.tobytes() + mesh.interpolate("level").tobytes()
    trails = trail_scan(data, direction="+y", noise=20.0, seed_threshold=400.0)
    yield b"".join(np.asarray(column).tobytes() for column in vars(trails).values())
    lost = (1 - data / 1000).astype("f4")
    yield shadow_search(lost, 6.0).tobytes()
    yield streak_search(lost, 30.0, 20.0).tobytes()


@pytest.fixture(scope="module")
def plain():
    return list(results())


def test_every_choice_is_tested_and_measured():
    assert set(VALUES) == {"isa"} | set(DEFAULTS)
    tried = {tunable.name: tunable.values for tunable in tuning._tunables(None)}
    assert set(tried) == set(VALUES)
    for name in set(DEFAULTS) - {"threads"}:
        assert tried[name][0] == DEFAULTS[name]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in VALUES for value in VALUES[name]]
)
def test_no_choice_changes_a_byte(name, value, plain):
    set_tuning({name: value})
    assert choices_in_use()[name] == value
    assert list(results()) == plain


def test_all_choices_at_once_change_no_byte(plain):
    rng = np.random.default_rng(5)
    for _ in range(5):
        choices = {name: values[rng.integers(len(values))] for name, values in VALUES.items()}
        set_tuning(choices)
        assert choices_in_use() == choices
        assert list(results()) == plain


@pytest.mark.parametrize(
    ("choices", "seen"),
    [
        ({"threads": 0}, "threads = 0, wanted 1 to 4096"),
        ({"network_cols": 17}, "network_cols = 17, wanted 16 to 4096 in steps of 16"),
        ({"band_rows_21": 136}, "band_rows_21 = 136"),
        ({"network_trimmed": True}, "network_trimmed = True, wanted a whole number"),
        ({"gaussian_rows": 64.0}, "gaussian_rows = 64.0, wanted a whole number"),
        ({"gaussian_rows": 10**40}, "too large"),
        ({"gaussian_rows": None}, "gaussian_rows = None"),
        ({"isa": "mmx"}, "isa = mmx, which is unknown"),
        ({"isa": 2}, "isa = 2, which is unknown"),
        ({"colour": 1}, "colour is no choice of this version"),
    ],
)
def test_choices_refused(choices, seen):
    set_tuning({"threads": 1})
    with pytest.raises(FleckError, match=seen) as caught:
        set_tuning(choices)
    assert caught.value.code == "R18"
    assert choices_in_use()["threads"] == 1


def test_nothing_is_changed_while_a_kernel_runs():
    data = np.random.default_rng(0).random((3000, 3000))
    run = threading.Thread(target=median_filter, args=(data, 151), kwargs={"threads": 1})
    run.start()
    while run.is_alive():
        with contextlib.suppress(FleckError):
            set_tuning({})
            time.sleep(0.001)
            continue
        with pytest.raises(FleckError, match="a kernel is running") as caught:
            set_tuning({})
        assert caught.value.code == "R20"
        break
    else:
        pytest.fail("the tuning was changed all the time")
    run.join()
    set_tuning({})


# --- Profiles ----------------------------------------------------------------------------------------------------


def profile(**changes):
    whole = kernels.machine() | {
        "cores": 2,
        "date": "2026-01-01T00:00:00+00:00",
        "frames": [],
        "choices": {"threads": 1, "band_rows_63": 96},
        "measured": [],
    }
    return json.dumps(whole | changes)


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "node.json"
    monkeypatch.setenv("FLECKCORE_TUNING", str(path))
    forget_tuning()
    return path


def test_a_profile_is_used_from_the_first_kernel_on_and_recorded(path, monkeypatch):
    monkeypatch.delenv("FLECKCORE_NUM_THREADS", raising=False)
    path.write_text(profile())
    median_filter(np.ones((9, 9)), 3, threads=1)
    assert choices_in_use() == DEFAULTS | {"threads": 1, "band_rows_63": 96}
    assert default_threads() == 1
    name, digest = build_config()["tuning"].split()
    assert name == "node.json"
    assert len(digest) == 8
    path.write_text(profile(cores=3))
    forget_tuning()
    assert build_config()["tuning"].split()[1] != digest


def test_environment_wins_over_a_profile(path, monkeypatch):
    isas = VALUES["isa"]
    path.write_text(profile(choices={"threads": 1, "isa": isas[0]}))
    monkeypatch.setenv("FLECKCORE_NUM_THREADS", "3")
    assert build_config()["threads"] == 3
    assert build_config()["isa"] == isas[0]
    code = "from fleckcore import build_config as b; print(b()['isa'], b()['tuning'][:9])"
    monkeypatch.setenv("FLECKCORE_ISA", isas[-1])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [isas[-1], "node.json"]


def test_catalogues_are_the_same_and_say_which_profile(path):
    data = frame((300, 300))
    path.write_text(profile())
    tuned = find(data, shapes="compact")
    set_tuning({})
    plain = find(data, shapes="compact")
    assert tuned.meta.pop("tuning").startswith("node.json ")
    assert plain.meta.pop("tuning") is None
    assert tuned.meta == plain.meta
    assert tuned.to_json() == plain.to_json()


FAULTS = {
    "not there": (None, "R18", "cannot be read: No such file"),
    "empty": ("", "R18", "not JSON"),
    "cut off": (profile()[:-20], "R18", "not JSON"),
    "not text": (b"\xff\xfe\x00", "R18", "not JSON"),
    "nested": ("[" * 100_000, "R18", "not JSON"),
    "too large": (" " * (1 << 20) + profile(), "R18", "more than 1 MB"),
    "a list": ("[]", "R18", "holds list"),
    "a key too many": (profile(colour=1), "R18", "colour"),
    "a key too few": ("{}", "R18", r"holds \[\]"),
    "no choices": (profile(choices=3), "R18", "'choices' is 3"),
    "unknown choice": (profile(choices={"tiles": 3}), "R18", "tiles is no choice"),
    "out of range": (profile(choices={"threads": 0}), "R18", "threads = 0"),
    "other processor": (profile(processor="abacus"), "R19", "for processor 'abacus'"),
    "other version": (profile(fleckcore="0.0.1"), "R19", "for fleckcore '0.0.1'"),
    "other instruction sets": (profile(isas=["baseline", "neon"]), "R19", "neon"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_profile_that_does_not_fit_is_a_warning_once_and_not_used(fault, path):
    content, code, seen = FAULTS[fault]
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.warns(TuningWarning, match=seen) as caught:
        median_filter(np.ones((9, 9)), 3)
    text = str(caught[0].message)
    assert text.startswith(f"[{code}] {path}: ")
    assert "Run: fleckcore tune" in text
    assert choices_in_use() == DEFAULTS
    assert build_config()["tuning"] is None


def test_a_folder_is_no_profile(path):
    path.mkdir()
    with pytest.warns(TuningWarning, match="R18.*Is a directory"):
        build_config()


def test_where_a_profile_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("FLECKCORE_TUNING", "off")
    assert kernels.profile_path() is None
    monkeypatch.setenv("FLECKCORE_TUNING", "")
    assert kernels.profile_path() is None
    monkeypatch.delenv("FLECKCORE_TUNING")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert kernels.profile_path() == tmp_path / "fleckcore" / "tuning.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert kernels.profile_path() == tmp_path / "me" / ".config" / "fleckcore" / "tuning.json"


def test_nobody_has_tuned_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.delenv("FLECKCORE_TUNING")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    forget_tuning()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build_config()["tuning"] is None


def test_importing_reads_no_profile(path):
    path.write_text("damaged")
    code = "import fleckcore.kernels"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert run.returncode == 0


# --- Measuring ---------------------------------------------------------------------------------------------------


class Clock:
    """Time passes when a task runs, by the value in use and the turn."""

    def __init__(self, monkeypatch, ms):
        self.now, self.turns, self.ms = 0.0, {}, ms
        monkeypatch.setattr(tuning.time, "perf_counter", lambda: self.now)

    def task(self):
        rows = choices_in_use()["gaussian_rows"]
        turn = self.turns[rows] = self.turns.get(rows, -1) + 1
        self.now += 1e-3 * self.ms(rows, turn)
        return np.zeros(1)

    def trial(self, values=(64, 32, 128), end=0.0):
        tunable = tuning.Tunable("gaussian_rows", "rows", values, lambda sample, threads: [])
        return tuning._tried(tunable, [self.task, self.task], {"threads": 1}, end)


def test_the_fastest_is_chosen_by_the_shortest_of_many(monkeypatch):
    trial = Clock(
        monkeypatch, lambda rows, turn: {64: 10, 32: 12, 128: 8}[rows] + (turn == 5)
    ).trial()
    assert trial.ms == {64: pytest.approx(20), 32: pytest.approx(24), 128: pytest.approx(16)}
    assert (trial.best, trial.chosen, trial.pays) == (128, 128, True)
    assert trial.gain == pytest.approx(1.25)
    assert trial.wavers == pytest.approx(0)


def test_a_gain_of_less_than_two_per_cent_is_none(monkeypatch):
    trial = Clock(monkeypatch, lambda rows, turn: {64: 10, 32: 12, 128: 9.85}[rows]).trial()
    assert (trial.best, trial.chosen) == (128, 64)


def test_a_gain_within_twice_the_wavering_is_none(monkeypatch):
    def ms(rows, turn):
        wavering = 1.0 if turn // 2 % 2 else 0.0  # every other round, and of one value
        return {64: 10, 32: 12 + wavering, 128: 9}[rows]

    trial = Clock(monkeypatch, ms).trial()
    assert trial.wavers == pytest.approx(1 / 13, rel=0.1)
    assert (trial.best, trial.chosen) == (128, 64)


def test_turns_go_on_until_the_time_is_up(monkeypatch):
    clock = Clock(monkeypatch, lambda rows, turn: 10)
    clock.trial(values=(64, 32), end=1.0)
    assert clock.now == pytest.approx(1.0, abs=0.05)


def test_a_choice_that_changes_a_result_is_an_error():
    def task():
        return np.array([choices_in_use()["gaussian_rows"]])

    with pytest.raises(FleckError, match="gives another result") as caught:
        tuning._compare([{"gaussian_rows": 64}, {"gaussian_rows": 32}], [task])
    assert caught.value.code == "R20"


def test_tune_writes_what_later_runs_use(path):
    data = frame((90, 110))
    tuned = tune([data, np.nan_to_num(data, posinf=0).astype(">u2")], seconds=0)
    assert tuned.path == path
    assert tuned.frames == ("array, 90 x 110 float32", "array, 90 x 110 uint16")
    written = json.loads(path.read_text())
    assert written["choices"] == tuned.choices
    assert written["frames"] == list(tuned.frames)
    assert {row["choice"] for row in written["measured"]} == {t.choice for t in tuned.trials}
    for row in written["measured"]:
        assert row["ms"][str(row["best"])] == min(row["ms"].values())
    assert build_config()["tuning"].startswith("node.json ")
    assert choices_in_use() == DEFAULTS | tuned.choices


def test_a_chosen_value_is_used_by_later_trials_and_written(path, monkeypatch):
    def pays(tunable, tasks, chosen, end):
        seen.append((tunable.name, dict(chosen)))
        best = tunable.values[-1]
        ms = dict.fromkeys(tunable.values, 2.0) | {best: 1.0}
        return tuning.Trial(tunable.name, tunable.about, tunable.values[0], best, ms, 0.0)

    seen = []
    monkeypatch.setattr(tuning, "_tried", pays)
    monkeypatch.delenv("FLECKCORE_ISA", raising=False)
    tuned = tune([frame((90, 110))], threads=1)
    assert tuned.threads == 1
    assert seen[-1][1] | {seen[-1][0]: 256} == tuned.choices
    assert "threads" not in tuned.choices
    assert build_config()["tuning"].startswith("node.json ")
    assert choices_in_use() == DEFAULTS | tuned.choices


def test_no_place_for_a_profile_is_found_before_measuring(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "_trials", None)
    (tmp_path / "file").touch()
    for output in (None, tmp_path, tmp_path / "file" / "tuning.json"):
        with pytest.raises(OutputError) as caught:
            tune(output=output)
        assert caught.value.code == "R08"


def test_frames_and_threads_refused(path):
    with pytest.raises(ArrayError, match="A09"):
        tune([np.zeros(5)])
    with pytest.raises(ArrayError, match="threads=0"):
        tune([frame((90, 110))], threads=0, seconds=0)
    assert not path.exists()
