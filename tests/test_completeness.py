"""Completeness and purity on frames for which the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fleckcore import Completeness, Options, completeness
from fleckcore.detection.completeness import depth_reaching
from fleckcore.detection.injection import GRIDS, Cell, make_cells, plan
from fleckcore.detection.purity import mean_frame, wilson
from fleckcore.errors import ArrayError, FleckError, MetadataError
from fleckcore.frame import as_frame
from fleckcore.simulate import Obstruction, blank_frame, obscure, vignetted_flat

SHAPE = (400, 500)
DEEP = {"kinds": ["fleck"], "radii": [3], "depths": [1e-6, 0.6], "trials": 20}


@pytest.fixture(scope="module")
def blank():
    return blank_frame("white", shape=SHAPE, seed=1)


@pytest.fixture(scope="module")
def deep(blank):
    return completeness(blank, **DEEP)


def test_deep_flecks_are_all_found_and_invisible_ones_never(deep):
    invisible, visible = deep.cells
    assert (visible["injected"], visible["recovered"], visible["located"]) == (20, 20, 20)
    assert (invisible["injected"], invisible["recovered"], invisible["located"]) == (20, 0, 0)
    assert visible["centre_error"].value < 0.1
    assert abs(visible["radius_error"]) < 0.3
    assert np.isnan(invisible["centre_error"])
    assert visible["fraction_low"] == pytest.approx(20 / 21)


def test_limits_lie_between_the_depths(deep):
    (limit,) = deep.limits
    assert limit["depth_50"] == pytest.approx(math.sqrt(1e-6 * 0.6), rel=1e-4)
    assert 0.3 < limit["depth_95"] < 0.6


@pytest.mark.parametrize(
    ("fractions", "share", "wanted"),
    [
        ([0, 0.5, 1], 0.5, 0.1),
        ([0, 0, 1], 0.5, math.sqrt(0.1)),
        ([0.6, 1, 1], 0.5, 0.01),
        ([0, 0.2, 0.4], 0.5, math.nan),
        ([0.9, 0.2, 1], 0.6, math.sqrt(0.1)),  # what comes after a relapse counts
        ([1, 1, 0.4], 0.5, math.nan),
        ([0, math.nan, 1], 0.5, 0.1),
        ([math.nan] * 3, 0.5, math.nan),
    ],
)
def test_depth_is_interpolated_over_its_log_and_never_beyond(fractions, share, wanted):
    got = depth_reaching(np.array([0.01, 0.1, 1.0]), np.array(fractions, float), share)
    assert got == pytest.approx(wanted, rel=1e-5, nan_ok=True)


def test_no_frame_is_refused():
    with pytest.raises(ArrayError, match="no frame"):
        completeness([])


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3), (12, 30)])
def test_tiny_frame_has_no_place_for_anything_large(shape):
    result = completeness(np.full(shape, 1000.0), kinds=["fleck", "disc"], trials=1)
    assert not result.cells["injected"][result.cells["radius"].value > 6].any()
    assert np.isnan(result.cells["fraction"][result.cells["injected"] == 0]).all()


def test_wilson_interval():
    """Bounds are where the count is one standard deviation from what they would give."""
    low, high = wilson(np.array([0, 7, 10, 0]), np.array([10, 10, 10, 0]))
    assert (low[0], high[2]) == pytest.approx((0, 1))
    for bound in (low[1], high[1]):
        assert abs(0.7 - bound) == pytest.approx(math.sqrt(bound * (1 - bound) / 10))
    assert np.isnan([low[3], high[3]]).all()


def test_same_seed_same_bytes_for_any_number_of_threads(blank, deep, tmp_path):
    again = completeness(blank, **DEEP, threads=3)
    other = completeness(blank, **DEEP, seed=1)
    paths = [tmp_path / f"{name}.ecsv" for name in "abc"]
    for result, path in zip((deep, again, other), paths, strict=True):
        result.write(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes() != paths[2].read_bytes()


@pytest.mark.parametrize("ending", [".ecsv", ".fits"])
def test_files_keep_everything(deep, tmp_path, ending):
    deep.write(tmp_path / f"c{ending}")
    back = Completeness.read(tmp_path / f"c{ending}")
    assert back.to_json() == deep.to_json()
    assert back.cells["radius"].unit == "pix"
    meta = back.cells.meta
    assert (meta["seed"], meta["trials"], meta["frames"]) == (0, 20, 1)
    assert meta["parameters"]["false_alarms"] == 0.1


def test_spreadsheet_has_the_limits_too(deep, tmp_path):
    deep.write(tmp_path / "c.csv")
    header, *rows = (tmp_path / "c.csv").read_text().splitlines()
    assert header.endswith("depth_50,depth_95")
    assert len(rows) == 2


def test_what_is_there_already_is_not_recovered(blank):
    """Invisible shadows on a frame full of real ones: only chance could find them, and does not count."""
    items = [
        Obstruction(x=x, y=y, width=8, height=8, loss=0.9)
        for x in range(10, 500, 20)
        for y in range(10, 400, 20)
    ]
    dusty = obscure(blank, items)
    result = completeness(dusty, kinds=["fleck"], radii=[4], depths=[1e-6], trials=60, purity=False)
    (row,) = result.cells
    assert result.cells.meta["listed"] > 300
    assert row["injected"] == 60
    assert row["located"] == 0


def test_frame_is_not_changed_and_bias_is_subtracted_first(blank, deep):
    raw = (blank + 3000).astype(np.float64)
    before = raw.copy()
    biased = completeness(raw, bias=3000.0, **DEEP)
    np.testing.assert_array_equal(raw, before)
    np.testing.assert_array_equal(biased.cells["recovered"], deep.cells["recovered"])
    assert biased.cells.meta["bias"] == "3000"


def test_progress_counts_every_search(blank):
    seen = []
    result = completeness(
        blank, **DEEP, purity=False, progress=lambda done, due: seen.append((done, due))
    )
    due = 1 + result.cells.meta["searches"]
    assert seen == [(n, due) for n in range(1, due + 1)]


def test_plan_keeps_shadows_apart_on_the_frame_and_off_the_mask():
    mask = np.zeros((900, 1000), bool)
    mask[:, :300] = True
    cells = make_cells(["disc", "ring"], [4, 16, 100], [0.01, 0.1])
    rounds = plan(cells, 6, mask, np.random.default_rng(3))
    counts = np.bincount([i for some in rounds for i in some.cells], minlength=len(cells))
    assert (counts == 6).all()
    for some in rounds:
        x, y, radius = some.circles.T
        assert len({cells[i].depth for i in some.cells}) == 1
        assert (np.pi * radius**2).sum() <= 0.15 * 900 * 700
        assert (x > 300 - 0.2 * radius).all()
        assert ((x + radius <= 999) & (y - radius >= 0) & (y + radius <= 899)).all()
        gaps = np.hypot(x[:, None] - x, y[:, None] - y) - radius[:, None] - radius
        wanted = np.maximum(24, 0.5 * np.maximum(radius[:, None], radius))
        assert (gaps >= wanted)[~np.eye(len(x), dtype=bool)].all()


def test_size_without_place_is_not_known(blank):
    result = completeness(blank, kinds=["disc"], radii=[150], depths=[0.1], purity=False)
    (row,) = result.cells
    assert row["injected"] == 0
    assert np.isnan([row["fraction"], row["fraction_low"], row["depth_50"]]).all()
    assert result.to_json()["cells"][0]["fraction"] is None


def test_nothing_to_search():
    result = completeness(np.full((60, 70), np.nan), kinds=["fleck"])
    assert result.cells.meta["status"] == "NO_VALID_PIXELS"
    assert not result.cells["injected"].any()


def test_mirror_counts_what_has_the_wrong_sign(blank):
    shadows = [Obstruction(x=x, y=100, width=8, height=8, loss=0.5) for x in (60, 160, 260, 360)]
    frame = obscure(blank, shadows)
    bright = frame.data.copy()
    bright[250:256, 300:306] *= 1.5
    few = {"kinds": ["fleck"], "radii": [4], "depths": [0.5], "trials": 2}
    clean, dirty = (completeness(image, **few).purity for image in (frame.data, bright))
    pick = [next(row for row in rows if row["radius_from"] == 2.0) for rows in (clean, dirty)]
    assert [(row["listed"], row["mirrored"]) for row in pick] == [(4, 0), (4, 1)]
    share = pick[1]["share"]
    assert 0.98 < share < 1  # but for some pixels around each
    assert [row["purity"] for row in pick] == pytest.approx([1, 1 - 1 / share / 4])
    low, high = (pick[1][f"purity_{end}"] for end in ("low", "high"))
    assert (low, high) == pytest.approx((1 - 3.323 / share / 4, 1 - 0.134 / share / 4), abs=1e-3)


def test_mirror_does_not_count_the_holes_of_rings():
    scene = vignetted_flat(seed=1)
    few = {"kinds": ["fleck"], "radii": [4], "depths": [0.5], "trials": 2}
    rows = completeness(scene.frame, **few).purity
    assert [(row["listed"], row["mirrored"]) for row in rows] == [(0, 0), (5, 0), (1, 0), (5, 0)]


def test_radius_of_large_and_small_discs_is_without_bias():
    """A catalogue gives it where 5 % of the loss is left, of a large shadow's model at half: both count as such."""
    result = completeness(
        blank_frame("white", shape=(700, 800), seed=2),
        kinds=["disc"],
        radii=[8, 40],
        depths=[0.2],
        purity=False,
    )
    assert (result.cells["recovered"] == result.cells["injected"]).all()
    assert np.abs(result.cells["radius_error"]).max() < 0.01


