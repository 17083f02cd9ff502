"""The command line: what it prints, what it writes, and with which code it leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from astropy.io import fits

from dusty_flats import FLECKS, LEVEL, Fleck, assert_finds, dusty_flat
from features import feature
from fleckcore import Catalog
from fleckcore.cli import main
from fleckcore.cli.results import describe

PROGRAM = [sys.executable, "-c", "from fleckcore.cli import main; main()", "find", "--no-pictures"]
ESCAPE = "\x1b[31m"
PLAIN = "XXXXX"
"""As long as `ESCAPE`; astropy writes the one, the test then puts the other in its place."""


class Run(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The JSON that was printed; NaN and Infinity, which JSON does not have, are refused."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is not JSON")

        records: list[dict[str, Any]] = json.loads(self.out, parse_constant=refuse)
        return records


class Bench:
    """Files in a folder of their own, and the command run on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.output = folder / "out"
        self._capsys = capsys

    def flat(self, name: str = "flat.fits", **options: Any) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        fits.PrimaryHDU(dusty_flat(**options)).writeto(path)
        return path

    def pedestal(self, name: str, level: float) -> Path:
        """The flat on a pedestal."""
        path = self.folder / name
        fits.PrimaryHDU(dusty_flat() + np.float32(level)).writeto(path)
        return path

    def two_chips(self, name: str = "two.fits") -> Path:
        """Chip 2 without features comes first, then chip 1 with three."""
        header = fits.Header(
            {
                "INSTRUME": "ACS",
                "DETECTOR": "WFC",
                "OBJECT": f"{PLAIN}lamp",
                "FILTER1": f"{PLAIN}F606W",
                "FILTER2": "CLEAR2L",
                "CCDAMP": "ABCD",
            }
        )
        hdus = fits.HDUList([fits.PrimaryHDU(header=header)])
        for version, (chip, flecks) in enumerate(((2, ()), (1, FLECKS)), start=1):
            hdu = fits.ImageHDU(dusty_flat(flecks=flecks), name="SCI", ver=version)
            hdu.header.update({"CCDCHIP": chip, "LTV1": -100.0, "LTV2": -50.0})
            hdus.append(hdu)
        path = self.folder / name
        hdus.writeto(path)
        return path

    def bad(self, name: str = "bad.fits") -> Path:
        path = self.folder / name
        path.write_bytes(b"<html>Not found</html>")
        return path

    def run(self, *arguments: object) -> Run:
        return self.run_plain("--no-pictures", "-o", self.output, *arguments)

    def run_plain(self, *arguments: object) -> Run:
        with pytest.raises(SystemExit) as exit_:
            main(["find", *map(str, arguments)])
        captured = self._capsys.readouterr()
        return Run(int(exit_.value.code or 0), captured.out, captured.err)

    def written(self) -> set[str]:
        return {path.name for path in self.output.iterdir()}


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


def test_text_lists_every_feature(bench: Bench) -> None:
    run = bench.run(bench.flat())
    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0].endswith("flat.fits: 3 features (3 flecks)")
    assert lines[-1] == f"  results: {bench.output / 'flat'}.*"
    places = {tuple(float(word) for word in line.split()[1:3]) for line in lines if " ± " in line}
    assert places == {(fleck.x, fleck.y) for fleck in FLECKS}


def test_summary_names_what_is_no_dust() -> None:
    rows = [feature(label=i, kind=kind) for i, kind in enumerate(("bright", "column", "bright"))]
    meta = {"status": "OK", "not_listed": {}, "unlit_pixels": 0, "warnings": [], "bias": "none"}
    lines = describe("a.fits", Catalog.from_features(rows, meta={"unit": "DN", **meta}))
    assert lines[0] == "a.fits: 3 features (2 bright, 1 column)"
    assert [line.split("%")[1].split()[1] for line in lines if " ± " in line] == [
        "bright,",
        "column,",
        "bright,",
    ]


def test_mask_passes_fitsverify(bench: Bench, fitsverify: Callable[[Path], str]) -> None:
    bench.run(bench.flat())
    assert fitsverify(bench.output / "flat_mask.fits") == ""


