"""``fleckcore bench``: the table, the JSON and the picture."""

import json
import sys

import numpy as np
import pytest

from fleckcore import bench
from fleckcore.bench.measure import Case, Rival, measure_all
from fleckcore.cli import main


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["bench", *map(str, arguments)])
    return end.value.code


def test_the_table_the_json_and_the_picture_tell_the_same(tmp_path, capsys):
    where, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    assert run("-k", "3x3 float32", "--repeats", 1, "--json", where, "--picture", picture) == 0
    written = json.loads(where.read_text())
    assert all(limit > 0 for limit in written["limits"].values())
    (row,) = written["measurements"]
    assert row["name"] == "3x3 float32"
    assert set(row["ms"]) == {"1", "2"}
    scipy = next(rival for rival in row["rivals"] if rival["name"] == "scipy")
    assert scipy["agrees"] is True
    assert 0 < scipy["share"] < 1
    out = capsys.readouterr().out
    assert f"{row['ms']['1']:.1f}" in out
    assert f"{row['ms']['1'] / written['limits']['copy_ms']:.1f}" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_rival_that_disagrees_is_shown():
    case = Case(
        "kernel",
        "case",
        lambda threads: np.zeros(3),
        (
            Rival("other", "1", lambda: np.ones(3), np.array_equal),
            Rival("third", "2", lambda: None),
        ),
    )
    (measured,) = measure_all([case], 1)
    assert [rival.agrees for rival in measured.rivals] == [False, None]
    text = bench.text_of([measured], bench.Limits(2.0, 1.0, 50.0, 100.0))
    assert "NO" in text


def test_the_shortest_of_many_turns_counts_and_a_share_is_scaled(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("fleckcore.bench.measure.time.perf_counter", lambda: now[0])
    turns = iter([0.5, 0.05, 0.03, 0.04])  # the first is not timed: its result is compared

    def take(seconds):
        now[0] += seconds

    case = Case(
        "kernel",
        "case",
        lambda threads: take(next(turns)),
        (Rival("other", "1", lambda: take(0.05), share=0.5),),
        threads=(1,),
    )
    (measured,) = measure_all([case], 3)
    assert measured.ms == {1: pytest.approx(30)}
    assert measured.rivals[0].ms == pytest.approx(100)


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_memory_of_the_result_is_no_extra_memory():
    class Result:
        def __init__(self):
            self.labels = np.ones(2**23)

    cases = [
        Case("kernel", "array", lambda threads: np.ones(2**23)),
        Case("kernel", "object", lambda threads: Result()),
        Case("kernel", "scratch", lambda threads: np.ones(2**23).sum()),
    ]
    array, result, scratch = (measured.extra_mb for measured in measure_all(cases, 1))
    assert array < 16
    assert result < 16
    assert scratch > 48
