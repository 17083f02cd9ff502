"""Combining stacks: methods, sizes, threads; ccdproc and numpy on the same frames."""

from functools import lru_cache, partial

import numpy as np
import pytest

from fleckcore.bench.measure import Case
from fleckcore.kernels import CosmicRays, Stack, combine_stack, reject_cosmic_rays, sky_modes

SHAPE = (1024, 1024)
LEVEL, NOISE, TIME = 64.0, 9.0, 1000.5
RAYS = 0.008


@lru_cache(maxsize=1)
def planes(frames):
    """Flashed darks with short tracks, as a mapped FITS file has them: big-endian, with errors and quality."""
    random = np.random.default_rng(frames)
    data = random.normal(LEVEL, NOISE, (frames, *SHAPE))
    struck = random.random(data.shape) < RAYS
    for shift in range(3):
        data[np.roll(struck, shift, axis=2)] += 500
    error = np.sqrt(np.maximum(data, 0) + 16)
    quality = np.where(random.random(data.shape) < 0.005, 16, 0)
    return data.astype(">f4"), error.astype(">f4"), quality.astype(">i2")


def stack(frames):
    data, error, quality = planes(frames)
    return Stack(data=list(data), error=list(error), quality=list(quality), scale=TIME)


def case(name, frames, run):
    return Case("combine_stack", f"{name} of {frames}", run, frame=planes(frames)[0][0])


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("frames", [4, 28], ids="{}-frames".format)
@pytest.mark.parametrize("method", ["mean", "median", "clipped_mean"])
def test_combine_stack(timed, method, frames, threads):
    run = partial(combine_stack, stack(frames), method=method, threads=threads)
    made = timed(case(method, frames, run), run, frames, program="fleckcore", threads=threads)
    expected = LEVEL / TIME if method != "mean" else (LEVEL + 500 * 3 * RAYS) / TIME
    tolerance = 0.03 if frames > 4 else 0.2
    typical = np.mean if method == "mean" else np.median
    assert typical(made.data) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("frames", [4, 28], ids="{}-frames".format)
@pytest.mark.parametrize("initial", ["minimum", "median"])
def test_reject_cosmic_rays(timed, initial, frames, threads):
    run = partial(reject_cosmic_rays, stack(frames), CosmicRays(initial=initial), threads=threads)
    name = f"acsrej, {initial}"
    made = timed(case(name, frames, run), run, frames, program="fleckcore", threads=threads)
    assert np.median(made.data) == pytest.approx(frames * LEVEL, rel=0.02)
    assert made.rejected.sum() > 0.9 * 3 * RAYS * frames * made.data.size


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
def test_sky_modes(timed, threads):
    run = partial(sky_modes, stack(28), threads=threads)
    modes = timed(case("sky", 28, run), run, 28, program="fleckcore", threads=threads)
    assert modes == pytest.approx(LEVEL, abs=2)


def test_numpy_median(timed):
    data = planes(28)[0]
    run = partial(np.median, data, axis=0)
    found = timed(case("median", 28, run), run, 28, program="numpy", version=np.__version__)
    ours = combine_stack(stack(28), method="median").data
    np.testing.assert_allclose(ours, found.astype(np.float32) / np.float32(TIME), rtol=1e-6)


def test_ccdproc_clipping(timed):
    ccdproc = pytest.importorskip("ccdproc")
    from astropy.nddata import CCDData

    frames = [CCDData(plane.astype(np.float32), unit="electron") for plane in planes(28)[0]]

    def run():
        combiner = ccdproc.Combiner(frames)
        combiner.sigma_clipping(low_thresh=3, high_thresh=3, func=np.ma.median)
        return combiner.average_combine()

    record = {"program": "ccdproc", "version": ccdproc.__version__}
    found = timed(case("clipped_mean", 28, run), run, 28, **record)
    assert np.median(found.data) == pytest.approx(LEVEL, rel=0.02)