def test_files_hold_what_was_found(bench: Bench) -> None:
    bench.run(bench.flat())
    assert bench.written() == {"flat.ecsv", "flat.reg", "flat_mask.fits"}
    catalog = Catalog.read(bench.output / "flat.ecsv")
    assert_finds(catalog)
    assert catalog.meta["input"] == "flat.fits"
    labels = fits.getdata(bench.output / "flat_mask.fits")
    assert [labels[f.y, f.x] for f in FLECKS] == [
        int(catalog["label"][np.argmin(abs(catalog["x_centroid"].value - f.x))]) for f in FLECKS
    ]
    assert (bench.output / "flat.reg").read_text().count("text={") == 3


def test_json_is_strict_and_complete(bench: Bench) -> None:
    run = bench.run("--json", bench.flat())
    assert run.code == 0
    (record,) = run.records
    assert sorted((f["y_peak"] > 0, f["kind"]) for f in record["features"]) == [(True, "fleck")] * 3
    assert record["features"][0]["area_mm2"] is None  # the pixel size is not known
    assert record["meta"]["status"] == "OK"
    assert all(Path(path).is_file() for path in record["files"].values())


def test_json_of_nothing_to_search(bench: Bench) -> None:
    path = bench.folder / "nan.fits"
    fits.PrimaryHDU(np.full((20, 30), np.nan, np.float32)).writeto(path)
    (record,) = bench.run("--json", path).records
    assert (record["features"], record["meta"]["status"]) == ([], "NO_VALID_PIXELS")
    text = bench.run(path)
    assert text.code == 0
    assert "NO_VALID_PIXELS" in text.out


def test_rejected_frame_says_so(bench: Bench) -> None:
    path = bench.folder / "dark.fits"
    fits.PrimaryHDU(np.full((80, 90), 0.5, np.float32)).writeto(path)
    run = bench.run("--normalise", "none", path)
    assert run.code == 0
    assert "more than a fifth of the frame (FRAME_REJECTED)" in run.out


def test_every_chip_has_results_of_its_own(bench: Bench) -> None:
    run = bench.run("--json", bench.two_chips())
    assert [(r["meta"]["chip"], len(r["features"])) for r in run.records] == [(1, 3), (2, 0)]
    assert {"two_chip1.ecsv", "two_chip2.ecsv"} <= bench.written()


@pytest.mark.parametrize(("chip", "count"), [(1, 3), (2, 0)])
def test_chip_is_chosen(bench: Bench, chip: int, count: int) -> None:
    run = bench.run("--json", "--chip", chip, bench.two_chips())
    assert [(r["meta"]["chip"], len(r["features"])) for r in run.records] == [(chip, count)]
    assert bench.written() == {"two.ecsv", "two.reg", "two_mask.fits"}


def test_chip_that_is_not_there(bench: Bench) -> None:
    run = bench.run("--chip", 7, bench.two_chips())
    assert run.code == 4
    assert "no chip 7, found [1, 2]" in run.err


def least(run: Run) -> float:
    return float(min(feature["transmission_min"] for feature in run.records[0]["features"]))


def test_bias_as_number_and_as_file(bench: Bench) -> None:
    raw = bench.pedestal("raw.fits", 3000)
    bias = bench.folder / "bias.fits"
    fits.PrimaryHDU(np.full((192, 256), 3000, np.uint16)).writeto(bias)
    number, file = (
        bench.run("--json", "--bias", 3000, raw),
        bench.run("--json", "--bias", bias, raw),
    )
    assert number.records[0]["features"] == file.records[0]["features"]
    assert least(number) == pytest.approx(0.2, abs=0.05)
    assert least(bench.run("--json", raw)) == pytest.approx((3000 + 200) / 4000, abs=0.05)
    assert [r.records[0]["meta"]["bias"] for r in (number, file)] == ["3000", "bias.fits"]


def test_text_warns_of_a_bias_left_in(bench: Bench) -> None:
    raw = bench.pedestal("raw.fits", 3000)
    assert "no bias was subtracted" in bench.run(raw).out
    assert "no bias was subtracted" not in bench.run("--bias", 3000, raw).out


