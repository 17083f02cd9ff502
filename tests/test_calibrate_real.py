"""The steps of calibration on real raw frames: biases, darks, flats by filter, and Hubble's with null planes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fleckcore
import real_frames
from fleckcore.calibrate import (
    combine,
    correct_cte,
    dark_rate,
    measure_bias,
    normalise_flat,
    subtract_bias,
    to_electrons,
)
from fleckcore.instruments import load_profile
from fleckcore.traps import TrapModels, parametric_traps

GAIN_E, NOISE_DN = 1.27, 5.7


def exposures(pattern):
    """Frames of the Apogee camera, whose noise the header does not know."""
    frames = [fleckcore.read(path)[0] for path in real_frames.files(f"arcsat_20190503/{pattern}")]
    noise = {"gain_e": GAIN_E, "read_noise_e": NOISE_DN * GAIN_E}
    return [frame.replace(meta=replace(frame.meta, **noise)) for frame in frames]


@pytest.fixture(scope="module")
def master_bias():
    return combine(exposures("Bias*"), method="median").frame


def without(frame, bias, kind):
    data = frame.data.astype(np.float32) - bias.data
    meta = replace(frame.meta, kind=kind)
    return frame.replace(data=data, error=None, meta=meta)


def test_biases_become_one_of_less_noise(master_bias):
    frames = exposures("Bias*")
    assert len(frames) == 3
    centre = np.s_[400:600, 400:600]
    one = (frames[0].data[centre] - frames[1].data[centre].astype(float)).std() / np.sqrt(2)
    made = (master_bias.data[centre] - frames[0].data[centre].astype(float)).std()
    assert one == pytest.approx(NOISE_DN, rel=0.06)
    assert made < one * 1.15
    # The error of a pixel holds its "light", which a bias level of 1000 DN is not: it is no smaller than read noise.
    assert np.median(master_bias.error) > 1.25 * NOISE_DN / np.sqrt(3) * 0.9


def test_darks_lose_their_cosmic_rays_and_keep_their_hot_pixels(master_bias):
    frames = [without(frame, master_bias, "unflashed_dark") for frame in exposures("Dark*")]
    made = combine(frames)
    assert made.frame.meta.exposure_s == pytest.approx(240)
    shares = [frame["rejected_fraction"] for frame in made.record["frames"]]
    assert all(1e-5 < share < 0.02 for share in shares)
    typical = combine(frames, method="median").frame
    hot = typical.data > 500
    assert hot.sum() > 20
    assert (made.frame.data[hot] > 900).mean() > 0.9
    electrons = made.frame.replace(
        data=made.frame.data * np.float32(GAIN_E),
        meta=replace(made.frame.meta, unit="electron", flash_s=0.0),
    )
    rate = dark_rate(electrons)
    assert 0 < np.median(rate.data) < 5


@pytest.mark.parametrize("band", ["g", "r", "i", "z"])
def test_flats_by_filter(master_bias, band):
    flats = [without(frame, master_bias, "flat") for frame in exposures(f"domeflat_sdss_{band}_*")]
    made = combine(flats, method="clipped_mean", scaling="level")
    flat = normalise_flat(made.frame)
    assert np.median(flat.data) == pytest.approx(1, abs=1e-3)
    # The deepest mote, 7.5 % in g and 6.3 % in z, about (478, 612).
    y, x = np.indices(flat.shape)
    distance = np.hypot(y - 612, x - 478)
    inside, around = (
        flat.data[(distance > 20) & (distance < 36)],
        flat.data[(distance > 60) & (distance < 80)],
    )
    assert 0.02 < 1 - np.median(inside) / np.median(around) < 0.09
    # Its error is that of the photons.
    part = np.s_[300:340, 300:340]
    ratio = flats[0].data[part] / flats[1].data[part]
    wanted = ratio.std() / ratio.mean() / np.sqrt(2 * len(flats))
    assert np.median(flat.error[part]) == pytest.approx(wanted, rel=0.12)


def test_a_hubble_pair_with_null_planes():
    frames = []
    for name in ("j8bt05njq", "j8bt06o6q"):
        (raw,) = fleckcore.read(real_frames.file(f"hst/{name}_raw.fits.gz"), trim=False)
        assert raw.error is None
        assert raw.quality is not None
        assert not raw.quality.any()
        frames.append(to_electrons(subtract_bias(raw, measure_bias(raw))))
    made = combine(frames)
    assert made.frame.meta.exposure_s == 120
    shares = [frame["rejected_fraction"] for frame in made.record["frames"]]
    assert all(share > 0.001 for share in shares)  # one has other stars than the other


def test_charge_of_a_hubble_frame_is_put_back():
    """No traps of ACS/HRC are known: those of another chip show that nothing is lost and rows stay in place."""
    (raw,) = fleckcore.read(real_frames.file("hst/j8bt05njq_raw.fits.gz"), trim=False)
    frame = to_electrons(subtract_bias(raw, measure_bias(raw)))
    traps = parametric_traps(
        densities=(0.1, 0.2, 0.2),
        release_transfers=(0.5, 5.0, 20.0),
        full_well_e=84_700,
        fill_power=0.478,
        rows=1024,
        date0=52_000.0,
        date1=53_000.0,
    )
    models = TrapModels(parallel=traps, name="test")
    fixed, record = correct_cte(frame, models, profile=load_profile("acs_hrc"))
    assert record["amplifiers"]["C"]["parallel"]["moved_e"] > 1000
    change = fixed.data.astype(float) - frame.data
    assert np.abs(change).max() > 10
    bright = np.unravel_index(np.argmax(frame.data), frame.shape)
    assert np.abs(fixed.data[bright] / frame.data[bright] - 1) < 0.05