def test_default_sizes_reach_what_the_search_reaches():
    largest = {kind: max(grid.radii) for kind, grid in GRIDS.items()}
    assert largest["disc"] == largest["ring"] == Options().largest_radius


def test_halves_confirm_what_all_frames_show():
    shadows = [Obstruction(x=x, y=100, width=8, height=8, loss=0.3) for x in (60, 160, 260)]
    frames = [obscure(blank_frame("white", shape=(200, 320), seed=s), shadows) for s in range(6)]
    once = obscure(frames[0], [Obstruction(x=200, y=160, width=8, height=8, loss=0.9)])
    few = {"kinds": ["fleck"], "radii": [4], "depths": [0.5], "trials": 2}
    result = completeness([once, *frames[1:]], **few)
    assert result.cells.meta["frames"] == 6
    row = next(row for row in result.purity if row["radius_from"] == 2.0)
    assert (row["method"], row["listed"], row["confirmed"]) == ("halves", 4, 3)
    assert row["purity"] == 0.75


def test_the_published_recipe_has_no_mirror(blank):
    few = {"kinds": ["fleck"], "radii": [8], "depths": [1.0], "trials": 2}
    assert completeness(blank, options=Options(normalise="literal"), **few).purity == []


def test_mean_leaves_out_masked_pixels():
    data = [np.full((2, 2), v) for v in (1.0, 3.0)]
    masks = [np.array([[True, False], [True, False]]), np.array([[True, False], [False, False]])]
    frames = [as_frame(d, mask=m, error=2.0) for d, m in zip(data, masks, strict=True)]
    mean = mean_frame(frames)
    np.testing.assert_array_equal(mean.data, [[np.nan, 2], [3, 2]])
    np.testing.assert_allclose(mean.error[:, 1], math.sqrt(2))
    with pytest.raises(MetadataError, match="M07"):
        mean_frame([as_frame(np.ones((2, 2))), as_frame(np.ones((2, 3)))])