def test_bias_file_that_is_missing(bench: Bench) -> None:
    run = bench.run("--bias", bench.folder / "none.fits", bench.flat())
    assert run.code == 4
    assert "none.fits" in run.err


def test_bias_of_each_chip_is_that_chips(bench: Bench) -> None:
    two = bench.two_chips()
    run = bench.run("--json", "--bias", two, two)
    assert run.code == 4  # nothing is left of either
    assert [record["code"] for record in run.records] == ["A06", "A06"]


def test_difference_needs_what_both_have_in_common(bench: Bench) -> None:
    before = bench.flat("before.fits", flecks=FLECKS[:2], seed=5)
    run = bench.run(
        "--json", "--normalise", "difference", "--reference", before, bench.flat("after.fits")
    )
    (feature,) = run.records[0]["features"]
    assert (round(feature["x_centroid"]), round(feature["y_centroid"])) == (40, 150)


def test_one_bad_file_does_not_stop_the_others(bench: Bench) -> None:
    files = bench.flat("a.fits"), bench.bad(), bench.flat("c.fits")
    run = bench.run(*files)
    assert run.code == 3
    assert [name in run.out for name in ("a.fits", "bad.fits", "c.fits")] == [True, False, True]
    assert run.err.startswith("not used: [I04]")
    assert "bad.fits" in run.err
    records = bench.run("--json", *files).records
    assert [record.get("code") for record in records] == [None, "I04", None]


def test_nothing_usable(bench: Bench) -> None:
    run = bench.run(bench.bad(), bench.folder / "missing.fits")
    assert (run.code, run.out) == (4, "")
    assert len(run.err.splitlines()) == 2
    assert bench.written() == set()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--no-such-option", "x.fits"),
        ("--window", "64", "x.fits"),
        ("--window", "wide", "x.fits"),
        ("--false-alarms", "0", "x.fits"),
        ("--false-alarms", "nan", "x.fits"),
        ("--min-depth", "2", "x.fits"),
        ("--min-area", "0", "x.fits"),
        ("--threads", "0", "x.fits"),
        ("--normalise", "magic", "x.fits"),
        ("--normalise", "difference", "x.fits"),
    ],
    ids=" ".join,
)
def test_usage_error_comes_before_any_work(bench: Bench, arguments: tuple[str, ...]) -> None:
    run = bench.run(*arguments)
    assert (run.code, run.out) == (2, "")
    assert "Error: " in run.err
    assert not bench.output.exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--window", "[A13] window=64, wanted an odd whole number"),
        ("--false-alarms", "[A09] false_alarms=nan, wanted a finite number above 0"),
        ("--min-depth", "[A09] min_depth=1.5, wanted a fraction from 0 to 1"),
        ("--min-area", "[A09] min_area=0, wanted at least 1 whole pixel"),
        ("--max-size", "[A09] max_size=0, wanted at least 1 whole pixel"),
        ("--unlit-below", "[A09] unlit_below=-1.0, wanted a fraction from 0 to 1"),
    ],
)
def test_options_are_refused_as_in_python(bench: Bench, option: str, message: str) -> None:
    value = message.partition("=")[2].partition(",")[0]
    run = bench.run(option, value, "x.fits")
    assert run.code == 2
    assert message in run.err


def test_option_for_what_is_counted_but_not_listed(bench: Bench) -> None:
    path = bench.flat(flecks=(Fleck(100, 120, 9, 0.6),))
    assert "counted but not listed: 1 large" in bench.run("--max-size", 12, path).out
    assert "1 feature (" in bench.run("--max-size", 30, path).out


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["search"])
    assert exit_.value.code == 2
    assert "No such command 'search'" in capsys.readouterr().err


