"""Cut-outs: where they lie, what they are divided by, how well that is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.measure import cut_out


def flat(level: float = 1000.0, noise: float = 10.0, seed: int = 0) -> Frame:
    random = np.random.default_rng(seed)
    return Frame(random.normal(level, noise, (60, 80)).astype(np.float32))


def test_place_and_background():
    data = np.full((60, 80), 50.0)
    data[30, 41] = 10
    cut = cut_out(Frame(data), 41, 30, shape=(20, 30))
    assert cut.light.shape == (20, 30)
    assert (cut.x0, cut.y0, cut.background) == (26, 20, 50)
    assert cut.light[30 - cut.y0, 41 - cut.x0] == pytest.approx(0.2)
    assert cut.loss[30 - cut.y0, 41 - cut.x0] == pytest.approx(0.8)


def test_at_an_edge_it_is_cut_off():
    cut = cut_out(flat(), 2, 58, shape=(20, 20))
    assert (cut.x0, cut.y0, cut.light.shape) == (0, 48, (12, 12))


def test_pixels_that_are_left_out():
    data = np.full((40, 40), 50.0)
    data[10:30, 5:35] = 10  # more than a third
    kept = cut_out(Frame(data), 20, 20)
    assert kept.background == 50
    data[5:35] = 10  # most of it
    assert cut_out(Frame(data), 20, 20).background == 10
    left_out = np.zeros((40, 40), bool)
    left_out[5:35] = True
    assert cut_out(Frame(data), 20, 20, leave_out=left_out).background == 50


def test_masked_pixels_have_no_light():
    quality = np.zeros((60, 80), np.int16)
    quality[30, 40] = 16
    frame = flat().replace(quality=quality, meta=FrameMeta(masked_bits=16))
    cut = cut_out(frame, 40, 30)
    assert_array_equal(np.argwhere(~cut.usable), [[20, 20]])


def test_errors_are_those_of_the_background():
    found, told = [], []
    for seed in range(300):
        cut = cut_out(flat(seed=seed), 40, 30)
        found.append((cut.background - 1000) / cut.background_error)
        told.append(cut.error[0, 0])
    assert np.std(found) == pytest.approx(1, abs=0.1)
    assert abs(np.mean(found)) < 0.15
    assert_allclose(np.mean(told), 0.01, rtol=0.01)
    with_plane = cut_out(flat().replace(error=np.full((60, 80), 20.0)), 40, 30)
    assert with_plane.error[3, 3] == pytest.approx(0.02, rel=0.01)


def test_refusals():
    with pytest.raises(ArrayError, match=r"A09.*outside of 80 x 60"):
        cut_out(flat(), 200, 10)
    with pytest.raises(ArrayError, match=r"A09.*background at x=40"):
        cut_out(Frame(np.zeros((60, 80))), 40, 30)
    with pytest.raises(ArrayError, match="A12"):
        cut_out(flat(), 40, 30, leave_out=np.zeros((3, 3), bool))
