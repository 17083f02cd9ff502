"""The tables and pictures of the benchmarks, from records as they are written."""

import json
import sys

import pytest

import render
import scaling
from fleckcore import bench
from fleckcore.bench.measure import Comparison, Measurement
from fleckcore.bench.results import conditions

LIMITS = bench.Limits(copy_ms=2.0, read_ms=1.0, compare_float32=50.0, compare_int16=100.0)
RIVAL = Comparison("scipy", "1.17", 400.0, agrees=True, share=0.5)


@pytest.fixture
def render_file(tmp_path, monkeypatch):
    def run(text):
        path = tmp_path / "record.json"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["render.py", str(tmp_path / "out"), str(path)])
        render.main()
        return tmp_path / "out"

    return run


def test_the_table_of_the_bench_tells_copies_gain_and_ratio(render_file):
    row = Measurement("median_filter", "15x15", {1: 40.0, 2: 25.0}, 0.5, [RIVAL])
    out = render_file(bench.json_of([row], LIMITS))
    table = (out / "bench.md").read_text()
    assert "| 15x15 | 40.0 | 20.0 | 25.0 | 1.60 | 0.5 | scipy 400† (10×) |" in table


def test_the_table_of_the_grid_has_a_row_for_each_case(render_file):
    def benchmark(seconds, **info):
        common = {"kernel": "median_filter", "case": "15x15", "share": 1.0, "copies": 500 * seconds}
        return {"stats": {"min": seconds}, "extra_info": {**common, **info}}

    benchmarks = [
        benchmark(0.04, program="fleckcore", threads=1),
        benchmark(0.025, program="fleckcore", threads=2),
        benchmark(0.2, program="scipy", threads=1, share=0.5),
        {"stats": {"min": 1.0}, "extra_info": {}},
    ]
    record = {"fleckcore": conditions(LIMITS), "benchmarks": benchmarks}
    out = render_file(json.dumps(record))
    assert "| 15x15 | 40.0 | 20.0 | 25.0 | scipy 400 |" in (out / "grid.md").read_text()


@pytest.mark.parametrize(
    ("scale", "unit"),
    [("symlog", "ms"), ("log", "ns/pixel"), ("linear", "gain"), ("function", "ms")],
)
def test_a_picture_is_drawn_of_what_was_measured(render_file, scale, unit):
    picture = scaling.Picture("title", "masked, %", scale, unit)
    for role in ("ours", "theirs", "limit"):
        points = [scaling.Point(x, lambda: None, 100, 0.5) for x in (0.01, 1, 2, 90)]
        picture.lines.append(scaling.Line(role, role, points))
    record = {**conditions(LIMITS), "repeats": 1, "pictures": {"it": scaling.measure(picture, 1)}}
    out = render_file(json.dumps(record))
    assert (out / "it.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "0.12"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1234")]
)
def test_numbers_have_three_digits(value, shown):
    assert render.number(value) == shown
