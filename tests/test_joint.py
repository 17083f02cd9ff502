"""Several frames of one detector searched at once: what they show together, and what each says of every row."""

import csv
import json

import numpy as np
import pytest
from astropy.io import fits

import fleckcore
from dusty_flats import digest
from fleckcore import Catalog, simulate
from fleckcore.cli import main
from fleckcore.detection.combine import FrameMean
from fleckcore.detection.depths import FrameDepths, large_template
from fleckcore.detection.joint import search_all
from fleckcore.detection.normalise import Normalised
from fleckcore.detection.options import Options
from fleckcore.detection.shadow import Shadow
from fleckcore.errors import ArrayError, FleckError
from fleckcore.frame import FrameMeta, as_frame
from fleckcore.simulate import Obstruction, obscure
from real_frames import combined_flat, score

SHAPE = (360, 420)
NOISE = 0.01
FILTERS = ((10000.0, 0.03, 0.00), (30000.0, 0.02, 0.04), (500.0, 0.05, -0.03), (8000.0, 0.01, 0.02))
"""Light, vignetting in the corners and slope along x."""


def flat(filter_number, *shadows, seed=0):
    """A flat through one of `FILTERS`, with 1 % of noise."""
    level, vignetting, slope = FILTERS[filter_number]
    y, x = (np.linspace(-0.5, 0.5, size) for size in SHAPE)
    light = level * (1 - 2 * vignetting * np.add.outer(y**2, x**2) + slope * x)
    light = obscure(light.astype(np.float32), shadows).data
    random = np.random.Generator(np.random.PCG64(10 * seed + filter_number))
    return (light * (1 + NOISE * random.standard_normal(SHAPE))).astype(np.float32)


def ring(x, y, radius, loss):
    size = {"width": 2 * radius, "height": 2 * radius, "hole": 0.45, "softness": 1.5}
    return Obstruction(x=x, y=y, loss=loss, kind="ring", **size)


def fleck(x, y, radius, loss):
    return Obstruction(x=x, y=y, width=2 * radius, height=2 * radius, loss=loss, kind="disc")


def near(catalog, x, y, within=6.0):
    """Rows about a place."""
    distance = np.hypot(catalog["x_centroid"].value - x, catalog["y_centroid"].value - y)
    return np.flatnonzero(distance < within)


def values(column):
    return np.asarray(getattr(column, "value", column))


def pulls(catalog, row, truth):
    return (catalog["depths"][row] - truth) / catalog["depths_err"][row]


def test_one_frame_is_searched_as_by_itself():
    data = flat(0, ring(200, 180, 30, 0.02), fleck(90, 60, 4, 0.3))
    alone, joint = fleckcore.find(data), fleckcore.find_all([data])
    for name in alone.colnames:
        assert values(joint[name]).tobytes() == values(alone[name]).tobytes(), name
    assert joint["depths"].shape == (2, 1)
    assert joint["frames_seen"].tolist() == [1, 1]
    assert joint["found_in"].tolist() == [-1, -1]
    (large,) = near(joint, 200, 180)
    assert joint["depths"][large, 0] == pytest.approx(0.02, abs=4 * joint["depths_err"][large, 0])


def test_each_row_has_the_depths_of_what_it_lists():
    """Flecks, large shadows and streaks are measured differently; what each is must follow its row."""
    streak = Obstruction(x=150, y=290, width=160, height=5, loss=0.06, kind="streak", angle=20)
    items = (fleck(90, 60, 4, 0.3), ring(250, 150, 30, 0.02), streak)
    found = fleckcore.find_all([flat(k, *items) for k in range(2)])
    assert sorted(found["kind"].tolist()) == ["fleck", "ring", "streak"]
    for item in items:
        (row,) = near(found, item.x, item.y)
        assert found["label"][row] == row + 1
        assert found["frames_seen"][row] == 2
        mean = 1 - values(found["transmission_mean"])[row]
        if item.kind == "disc":  # the mean of its footprint, which is larger than it
            mean = item.loss * np.pi * 4**2 / found["area_detected"][row].value
        assert found["depths"][row] == pytest.approx(mean, rel=0.15)