def test_interrupt_leaves_whole_files_and_130(bench: Bench) -> None:
    files = [str(bench.flat())] * 500
    # A shell that runs the tests in the background lets them, and so the program, ignore the signal.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = [sys.executable, "-c", heeds + PROGRAM[2], *PROGRAM[3:]]
    with subprocess.Popen(
        [*program, "-o", bench.output, *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "3 features" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == "interrupted"
    assert out.count("results:") < 500
    for path in bench.output.iterdir():
        assert path.suffix in (".ecsv", ".reg", ".fits"), f"{path} was left behind"
        if path.suffix == ".ecsv":
            assert_finds(Catalog.read(path))


def test_i20_escapes_in_header_and_name_do_not_reach_the_terminal(bench: Bench) -> None:
    data = bench.two_chips("plain.fits").read_bytes()
    path = bench.folder / f"lamp{ESCAPE}.fits"
    path.write_bytes(data.replace(PLAIN.encode(), ESCAPE.encode()))
    assert path.read_bytes().count(ESCAPE.encode()) == 2
    for arguments in ((path,), (path, bench.bad(f"bad{ESCAPE}.fits")), ("--json", path)):
        run = bench.run(*arguments)
        assert "lamp" in run.out
        assert "\x1b" not in run.out + run.err
    assert "F606W" in bench.run("--json", path).records[0]["meta"]["filters"]
    for result in bench.output.iterdir():
        assert "\x1b" not in result.name
        assert b"\x1b" not in result.read_bytes()[:2880]


def test_i17_name_of_a_file_cannot_leave_the_folder(bench: Bench) -> None:
    bench.run(bench.flat("..;rm -rf $HOME.fits"))
    assert bench.written() == {f"rm_-rf_HOME{end}" for end in (".ecsv", ".reg", "_mask.fits")}


def test_inputs_of_one_name_get_results_of_their_own(bench: Bench) -> None:
    first, second = bench.flat("a/flat.fits"), bench.flat("b/flat.fits", flecks=FLECKS[:1])
    third = bench.flat("flat_2.fits", flecks=())
    run = bench.run("--json", first, second, third)
    catalogs = [Catalog.read(record["files"]["catalog"]) for record in run.records]
    assert [len(catalog) for catalog in catalogs] == [3, 1, 0]
    assert len(bench.written()) == 9


def test_a_second_run_replaces_the_first(bench: Bench) -> None:
    path = bench.flat()
    bench.run(path)
    before = (bench.output / "flat.ecsv").read_bytes()
    assert bench.run("--bright", path).code == 0
    assert len(Catalog.read(bench.output / "flat.ecsv")) == 0
    bench.run(path)
    assert (bench.output / "flat.ecsv").read_bytes() == before
    assert len(bench.written()) == 3


@pytest.mark.parametrize(
    ("bias", "words"),
    [
        (2 * LEVEL, "LEVEL_TOO_LOW"),
        ("bias.fits", "bias has shape (3, 4), the frame has (192, 256)"),
    ],
)
def test_frame_that_cannot_be_searched_is_named(bench: Bench, bias: Any, words: str) -> None:
    bench.flat("bias.fits", shape=(3, 4), flecks=())
    where = bench.folder / bias if isinstance(bias, str) else bias
    run = bench.run("--bias", where, bench.flat("dim.fits"))
    assert run.code == 4
    assert words in run.err
    assert "dim.fits" in run.err


@pytest.mark.parametrize(("bad", "good", "count"), [(1, 2, 3), (2, 1, 0)])
def test_one_unusable_chip_does_not_hide_the_other(
    bench: Bench, bad: int, good: int, count: int
) -> None:
    """Chip 1, the second extension, is searched first."""
    path = bench.two_chips()
    with fits.open(path, mode="update") as hdus:
        hdus["SCI", bad].data[:] = 0
    run = bench.run(path)
    assert run.code == 3
    assert f"two.fits[SCI,{good}]: {count} features" in run.out
    assert f"two.fits[SCI,{bad}]: LEVEL_TOO_LOW" in run.err


def test_results_never_replace_an_input(bench: Bench) -> None:
    flat, other = bench.flat("a.fits"), bench.flat("a_mask.fits", seed=2)
    before = other.read_bytes()
    run = bench.run_plain("--no-pictures", "-o", bench.folder, flat, other)
    assert run.code == 0
    assert other.read_bytes() == before
    assert (bench.folder / "a_2_mask.fits").exists()
    assert not (bench.folder / "a.ecsv").exists()