def test_cells_say_what_they_are():
    cell = Cell("ring", 20.0, 0.05)
    item = cell.at(3.0, 4.0, 90.0)
    assert (item.width, item.height, item.loss, item.hole) == (40, 40, 0.05, 0.5)
    loss = item.stamp()
    row = loss[item.reach[0], item.reach[1] :]
    outer = np.flatnonzero(row > 0.05 * 0.05)[-1]
    assert cell.radius_05 == pytest.approx(outer, abs=1)
    streak = Cell("streak", 20.0, 0.05).at(3.0, 4.0, 90.0)
    assert (streak.width, streak.height, streak.angle) == (40, 4, 90)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"kinds": ["freckle"]}, "M07"),
        ({"kinds": []}, "A09"),
        ({"radii": [0]}, "A09"),
        ({"radii": []}, "A09"),
        ({"depths": [0.1, math.nan]}, "A09"),
        ({"depths": [0]}, "A09"),
        ({"depths": [1.5]}, "A09"),
        ({"trials": 0}, "A09"),
        ({"trials": 2.5}, "A09"),
        ({"seed": -1}, "A09"),
        ({"seed": 0.5}, "A09"),
        ({"radii": 16}, "A09"),
        ({"depths": ["deep"]}, "A09"),
        ({"options": Options(bright=True)}, "M07"),
    ],
)
def test_what_cannot_be_meant_is_refused(blank, options, code):
    with pytest.raises(FleckError, match=code) as caught:
        completeness(blank, **options)
    assert isinstance(caught.value, (ArrayError, MetadataError))