def test_a_ring_too_faint_for_each_filter_is_found_in_all_four():
    """At half of the depth that a search of one frame finds nearly always."""
    x, y, loss = 200.3, 180.6, 0.0016
    alone, together, seen = 0, 0, []
    for seed in range(6):
        frames = [flat(k, ring(x, y, 30, loss), seed=seed) for k in range(4)]
        alone += sum(len(near(fleckcore.find(frame), x, y)) for frame in frames)
        found = fleckcore.find_all(frames)
        rows = near(found, x, y)
        together += len(rows)
        seen += [pulls(found, row, loss) for row in rows]
    assert alone <= 0.35 * 24
    assert together >= 4
    assert abs(np.mean(seen)) < 1.2  # what noise deepens is found more easily
    assert 0.6 < np.sqrt(np.mean(np.square(seen))) < 1.8


def test_depths_are_right_within_their_errors_and_zero_where_it_is_not():
    """A ring that moves away in the fourth frame, and flecks of other depths in each."""
    depths = np.array([0.10, 0.08, 0.06, 0.0])
    of_ring, of_fleck = [], []
    for seed in range(6):
        frames = [
            flat(k, ring(200.3 if k < 3 else 310, 180.6, 30, 0.01), fleck(90, 60, 4, d), seed=seed)
            for k, d in enumerate(depths)
        ]
        found = fleckcore.find_all(frames, threads=2)
        (row,) = near(found, 200.3, 180.6)
        of_ring.append(pulls(found, row, [0.01, 0.01, 0.01, 0.0]))
        assert found["frames_seen"][row] == 3
        (row,) = near(found, 90, 60)
        share = found["depths"][row] / found["depths"][row, 0]
        error = found["depths_err"][row] / found["depths"][row, 0]
        of_fleck.append(((share - depths / depths[0]) / (2**0.5 * error))[1:])
        assert found["frames_seen"][row] == 3
    for seen in (of_ring, of_fleck):
        assert abs(np.mean(seen)) < 0.8  # the fitted shape is a little off, the same in all frames
        assert 0.5 < np.sqrt(np.mean(np.square(seen))) < 1.3
    assert np.abs(np.array(of_ring)[:, 3]).max() < 4


@pytest.mark.parametrize("loss", [0.0, 0.004])
def test_the_depth_of_a_known_shadow_has_the_error_it_says(loss):
    shadow = Shadow(200.3, 180.6, radius=30, hole=0.45, softness=0.92, fill=0.0, depth=1.0)
    template = large_template(shadow, np.zeros(SHAPE, np.int32))
    seen = []
    for seed in range(72):
        frame = as_frame(flat(seed % 4, ring(200.3, 180.6, 30, loss), seed=seed))
        measured = FrameDepths(frame, [template], Options())
        seen.append((measured.depth[0] - loss) / measured.error[0])
    assert abs(np.mean(seen)) < 0.5
    assert 0.7 < np.sqrt(np.mean(np.square(seen))) < 1.4


@pytest.mark.parametrize("number", [0, 2])
def test_dust_on_one_filter_is_one_row_seen_once(number):
    for shadow in (ring(200, 180, 30, 0.005), fleck(90, 60, 2, 0.07)):
        frames = [flat(k, *[shadow] * (k == number), seed=3) for k in range(4)]
        found = fleckcore.find_all(frames)
        (row,) = near(found, shadow.x, shadow.y)
        assert len(found) == 1
        assert found["frames_seen"][row] == 1
        assert found["found_in"][row] in (-1, number)
        others = np.delete(found["depths"][row] / found["depths_err"][row], number)
        assert np.abs(others).max() < 4
        assert found["depths"][row, number] > 4 * found["depths_err"][row, number]


def test_what_the_joint_search_misses_is_named_by_its_frame():
    """In one of nine frames the ring is diluted to a third of its significance."""
    frames = [flat(k % 4, seed=20 + k) for k in range(9)]
    frames[7] = flat(3, ring(200, 180, 30, 0.005), seed=27)
    found = search_all(frames, threads=2)
    assert found.catalog["found_in"].tolist() == [7]
    assert found.catalog["frames_seen"].tolist() == [1]
    depth, error = found.catalog["depths"][0, 7], found.catalog["depths_err"][0, 7]
    assert depth == pytest.approx(0.005, abs=4 * error)
    assert np.count_nonzero(found.labels == found.catalog["label"][0]) > 1000


