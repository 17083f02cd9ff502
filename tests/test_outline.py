"""From a row of a catalogue to transmissions, frame by frame."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fleckcore as fc
import real_frames
from features import feature
from fleckcore.detection.catalog import Catalog
from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.measure import measure_outline, outline_of
from fleckcore.simulate import Obstruction, obscure

SHAPE = (200, 240)


def catalog(*features):
    return Catalog.from_features(features, meta={"shape": list(SHAPE)})


def modelled(x, y, radius, *, inner=math.nan, softness=2.0, **changes):
    return feature(
        x_centroid=x,
        y_centroid=y,
        x_fit=x,
        y_fit=y,
        radius_fit=radius,
        radius_inner_fit=inner,
        softness=softness,
        kind="ring" if inner > 0 else "disc",
        **changes,
    )


def test_a_disc():
    outline = outline_of(catalog(modelled(100, 90, 20)), 0)
    assert np.count_nonzero(outline.mask) == pytest.approx(math.pi * 20**2, rel=0.02)
    assert outline.shape[0] == outline.shape[1] == 2 * math.ceil(26 + 12) + 1
    assert outline.mask.shape == outline.shape
    ys, xs = np.nonzero(outline.mask)
    assert (ys.mean(), xs.mean()) == (outline.shape[0] // 2, outline.shape[1] // 2)
    assert outline.leave_out[outline.mask].all()
    assert not outline.neighbours.size


def test_a_ring_has_no_hole_in_its_background():
    outline = outline_of(catalog(modelled(100, 90, 20, inner=10, fill=0.1)), 0)
    middle = outline.shape[0] // 2
    assert not outline.mask[middle, middle]
    assert outline.leave_out[middle, middle]
    assert np.count_nonzero(outline.mask) == pytest.approx(math.pi * 300, rel=0.02)
    filled = outline_of(catalog(modelled(100, 90, 20, inner=10, fill=0.9)), 0)
    assert filled.mask[middle, middle]


def test_an_ellipse_is_turned():
    turned = modelled(100, 90, 20, axis_ratio=0.5, orientation_fit=90.0, orientation_err=1.0)
    ys, xs = np.nonzero(outline_of(catalog(turned), 0).mask)
    assert np.ptp(ys) == pytest.approx(2 * 20 * math.sqrt(2), abs=2)
    assert np.ptp(xs) == pytest.approx(2 * 20 / math.sqrt(2), abs=2)


def test_without_a_model_moments_tell():
    plain = feature(
        x_centroid=100.0,
        y_centroid=90.0,
        radius=8.0,
        semimajor_axis=6.0,
        semiminor_axis=3.0,
        orientation=0.0,
    )
    ys, xs = np.nonzero(outline_of(catalog(plain), 0).mask)
    assert np.ptp(xs) > 1.8 * np.ptp(ys)


def test_neighbours_small_and_large():
    rows = modelled(100, 90, 20), modelled(112, 90, 2), modelled(130, 90, 20)
    outline = outline_of(catalog(*rows), 0)
    alone = outline_of(catalog(rows[0]), 0)
    assert outline.neighbours.shape == (1, *outline.shape)
    assert outline.neighbours.max() == pytest.approx(1, abs=1e-3)
    lost = alone.mask & ~outline.mask
    assert lost.any()
    with pytest.raises(ArrayError, match=r"A09.*free of other features"):
        outline_of(catalog(rows[1], modelled(112, 90, 5)), 0)


def test_at_the_corner_of_the_frame():
    outline = outline_of(catalog(modelled(3, 195, 20)), -1)
    assert outline.mask.shape == (5 + 38, 3 + 39)
    frame = obscure(
        np.ones(SHAPE), [Obstruction(x=3, y=195, width=40, height=40, kind="disc", loss=0.2)]
    )
    found = measure_outline(frame, outline, degree=0)
    assert found.value == pytest.approx(0.81, abs=0.01)


def test_three_lines_from_the_frames_to_a_spectrum():
    """A disc that is shallower in the red, beside another, in three frames of its own noise."""
    random = np.random.default_rng(1)
    depths = (0.08, 0.06, 0.04)
    frames = []
    for band, depth in zip("gri", depths, strict=True):
        items = [
            Obstruction(x=100, y=90, width=44, height=44, loss=depth, kind="disc", softness=1.5),
            Obstruction(x=150, y=100, width=44, height=44, loss=0.02, kind="disc", softness=1.5),
        ]
        data = obscure(np.full(SHAPE, 5000.0), items).data + random.normal(0, 50, SHAPE)
        frames.append(Frame(data, meta=FrameMeta(filters=(band,))))

    found = fc.find_all(frames)
    outline = outline_of(found, int(np.argmin(np.abs(found["x_fit"].value - 100))))
    transmissions = [measure_outline(frame, outline) for frame in frames]

    for one, depth in zip(transmissions, depths, strict=True):
        # Within the contour of half the loss a disc with soft edges loses less than its depth.
        assert 1 - one.value == pytest.approx(0.93 * depth, abs=0.04 * depth + 4 * one.error)
        assert 2e-4 < one.error < 3e-3
        assert one.aperture_error < 0.1 * depth


def test_refusals():
    rows = catalog(modelled(100, 90, 20))
    with pytest.raises(ArrayError, match=r"A09.*row 1 of a catalogue of 1"):
        outline_of(rows, 1)
    with pytest.raises(ArrayError, match=r"A09.*outside"):
        outline_of(catalog(modelled(1000, 90, 20)), 0)
    outline = outline_of(catalog(modelled(235, 90, 20)), 0)
    with pytest.raises(ArrayError, match="A12"):
        measure_outline(Frame(np.ones((400, 400))), outline)


MOTES = {  # x, y: percent lost in g and z, along a ring by eye
    (478, 612): (7.5, 6.3),
    (248, 708): (4.0, 3.1),
    (160, 726): (3.7, 2.5),
    (82, 590): (1.5, 1.4),
    (560, 790): (2.1, 1.3),
    (156, 392): (1.8, 1.0),
}


def test_motes_of_a_real_camera_in_four_filters():
    """Depths within a third of those seen by eye, the same order, the same trend; two exposures agree."""
    flats = [
        Frame(real_frames.combined_flat(f"arcsat_20190503/domeflat_sdss_{band}_*", BIASES))
        for band in "griz"
    ]
    found = fc.find_all([flats[0], flats[3]])
    for (x, y), seen in MOTES.items():
        nearest = np.nanargmin(np.hypot(found["x_fit"].value - x, found["y_fit"].value - y))
        outline = outline_of(found, int(nearest))
        lost = [1 - measure_outline(flat, outline).value for flat in flats]
        assert 100 * lost[0] == pytest.approx(seen[0], rel=0.33)
        assert 100 * lost[3] == pytest.approx(seen[1], rel=0.4)
        assert np.all(np.diff(lost) < 0)
        for band in "griz":
            pair = [
                measure_outline(Frame(one), outline)
                for one in (
                    real_frames.combined_flat(
                        f"arcsat_20190503/domeflat_sdss_{band}_00{n}*", BIASES
                    )
                    for n in (1, 2)
                )
            ]
            error = math.hypot(*(one.error for one in pair))
            assert abs(pair[0].value - pair[1].value) < 4 * error


BIASES = "arcsat_20190503/Bias*"


def test_errors_are_right():
    """Of a mote on tilted light, over 1000 seeds, against the mean over its pixels without noise."""
    mote = Obstruction(x=100, y=90, width=44, height=44, loss=0.05, kind="disc", softness=1.5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = 8000 * (1 + 1e-3 * (x - 100) - 5e-4 * (y - 90))
    through = obscure(np.ones(SHAPE), [mote]).data
    outline = outline_of(catalog(modelled(100, 90, 22, softness=1.5)), 0)
    top, left = (round(at) - outline.shape[0] // 2 for at in (outline.y, outline.x))
    part = through[top : top + outline.shape[0], left : left + outline.shape[1]]
    truth = float(part[outline.mask].mean())
    pulls = []
    for seed in range(1000):
        data = np.random.default_rng(seed).poisson(light * through)
        found = measure_outline(Frame(data.astype(np.float32)), outline, degree=1)
        pulls.append((found.value - truth) / found.error)
    assert abs(np.mean(pulls)) < 0.1
    assert np.std(pulls) == pytest.approx(1, abs=0.1)
