"""Bias levels from the prescan, and the way to electrons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fleckcore
import real_frames
from fleckcore.calibrate import measure_bias, subtract_bias, to_electrons
from fleckcore.errors import MetadataError
from fleckcore.frame import Area, Frame, FrameMeta

ROWS, COLS, SCAN, OVER = 80, 100, 12, 6
LEVELS, GAINS, NOISES = (2400.0, 2510.0), (2.0, 1.9), (4.0, 5.0)


def raw_chip(*, slope: float = 0.0, light: float = 500.0, seed: int = 0) -> Frame:
    """A chip of two amplifiers with prescan on both sides and virtual overscan above."""
    random = np.random.default_rng(seed)
    shape = (ROWS + OVER, COLS + 2 * SCAN)
    electrons = np.zeros(shape)
    electrons[:ROWS, SCAN:-SCAN] = random.poisson(light, (ROWS, COLS))
    middle = shape[1] // 2
    spans = ((0, middle), (middle, shape[1]))
    data = np.empty(shape)
    areas = []
    for name, span, level, gain, noise in zip("CD", spans, LEVELS, GAINS, NOISES, strict=True):
        part = np.s_[:, span[0] : span[1]]
        read = electrons[part] + noise * random.standard_normal(electrons[part].shape)
        data[part] = level + slope * np.arange(shape[0])[:, None] + read / gain
        lit = (max(span[0], SCAN), min(span[1], shape[1] - SCAN))
        areas.append(
            Area(
                amplifier=name,
                rows=(0, shape[0]),
                columns=span,
                lit_rows=((0, ROWS),),
                lit_columns=(lit,),
                gain_e=gain,
                read_noise_e=noise,
            )
        )
    data[40, 3] += 3000  # a cosmic ray in the prescan
    meta = FrameMeta(unit="DN", areas=tuple(areas), x_offset=-SCAN, kind="flat")
    return Frame(np.rint(data).astype(np.uint16), quality=np.zeros(shape, np.int16), meta=meta)


def test_level_and_noise_of_each_amplifier():
    for level, true, gain, noise in zip(
        measure_bias(raw_chip()), LEVELS, GAINS, NOISES, strict=True
    ):
        assert abs(level.level - true) < 4 * level.error
        assert level.error == pytest.approx(level.noise / np.sqrt(ROWS * SCAN), rel=0.01)
        # Rounding to whole numbers adds 1/12 of variance.
        assert level.noise == pytest.approx(np.sqrt((noise / gain) ** 2 + 1 / 12), rel=0.06)
        assert ROWS * SCAN - 5 <= level.pixels <= ROWS * SCAN


def test_a_line_follows_a_drift_and_a_constant_does_not():
    raw = raw_chip(slope=0.5)
    line, constant = measure_bias(raw, fit="line")[0], measure_bias(raw)[0]
    assert line.slope == pytest.approx(0.5, abs=0.01)
    assert line.level == pytest.approx(LEVELS[0] + 0.5 * (ROWS - 1) / 2, abs=0.4)
    assert constant.noise > 4 * line.noise
    flat = subtract_bias(raw, measure_bias(raw, fit="line")).data
    assert abs(flat[:20].mean() - flat[-20:].mean()) < 2


def test_electrons_are_what_was_put_in():
    raw = raw_chip()
    frame = to_electrons(subtract_bias(raw, measure_bias(raw)))
    assert frame.shape == (ROWS, COLS)
    assert frame.data.dtype == np.float32
    assert frame.meta.unit == "electron"
    assert frame.meta.x_offset == 0
    assert frame.meta.seams == (("col", COLS // 2),)
    assert [area.columns for area in frame.meta.areas] == [(0, 50), (50, 100)]
    for area, noise in zip(frame.meta.areas, NOISES, strict=True):
        part = frame.data[area.place]
        assert part.mean() == pytest.approx(500, rel=0.01)
        assert part.std() == pytest.approx(np.sqrt(500 + noise**2), rel=0.05)
        assert frame.error[area.place].mean() == pytest.approx(np.sqrt(500 + noise**2), rel=0.02)
        assert area.gain_e == 1.0
    again = raw.data
    assert again.dtype == np.uint16  # the input stays as it is


def test_what_cannot_be_measured_is_said():
    raw = raw_chip()
    frame = subtract_bias(raw, measure_bias(raw))
    for call, message in (
        (lambda: measure_bias(frame), "no unlit columns"),
        (lambda: measure_bias(raw, side="far"), "no unlit columns on the far side"),
        (lambda: measure_bias(Frame(np.ones((4, 4)))), "which amplifier"),
        (lambda: measure_bias(raw, fit="curve"), "wanted constant or line"),
        (lambda: subtract_bias(raw, measure_bias(raw)[:1]), "no bias level for amplifier D"),
        (lambda: to_electrons(to_electrons(frame)), "wanted DN"),
        (lambda: to_electrons(_without_gain(frame)), "gain or read noise of amplifier C"),
    ):
        with pytest.raises(MetadataError, match=message) as caught:
            call()
        assert caught.value.code == "M07"


def _without_gain(frame: Frame) -> Frame:
    areas = tuple(replace(area, gain_e=None) for area in frame.meta.areas)
    return frame.replace(meta=replace(frame.meta, areas=areas))


def test_a_real_hubble_frame():
    """ACS/HRC of 2002, read by amplifier C: 19 columns of prescan, 20 rows of virtual overscan."""
    (raw,) = fleckcore.read(real_frames.file("hst/j8bt05njq_raw.fits.gz"), trim=False)
    assert raw.shape == (1044, 1062)
    (near,) = measure_bias(raw)
    (far,) = measure_bias(raw, side="far")
    # The right end is read last: what serial transfer left behind does not reach it, and both agree to a few DN.
    assert abs(near.level - far.level) < 3
    frame = to_electrons(subtract_bias(raw, [near]))
    (trimmed,) = fleckcore.read(real_frames.file("hst/j8bt05njq_raw.fits.gz"))
    np.testing.assert_allclose(frame.data, (trimmed.data - near.level) * 2.2, atol=0.01)


def test_a_real_frame_of_four_taps():
    (raw,) = fleckcore.read(real_frames.file("msfc_esis1/ESIS1_04803.fit.gz"), trim=False)
    levels = measure_bias(raw)
    assert [level.amplifier for level in levels] == ["1", "2", "3", "4"]
    flat = subtract_bias(raw, levels)
    (zero,) = fleckcore.read(real_frames.file("msfc_esis1/ESIS1_00002.fit.gz"), trim=False)
    dark = subtract_bias(zero, measure_bias(zero))
    assert flat.shape == (1024, 2052)
    for area in dark.meta.areas:  # the taps differ by up to 350 DN, which the prescan takes out
        assert abs(np.median(dark.data[area.place])) < 8
        assert np.median(flat.data[area.place]) > 1000


def test_areas_of_subarrays_and_chips():
    from fleckcore.instruments import load_profile
    from fleckcore.io.metadata import describe_areas
    from fleckcore.io.placing import Place

    profile = load_profile("acs_wfc")
    chip = profile.chip(1)
    right = Place(((0, 100),), ((0, 100),), 3000, 10)
    (area,) = describe_areas({}, profile, chip, right, electrons=False)
    assert area.amplifier == "B"
    across = Place(((0, 100),), ((0, 100),), 2000, 10)
    left, other = describe_areas({"ATODGNA": 2.5}, profile, chip, across, electrons=False)
    assert (left.amplifier, left.columns, left.gain_e) == ("A", (0, 48), 2.5)
    assert (other.amplifier, other.columns, other.gain_e) == ("B", (48, 100), 1.886)
    (one,) = describe_areas({"CCDAMP": "A"}, profile, chip, across, electrons=True)
    assert (one.amplifier, one.columns, one.gain_e) == ("A", (0, 100), 1.0)