@pytest.mark.parametrize("kind", simulate.BLANK_KINDS)
def test_blank_frames_keep_the_stated_rate(kind):
    """0.1 are expected of each set; five sets hold more than 3 less than once in 500 times."""
    listed = 0
    for seed in range(5):
        frames = [simulate.blank_frame(kind, shape=SHAPE, seed=100 * seed + k) for k in range(3)]
        listed += len(fleckcore.find_all(frames))
    assert listed <= 3


def test_the_order_of_frames_orders_the_depths_alone():
    frames = [flat(k, ring(200, 180, 30, 0.01), fleck(90, 60, 4, 0.1), seed=5) for k in range(3)]
    frames.append(flat(3, fleck(300, 300, 3, 0.2), seed=5))
    order = [2, 0, 3, 1]
    one, other = fleckcore.find_all(frames), fleckcore.find_all([frames[i] for i in order])
    assert len(one) >= 3
    for name in one.colnames:
        expected = values(one[name])
        if name in ("depths", "depths_err"):
            expected = expected[:, order]
        if name == "found_in":
            expected = np.array([-1 if k < 0 else order.index(k) for k in expected])
        assert values(other[name]).tobytes() == expected.tobytes(), name
    weights = [frame["weight"] for frame in one.meta["frames"]]
    assert [frame["weight"] for frame in other.meta["frames"]] == [weights[i] for i in order]


def test_threads_change_nothing():
    frames = [flat(k, ring(200, 180, 30, 0.01), fleck(90, 60, 4, 0.1), seed=5) for k in range(3)]
    assert digest(fleckcore.find_all(frames, threads=1)) == digest(
        fleckcore.find_all(frames, threads=3)
    )


def transmission(data):
    data = np.asarray(data, np.float32)
    return Normalised(data, None, np.ones_like(data), ~np.isfinite(data), "ratio")


@pytest.mark.parametrize(("count", "kept"), [(2, True), (3, False), (5, False)])
def test_a_cosmic_ray_is_left_out_of_three_frames_or_more(count, kept):
    random = np.random.Generator(np.random.PCG64(1))
    frames = [1 + 0.01 * random.standard_normal((64, 64)) for _ in range(count)]
    frames[1][20, 30] = 9.0
    frames[0][40, 40] = 0.2  # dust is kept
    mean = FrameMean((64, 64))
    for frame in frames:
        mean.add(transmission(frame))
    data = mean.frame(FrameMeta()).data
    expected = (9.0 + count - 1) / count if kept else 1.0
    assert data[20, 30] == pytest.approx(expected, abs=0.1 * expected)
    assert data[40, 40] == pytest.approx(1 - 0.8 / count, abs=0.05)


def test_the_mean_is_that_of_valid_pixels_by_inverse_variance():
    random = np.random.Generator(np.random.PCG64(2))
    quiet, noisy = (1 + s * random.standard_normal((128, 128)) for s in (0.01, 0.02))
    quiet[3, 3] = noisy[3, 3] = noisy[5, 5] = np.nan
    mean = FrameMean((128, 128))
    mean.add(transmission(quiet))
    mean.add(transmission(noisy))
    data = mean.frame(FrameMeta()).data
    assert mean.weights[0] / mean.weights[1] == pytest.approx(4, rel=0.05)
    assert np.isnan(data[3, 3])
    assert data[5, 5] == np.float32(quiet[5, 5])
    assert np.nanstd(data) == pytest.approx(0.01 / np.sqrt(1.25), rel=0.03)


def test_pixels_masked_in_one_filter_leave_no_trace():
    """The filters differ in vignetting by 20 %: in a mean of their light, masked pixels would be steps."""
    random = np.random.Generator(np.random.PCG64(4))
    y, x = (np.linspace(-1, 1, size) for size in SHAPE)
    frames = []
    for k, vignetting in enumerate((0.0, 0.1, 0.2)):
        data = flat(k) * (1 - vignetting * np.add.outer(y**2, x**2) / 2)
        data[random.random(SHAPE) < 0.01] = np.nan
        data[100 * k + 40 : 100 * k + 44, 50:300] = np.nan
        frames.append(data.astype(np.float32))
    result = search_all(frames)
    assert len(result.catalog) == 0
    assert np.count_nonzero(np.isnan(result.frame.data)) < 10


