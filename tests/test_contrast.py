"""What an aperture lacks: its numbers, and that their errors are right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exposed import SIDE, exposed, pull, square
from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.measure import contrast

SEEDS = 1000


def made(
    seed: int,
    level: float,
    loss: float,
    exposures: int,
    side: int,
    *,
    uneven: float = 0.0,
    hot: float = 0.0,
    stripes: float = 0.0,
    shape: tuple[int, int] = (SIDE, SIDE),
) -> Frame:
    random = np.random.default_rng(seed)
    mean = np.full(shape, float(level))
    mean[square(side, shape=shape)] *= 1 - loss
    mean *= 1 + uneven * random.standard_normal(mean.shape)
    is_hot = random.random(mean.shape) < hot
    mean += is_hot * np.exp(random.uniform(np.log(30), np.log(30_000), mean.shape))
    frame = exposed(mean, exposures, random, kind="short_dark")
    return frame.replace(data=frame.data + stripes * random.standard_normal((shape[0], 1)))


@pytest.mark.parametrize(
    ("level", "loss", "exposures", "side", "more"),
    [
        pytest.param(64, 0.5, 1, 12, {}, id="a flashed dark"),
        pytest.param(64, 0.5, 28, 12, {}, id="a stack"),
        pytest.param(64, 0.9, 4, 3, {}, id="few pixels"),
        pytest.param(64, 0.5, 1, 1, {}, id="one pixel"),
        pytest.param(12, 0.0, 4, 12, {"uneven": 0.1}, id="nothing in the dark"),
        pytest.param(12, 0.0, 4, 5, {"uneven": 0.1, "hot": 0.02}, id="among hot pixels"),
        pytest.param(12, 0.0, 4, 6, {"stripes": 1.0, "shape": (92, 92)}, id="in stripes"),
        pytest.param(60_000, 0.5, 3, 12, {"uneven": 0.005}, id="a flat"),
    ],
)
def test_errors_are_right(level, loss, exposures, side, more):
    """Of one pixel in one exposure the pull is 0.07, which takes more seeds to tell from 0.1."""
    deficits, depths = [], []
    for seed in range(SEEDS if side > 1 else 3 * SEEDS):
        frame = made(seed, level, loss, exposures, side, **more)
        found = contrast(frame, square(side, shape=frame.shape))
        deficits.append((found.deficit - level * loss) / found.deficit_error)
        depths.append((found.depth - loss) / found.depth_error)
    for pulls in (deficits, depths):
        mean, width = pull(pulls)
        assert abs(mean) < 0.1
        assert width == pytest.approx(1, abs=0.1)


def test_errors_of_a_high_aperture_in_trails():
    """Noise that is smeared along columns counts as it is for an aperture that lies along them."""
    aperture = np.ones((14, 3), bool)
    pulls = []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        noise = random.standard_normal((130, 110))
        frame = Frame(20 + sum(noise[row : row + 110] for row in range(5)))
        found = contrast(frame, aperture, x0=53, y0=48)
        pulls.append(found.deficit / found.deficit_error)
    assert np.mean(pulls) == pytest.approx(0, abs=0.1)
    assert np.std(pulls) == pytest.approx(1, abs=0.1)


def test_numbers():
    frame = made(1, 64, 0.5, 28, 12)
    found = contrast(frame, square(12))
    assert (found.kind, found.pixels, found.left_out) == ("short_dark", 144, 0)
    assert found.level == pytest.approx(64, abs=0.5)
    assert found.deficit == pytest.approx(32, abs=1)
    assert found.noise == pytest.approx(math.sqrt((64 + 16) / 28), rel=0.05)
    assert found.dark_noise == pytest.approx(4 / math.sqrt(28), rel=0.1)
    assert found.pixel_snr == pytest.approx(32 / found.noise, rel=0.05)
    assert found.snr == found.deficit / found.deficit_error
    assert found.snr > 100


def test_short_flashed_darks_have_the_best_contrast():
    found = {}
    for kind, dark, hot in (("short", 0.0, 0.0), ("long", 12.0, 0.02)):
        random = np.random.default_rng(3)
        mean = np.full((SIDE, SIDE), 64.0)
        mean[square(12)] *= 0.5
        mean += dark + 3000 * (random.random(mean.shape) < hot)
        found[kind] = contrast(exposed(mean, 1, random), square(12))
    short, long = found["short"], found["long"]
    assert short.depth > 1.1 * long.depth
    assert short.pixel_snr > long.pixel_snr
    assert long.outliers == pytest.approx(0.02, abs=0.01)
    assert short.outliers < 0.002


def test_a_sloping_ground_at_an_edge():
    rows, cols = np.mgrid[:SIDE, :SIDE]
    frame = Frame(1000.0 + 3 * cols + 2 * rows)
    aperture = np.ones((6, 6), bool)
    found = contrast(frame, aperture, x0=0, y0=54)
    assert found.level == pytest.approx(frame.data[54:, :6].mean())
    assert found.deficit == pytest.approx(0, abs=1e-6)


def test_an_aperture_of_a_cut_out_is_that_of_the_frame():
    frame = made(5, 64, 0.5, 4, 12)
    whole = square(12)
    assert contrast(frame, whole[20:44, 22:40], x0=22, y0=20) == contrast(frame, whole)


def test_masked_pixels_do_not_count():
    quality = np.zeros((SIDE, SIDE), np.int16)
    quality[30, 30] = 4
    frame = made(5, 64, 0.5, 4, 12).replace(quality=quality, meta=FrameMeta(masked_bits=4))
    found = contrast(frame, square(12))
    assert (found.pixels, found.left_out) == (143, 1)


def test_no_light_has_no_depth():
    random = np.random.default_rng(2)
    found = contrast(Frame(random.normal(-1, 1, (SIDE, SIDE))), square(3))
    assert math.isnan(found.depth)
    assert math.isnan(found.depth_error)
    assert math.isfinite(found.snr)


def test_frames_without_noise():
    data = np.full((SIDE, SIDE), 50.0)
    assert contrast(Frame(data), square(3)).deficit == pytest.approx(0, abs=1e-9)
    data[square(3)] = 10
    assert contrast(Frame(data), square(3)).deficit == pytest.approx(40)
    assert contrast(Frame(data), square(3)).snr > 1e6


def test_refusals():
    frame = made(5, 64, 0.5, 4, 12)
    with pytest.raises(ArrayError, match=r"A12.*does not lie on"):
        contrast(frame, np.ones((3, 3), bool), x0=58)
    with pytest.raises(ArrayError, match=r"A09.*no pixel"):
        contrast(frame, np.zeros((3, 3), bool))
    with pytest.raises(ArrayError, match=r"A09.*0 pixels of ground"):
        contrast(frame, np.ones((SIDE, SIDE), bool))
    hot = np.full((SIDE, SIDE), 10.0) + np.arange(SIDE) % 3
    hot[30, 30] = 1000
    with pytest.raises(ArrayError, match=r"A09.*masked or hot"):
        contrast(Frame(hot), np.ones((1, 1), bool), x0=30, y0=30)
