"""Plain trapping as a null hypothesis, and trails over a whole frame."""

from functools import cache

import numpy as np
import pytest

import shadows
from fleckcore.errors import MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.instruments import load_profile, model_traps, quadrants
from fleckcore.kernels import cte_readout
from fleckcore.measure import cut_out, scan_trails, trapping_alone

MJD, LEVEL, EXPOSURES = 57900.0, 64.0, 28
Y0, X0 = 1700, 1490
SHAPE = (140, 90)
SPAN = (25, 36, 70, 81)
"""Columns and rows of an opaque square."""


@cache
def traps():
    return model_traps(load_profile("acs_wfc"), 57878.0, levels=32, substeps=2, trail=60)


def through(rim=0.0):
    light = np.ones(SHAPE)
    light[SPAN[2] : SPAN[3] + 1, SPAN[0] : SPAN[1] + 1] = 0.0
    light[SPAN[3] + 1, SPAN[0] : SPAN[1] + 1] -= rim
    return light


def mean_dark(light, seed, missing=0.0):
    """The mean of exposures that were read out through traps; ``missing`` electrons more than that."""
    random = np.random.default_rng(seed)
    exposed = random.poisson(LEVEL * light, (EXPOSURES, *SHAPE)).astype(float)
    (part,) = quadrants(load_profile("acs_wfc"), 2, SHAPE, x_offset=X0, y_offset=Y0)
    beside = exposed.transpose(1, 0, 2).reshape(SHAPE[0], -1)
    read = cte_readout(
        beside,
        traps().parallel,
        readout=part.readout,
        scale=traps().parallel.scale(MJD),
        first_row=part.first_row,
    )
    data = read.reshape(SHAPE[0], EXPOSURES, SHAPE[1]).mean(axis=1)
    data += random.normal(0, 4 / EXPOSURES**0.5, SHAPE)
    data[SPAN[3] + 1 : SPAN[3] + 4, SPAN[0] : SPAN[1] + 1] -= missing / 36
    error = np.sqrt((np.maximum(data, 0) + 16) / EXPOSURES)
    meta = FrameMeta(
        profile="acs_wfc",
        unit="electron",
        chip=2,
        mjd=MJD,
        readout="-y",
        x_offset=X0,
        y_offset=Y0,
        pixel_size_um=15.0,
    )
    return Frame(data.astype(np.float32), error.astype(np.float32), meta=meta)


def test_a_shadow_of_plain_trapping_is_one():
    """Over 100 seeds: observed less predicted, over its error, is a standard normal number, and p is even."""
    found = [
        trapping_alone(mean_dark(through(), seed), SPAN, traps(), simulated=48)
        for seed in range(100)
    ]
    off = [
        (one.observed.value - one.predicted) / np.hypot(one.observed.error, one.predicted_error)
        for one in found
    ]
    assert np.mean([one.predicted for one in found]) < -150
    assert abs(np.mean(off)) < 0.3
    assert np.std(off) == pytest.approx(1, abs=0.22)
    assert 0.3 < np.mean([one.p_value < 0.5 for one in found]) < 0.7


def test_more_than_trapping_is_told():
    found = trapping_alone(mean_dark(through(), 1, missing=250), SPAN, traps(), simulated=48)
    assert found.p_value < 1e-6
    assert found.observed.value < found.predicted


def test_a_rim_is_not_trapping_unless_its_light_is_known():
    light = through(rim=0.5)
    dark = mean_dark(light, 3)
    assert trapping_alone(dark, SPAN, traps(), simulated=48).p_value < 1e-4
    lamp = shadows.exposed(light, 60_000.0, seed=4)
    cut = cut_out(lamp, 31, 75, shape=(40, 40))
    known = trapping_alone(dark, SPAN, traps(), light=cut, simulated=48)
    assert known.p_value > 0.01
    assert known.direct == pytest.approx(-0.5 * 11 * LEVEL, rel=0.1)


def test_trails_over_a_whole_frame():
    """Dark pixels with trails of 3 steps: all found, as long and as deep."""
    random = np.random.default_rng(2)
    data = random.normal(LEVEL, 1.5, (300, 300)).astype(np.float32)
    for row in range(20, 280, 20):
        data[row : row + 4, row] -= np.array([50, 9, 9, 9])
    meta = FrameMeta(unit="electron", readout="-y")
    frame = Frame(data, np.full(data.shape, 1.5, np.float32), meta=meta)
    found = scan_trails(frame, threshold=-25, length=10, n_sigma=3.0)
    assert found.row.tolist() == found.col.tolist() == list(range(20, 280, 20))
    assert set(found.length) <= {3, 4, 5}
    assert np.mean(found.excess) == pytest.approx(-27, abs=3)
    with pytest.raises(MetadataError, match="M07"):
        scan_trails(frame.replace(meta=FrameMeta()))


def test_what_cannot_be_read_out():
    dark = mean_dark(through(), 1)
    for meta in (FrameMeta(unit="electron"), FrameMeta(unit="DN", chip=2, mjd=MJD, readout="-y")):
        with pytest.raises(MetadataError, match="M07"):
            trapping_alone(dark.replace(meta=meta), SPAN, traps())