def test_a_frame_without_valid_pixels_says_nothing():
    blank = np.full(SHAPE, np.nan, np.float32)
    found = fleckcore.find_all([flat(0, fleck(90, 60, 4, 0.3)), blank, flat(1)])
    assert np.isnan(found["depths"][:, 1]).all()
    assert np.isfinite(found["depths"][:, [0, 2]]).all()
    assert found.meta["frames"][1]["weight"] == 0
    nothing = fleckcore.find_all([blank, blank])
    assert nothing.meta["status"] == "NO_VALID_PIXELS"
    assert nothing["depths"].shape == (0, 2)


def test_integers_and_a_bias_for_each():
    shadow = fleck(90, 60, 4, 0.3)
    frames = [(flat(k, shadow) + 1000 * (k + 1)).astype(np.uint16) for k in (0, 3)]
    wrong = fleckcore.find_all(frames)
    right = fleckcore.find_all(frames, bias=[1000, np.full(SHAPE, 4000, np.uint16)])
    ratio = right["depths"][0, 0] / right["depths"][0, 1]
    assert ratio == pytest.approx(1, abs=0.05)
    assert wrong["depths"][0, 1] == pytest.approx(right["depths"][0, 1] * 8 / 12, rel=0.1)
    assert [frame["bias"] for frame in right.meta["frames"]] == ["1000", "array"]


def test_bright_features_by_option():
    light = [flat(k, fleck(90, 60, 4, 0.3), seed=k) for k in range(2)]
    frames = [(2e8 / frame).astype(np.float32) for frame in light]
    found = fleckcore.find_all(frames, bright=True)
    assert len(fleckcore.find_all(frames)) == 0
    (row,) = near(found, 90, 60)
    assert found["kind"][row] == "bright"
    assert found["frames_seen"][row] == 2
    assert (found["depths"][row] > 0.15).all()


@pytest.mark.parametrize(
    ("frames", "options", "code", "words"),
    [
        ([], {}, "A09", "frames is empty"),
        (None, {}, "A09", "wanted a list of frames"),
        ([flat(0), flat(0)[:-1]], {}, "A12", r"frame 2 of 2 has shape \(359, 420\)"),
        ([flat(0), -flat(0)], {}, "A06", "frame 2 of 2: LEVEL_TOO_LOW"),
        ([flat(0), flat(1), 0 * flat(0)], {}, "A06", "frame 3 of 3"),
        ([flat(0), flat(0)[0]], {}, "A09", "frame 2 of 2: data has 1 dimensions"),
        ([flat(0), "b.fits"], {}, "A19", "frame 2 of 2.*fleckcore.read"),
        ([flat(0)], {"mask": np.zeros((3, 3), bool)}, "A12", "mask has shape"),
        ([flat(0)] * 2, {"bias": [1, 2, 3]}, "M07", "3 biases for 2 frames"),
        ([flat(0)] * 2, {"normalise": "difference"}, "M07", "reference"),
        ([as_frame(flat(0), chip=1), as_frame(flat(0), chip=2)], {}, "M07", "chip is 2"),
    ],
)
def test_what_cannot_be_searched_is_named(frames, options, code, words):
    with pytest.raises(FleckError, match=words) as caught:
        fleckcore.find_all(frames, **options)
    assert caught.value.code == code


def test_a_shape_error_is_a_value_error_too():
    with pytest.raises(ArrayError):
        fleckcore.find_all([flat(0), flat(0).T])


