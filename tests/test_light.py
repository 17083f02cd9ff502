"""Flash references and flats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dark_frames
from fleckcore.calibrate import flash_reference, normalise_flat
from fleckcore.errors import MetadataError
from fleckcore.frame import Frame, FrameMeta

GRADIENT = np.linspace(0.6, 1.3, dark_frames.SHAPE[1])


def flashed(seconds: float, seed: int, **changes) -> Frame:
    """A dark of 100 s with dark current, flashed for some seconds with 14 e-/s."""
    random = np.random.default_rng(seed)
    expected = 14.0 * seconds * GRADIENT + np.full(dark_frames.SHAPE, 30.0)
    data = random.poisson(expected) + 4 * random.standard_normal(dark_frames.SHAPE)
    meta = FrameMeta(
        **{"profile": "acs_wfc", "unit": "electron", "exposure_s": 100.0, "flash_s": seconds}
        | changes
    )
    return Frame(
        data.astype(np.float32),
        np.sqrt(expected + 16).astype(np.float32),
        np.full(dark_frames.SHAPE, 4 * (seed % 2), np.int16),
        meta,
    )


def test_flash_per_second_from_pairs():
    pairs = [(flashed(20, 2 * n), flashed(4, 2 * n + 1)) for n in range(6)]
    made = flash_reference(pairs)
    off = (made.data - 14.0 * GRADIENT) / made.error
    assert abs(off.mean()) < 5 / np.sqrt(off.size)
    assert off.std() == pytest.approx(1, rel=0.02)
    assert (made.quality == 4).all()
    assert made.meta.kind == "flash_reference"
    assert made.meta.unit == "electron/s"


def test_pairs_that_cannot_be_differenced():
    for pair, message in (
        ((flashed(4, 0), flashed(20, 1)), "longer flash first"),
        ((flashed(20, 0), flashed(4, 1, exposure_s=50.0)), "equal exposures"),
        ((flashed(20, 0, unit="DN"), flashed(4, 1, unit="DN")), "wanted electrons"),
    ):
        with pytest.raises(MetadataError, match=message) as caught:
            flash_reference([pair])
        assert caught.value.code == "M07"
    with pytest.raises(MetadataError, match="no pair"):
        flash_reference([])


def flat(**changes) -> Frame:
    data = (30_000 * GRADIENT * np.ones(dark_frames.SHAPE)).astype(np.float32)
    data[5, 6], data[7, 8] = 0, np.nan
    meta = replace(FrameMeta(profile="acs_wfc", unit="electron", kind="flat"), **changes)
    return Frame(data, np.sqrt(np.abs(data)), None, meta)


def test_a_flat_has_unit_median_and_says_where_it_is_undefined():
    made = normalise_flat(flat())
    assert np.median(made.data) == pytest.approx(1, abs=1e-3)
    assert made.data[0, 0] / made.data[0, -1] == pytest.approx(0.6 / 1.3, rel=1e-5)
    assert made.error[0, 0] == pytest.approx(np.sqrt(18_000) / 28_500, rel=5e-3)
    bad = made.quality == 512
    assert bad.sum() == 2
    assert bad[5, 6]
    assert bad[7, 8]
    assert (made.data[bad] == 1).all()
    assert (made.error[bad] == 0).all()


def test_a_given_level_keeps_the_ratio_of_chips():
    made = normalise_flat(flat(), level=15_000.0, least=1.5)
    assert made.data[0, -1] == pytest.approx(2.6, rel=1e-5)
    assert (made.quality[:, 0] == 512).all()


def test_no_light_is_no_flat():
    dark = flat().replace(data=np.zeros(dark_frames.SHAPE, np.float32))
    with pytest.raises(MetadataError, match="wanted light") as caught:
        normalise_flat(dark)
    assert caught.value.code == "A06"
