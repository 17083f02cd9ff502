"""Gain and read noise, of frames of which they are known and of real pairs."""

from __future__ import annotations

import numpy as np
import pytest

import fleckcore
import real_frames
from fleckcore.calibrate import photon_transfer
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame, FrameMeta

GAIN, NOISE_E = 1.7, 8.0


def made(kind: str, seed: int, level: float = 20_000.0, **changes) -> Frame:
    """A flat with a gradient and dust, or a bias, in DN."""
    random = np.random.default_rng(seed)
    shape = (512, 640)
    light = (
        np.full(shape, level) * np.linspace(0.7, 1.2, shape[1])
        if kind == "flat"
        else np.zeros(shape)
    )
    light[100:110, 200:215] *= 0.4
    electrons = random.poisson(light) + NOISE_E * random.standard_normal(shape)
    electrons[random.random(shape) < 1e-4] += 40_000
    return Frame(
        np.rint(300 + electrons / GAIN).astype(np.int32), meta=FrameMeta(unit="DN", **changes)
    )


@pytest.mark.parametrize("fading", [1.0, 0.9])
def test_known_gain_and_noise(fading):
    result = photon_transfer(
        (made("flat", 1), made("flat", 2, 20_000 * fading)),
        (made("bias", 3), made("bias", 4)),
        box=32,
    )
    assert result.gain_e == pytest.approx(GAIN, rel=0.01)
    assert abs(result.gain_e - GAIN) < 4 * result.gain_error
    assert result.read_noise_e == pytest.approx(NOISE_E, rel=0.02)
    assert result.read_noise_dn == pytest.approx(NOISE_E / GAIN, rel=0.02)
    assert result.level_dn == pytest.approx(20_000 * (1 + fading) / 2 * 0.95 / GAIN, rel=0.02)


def test_refusals():
    flats, biases = (made("flat", 1), made("flat", 2)), (made("bias", 3), made("bias", 4))
    with pytest.raises(ArrayError, match="box=1024"):
        photon_transfer(flats, biases, box=1024)
    with pytest.raises(MetadataError, match="above the biases"):
        photon_transfer(biases, biases)
    electrons = [frame.replace(meta=FrameMeta(unit="electron")) for frame in (*flats, *biases)]
    with pytest.raises(MetadataError, match="wanted DN"):
        photon_transfer((electrons[0], electrons[1]), (electrons[2], electrons[3]))
    with pytest.raises(MetadataError, match="chip"):
        photon_transfer((made("flat", 1, chip=1), made("flat", 2, chip=2)), biases)


def pair(folder, *names):
    return tuple(fleckcore.read(real_frames.file(f"{folder}/{name}"))[0] for name in names)


@pytest.mark.parametrize("band", ["g", "r", "i", "z"])
def test_a_real_apogee(band):
    """1.27 e-/ADU and 5.7 ADU are on record for it."""
    flats = pair(
        "arcsat_20190503",
        f"domeflat_sdss_{band}_001.fits.gz",
        f"domeflat_sdss_{band}_002.fits.gz",
    )
    biases = pair(
        "arcsat_20190503", "Bias_BIN1_20190503_100525.fits.gz", "Bias_BIN1_20190503_100543.fits.gz"
    )
    result = photon_transfer(flats, biases)
    assert result.gain_e == pytest.approx(1.27, rel=0.05)
    assert result.read_noise_dn == pytest.approx(5.7, rel=0.05)


def test_a_real_st7():
    """0.44 e-/ADU measured, 0.46 in its header."""
    name = "slitview.00000{}.{}.FIT.gz"
    flats = pair("ccdchar_st7_L", name.format(357, "FLAT"), name.format(358, "FLAT"))
    biases = pair("ccdchar_st7_L", name.format(352, "BIAS"), name.format(353, "BIAS"))
    assert photon_transfer(flats, biases, box=32).gain_e == pytest.approx(0.44, rel=0.05)


@pytest.mark.parametrize("tap", [0, 1, 2, 3])
def test_a_real_camera_of_four_taps(tap):
    """2.53 e-/DN."""
    flats = pair("msfc_esis1", "ESIS1_04803.fit.gz", "ESIS1_04804.fit.gz")
    zeros = pair("msfc_esis1", "ESIS1_00002.fit.gz", "ESIS1_01772.fit.gz")
    area = flats[0].meta.areas[tap]
    assert photon_transfer(flats, zeros, region=area.place).gain_e == pytest.approx(2.53, rel=0.05)