@pytest.mark.parametrize("rows", [2, 0])
@pytest.mark.parametrize("count", [3, 1])
def test_files_keep_the_depths(tmp_path, rows, count):
    shadows = [fleck(90, 60, 4, 0.3), fleck(200, 300, 6, 0.2)][:rows]
    frames = [flat(k, *shadows) for k in range(count)]
    found = fleckcore.find_all(frames)
    assert found["depths"].shape == (rows, count)
    for ending in (".ecsv", ".fits"):
        found.write(tmp_path / f"joint{ending}")
        again = Catalog.read(tmp_path / f"joint{ending}")
        assert again.colnames == found.colnames
        assert again.meta == found.meta
        for name in ("depths", "depths_err", "frames_seen", "found_in"):
            assert again[name].dtype == found[name].dtype
            assert again[name].shape == found[name].shape
            assert again[name].info.description == found[name].info.description
            np.testing.assert_array_equal(again[name], found[name])
    found.write(tmp_path / "joint.csv")
    with (tmp_path / "joint.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == rows
    for line, row in zip(lines, found, strict=True):
        assert [float(line[f"depths[{k}]"]) for k in range(count)] == row["depths"].tolist()


def test_json_has_null_for_a_depth_that_is_not_known():
    blank = np.full(SHAPE, np.nan, np.float32)
    rows = fleckcore.find_all([flat(0, fleck(90, 60, 4, 0.3)), blank, flat(1)]).to_json()
    assert rows[0]["depths"][1] is None
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


class Run:
    """``fleckcore find --together`` on files in a folder of its own."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys

    def file(self, name, data):
        fits.PrimaryHDU(data).writeto(self.folder / name)
        return self.folder / name

    def __call__(self, *arguments):
        output = ("--no-pictures", "-o", str(self.folder / "out"))
        with pytest.raises(SystemExit) as exit_:
            main(["find", "--together", *output, *map(str, arguments)])
        captured = self.capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err


@pytest.fixture
def run(tmp_path, capsys):
    return Run(tmp_path, capsys)


def test_command_line_lists_files_together(run):
    shadow = fleck(90, 60, 4, 0.3)
    files = [run.file(f"{name}.fits", flat(k, shadow)) for k, name in enumerate("gri")]
    code, out, _ = run("--json", *files)
    (record,) = json.loads(out)
    assert code == 0
    assert [frame["input"] for frame in record["meta"]["frames"]] == ["g.fits", "r.fits", "i.fits"]
    (feature,) = record["features"]
    assert feature["frames_seen"] == 3
    assert len(feature["depths"]) == 3
    assert {path.name for path in (run.folder / "out").iterdir()} == {
        "g_together.ecsv",
        "g_together.reg",
        "g_together_mask.fits",
    }
    catalog = Catalog.read(record["files"]["catalog"])
    assert catalog["depths"][0].tolist() == feature["depths"]
    code, out, _ = run(*files)
    assert "g.fits and 2 more: 1 feature" in out
    assert "seen in 3 of 3 frames" in out


def test_command_line_goes_on_without_a_bad_file(run):
    (run.folder / "bad.fits").write_bytes(b"<html>Not found</html>")
    files = [run.file(f"{k}.fits", flat(k, fleck(90, 60, 4, 0.3))) for k in range(2)]
    code, out, err = run("--json", *files, run.folder / "bad.fits")
    assert code == 3
    assert err.startswith("not used: [I04]")
    assert [len(record.get("features", ())) for record in json.loads(out)] == [0, 1]


def test_command_line_names_the_file_of_another_shape(run):
    code, out, err = run(run.file("a.fits", flat(0)), run.file("b.fits", flat(1)[:-3]))
    assert (code, out) == (4, "")
    assert "[A12]" in err
    assert "b.fits" in err
    assert "frame 2 of 2 has shape (357, 420), the first has (360, 420)" in err


@pytest.mark.parametrize("option", [("--completeness",), ("--reference", "x.fits")])
def test_command_line_refuses_what_it_cannot_mean(run, option):
    code, _, err = run(*option, "a.fits", "b.fits")
    assert code == 2
    assert "--together" in err
    assert not (run.folder / "out").exists()


def test_faint_rings_of_four_filters_are_found_in_each():
    """By itself the z flat shows 0.66 of the sure features."""
    least = {"g": 0.82, "r": 0.82, "i": 0.82, "z": 0.78}
    flats = [
        combined_flat(f"arcsat_20190503/domeflat_sdss_{band}_*", "arcsat_20190503/Bias*")
        for band in least
    ]
    found = fleckcore.find_all(flats)
    for k, band in enumerate(least):
        seen = found[found["depths"][:, k] > 4 * found["depths_err"][:, k]]
        result = score(seen, f"arcsat_20190503_{band}")
        assert result["strict"] >= least[band], band
        assert result["loc_median_px"] < 3
        assert result["radius_scatter"] < 0.1
