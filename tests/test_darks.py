"""Superdarks: hot pixels of the day, and the step that hides a fleck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dark_frames
from fleckcore.calibrate import (
    CosmicRays,
    DarkLimits,
    combine_darks,
    dark_rate,
    superdark,
    unstable_pixels,
)
from fleckcore.errors import MetadataError
from fleckcore.instruments import load_profile

HOT, BORN, HEALED, WARM = (20, 30), (90, 40), (100, 120), (30, 100)
BITS = load_profile("acs_wfc").quality


@pytest.fixture(scope="module")
def exposures():
    """Long darks of ten days, in which a pixel became hot and another healed, and the short ones."""
    longs = []
    for day in range(10):
        hot = {HOT: 1.0, WARM: 0.09} | ({BORN: 2.0} if day >= 8 else {HEALED: 1.5})
        longs.append(
            [
                dark_frames.dark("long_dark", 100 * day + n, hot=hot, mjd=57900.0 + 2 * day)
                for n in range(4)
            ]
        )
    return longs, [dark_frames.dark("short_dark", 5000 + n) for n in range(20)]


@pytest.fixture(scope="module")
def cycle(exposures):
    """Base, short and daily darks."""
    longs, shorts = exposures
    base = combine_darks([frame for day in longs for frame in day]).frame
    return base, combine_darks(shorts).frame, [combine_darks(day).frame for day in longs]


def significance(frame):
    """How far the mean of the fleck's core lies below its surroundings, in standard deviations."""
    y, x = np.indices(frame.shape)
    distance = np.hypot(y - 60, x - 80)
    core, around = distance <= 6, (distance > 15) & (distance < 40) & (np.abs(y - 60) < 25)
    around &= (frame.quality & BITS["hot"]) == 0
    noise = frame.data[around].std()
    return (np.median(frame.data[around]) - frame.data[core].mean()) / noise * np.sqrt(core.sum())


def test_the_difference_hides_the_fleck(cycle):
    base, short, days = cycle
    made = superdark(base, days[-1], short)
    assert significance(base) > 20
    assert significance(short) > 20
    assert abs(significance(made.frame)) < 3
    assert np.median(made.frame.data) == pytest.approx(dark_frames.CURRENT, abs=5e-4)
    deviation = 1.4826 * np.median(np.abs(made.frame.data - np.median(made.frame.data)))
    assert deviation == pytest.approx(float(np.median(made.frame.error)), rel=0.08)


def test_hot_pixels_propagate_and_heal_as_planted(cycle):
    base, short, days = cycle
    early, late = (superdark(base, day, short) for day in (days[2], days[-1]))
    # The base keeps what a pixel is when it is least: hot exposures are rejected like cosmic rays.
    assert early.born[HEALED]
    assert late.born[BORN]
    assert early.born.sum() == late.born.sum() == 1
    assert not late.healed.any()
    assert early.frame.data[HEALED] == pytest.approx(1.5, rel=0.05)
    assert late.frame.data[BORN] == pytest.approx(2.0, rel=0.05)
    assert late.frame.data[HEALED] == pytest.approx(dark_frames.CURRENT, abs=0.03)
    for place, bit in ((HOT, "hot"), (BORN, "hot"), (WARM, "warm"), (HEALED, None)):
        assert late.frame.quality[place] == BITS.get(bit, 0)
    assert early.frame.quality[HEALED] == BITS["hot"]
    assert early.frame.quality[BORN] == 0
    assert (late.record["born"], late.record["hot"], late.record["warm"]) == (1, 2, 1)


def test_a_base_that_holds_a_healed_pixel_is_corrected(exposures, cycle):
    _, short, days = cycle
    rules = CosmicRays(initial="median", exempt=True, accidents=False)
    base = combine_darks([frame for day in exposures[0] for frame in day], rules=rules).frame
    late = superdark(base, days[-1], short)
    assert late.healed[HEALED]
    assert late.healed.sum() == 1
    assert late.frame.quality[HEALED] == 0
    assert late.frame.data[HEALED] == pytest.approx(dark_frames.CURRENT, abs=0.03)


def test_unstable_pixels_are_those_that_changed(cycle):
    _, short, days = cycle
    rates = [dark_rate(day, short) for day in days]
    where = unstable_pixels(rates)
    assert where[BORN]
    assert where[HEALED]
    assert not where[HOT]
    assert where.sum() == 2
    made = superdark(days[0], days[-1], short, unstable=where)
    assert made.frame.quality[BORN] & BITS["unstable"]


def test_thresholds_are_options(cycle):
    base, short, days = cycle
    made = superdark(base, days[-1], short, limits=DarkLimits(hot=0.05, warm=0.04))
    assert made.frame.quality[WARM] == BITS["hot"]


def test_an_unflashed_dark_needs_no_short_one():
    frame = dark_frames.dark("long_dark", 1, flecks=())
    plain = frame.replace(
        data=frame.data - np.float32(dark_frames.FLASH_E),
        meta=replace(frame.meta, flash_s=0.0, kind="unflashed_dark"),
    )
    rate = dark_rate(plain)
    assert rate.meta.unit == "electron/s"
    assert rate.meta.kind == "superdark"
    assert np.median(rate.data) == pytest.approx(dark_frames.CURRENT, abs=5e-4)


def test_refuses_what_is_no_dark_of_a_cycle(cycle):
    base, short, days = cycle
    with pytest.raises(MetadataError, match="flashed for"):
        dark_rate(base)
    with pytest.raises(MetadataError, match="wanted electrons"):
        dark_rate(base.replace(meta=replace(base.meta, unit="DN")), short)
    with pytest.raises(MetadataError, match="0 s of dark current"):
        dark_rate(short, short)
    with pytest.raises(MetadataError, match="wanted a dark"):
        combine_darks([dark_frames.bias(1), dark_frames.bias(2)])
    with pytest.raises(MetadataError, match="at least 3"):
        unstable_pixels(days[:2])
    with pytest.raises(MetadataError, match="without error planes"):
        superdark(base.replace(error=None), days[0], short)
