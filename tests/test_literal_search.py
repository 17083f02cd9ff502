"""The published recipe in one sweep, against the same steps over whole planes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fleckcore.errors import ArrayError
from fleckcore.kernels import (
    DEVIANT,
    FLAGGED,
    UNLIT,
    build_config,
    interpolate_mesh,
    label_components,
    literal_search,
    median_filter,
    mesh_statistics,
    sparse_zeros,
)

FEW = 100 / 64**2


def noise_mesh(image, box, mask):
    mesh = mesh_statistics(image, box, mask=mask)
    if not mesh.count.any():
        mesh = mesh_statistics(image, box, mask=mask, min_valid=FEW)
    return mesh.filled().median_filtered()


def plain(
    data,
    *,
    quality=None,
    bits=0,
    level_box=64,
    noise_box=64,
    window=(15, 15),
    sigma=5.0,
    min_area=25,
):
    """Meshes, noise, state, peaks and painted objects."""
    flagged = ~np.isfinite(data)
    if quality is not None:
        flagged |= (quality & bits) != 0
    level_mesh = mesh_statistics(data, level_box, mask=flagged).filled().median_filtered()
    level = level_mesh.interpolate("level")
    with np.errstate(all="ignore"):
        unlit = ~(level > np.finfo(np.float32).tiny) & ~flagged
        transmission = np.divide(data, level, dtype=np.float32, casting="unsafe")
        transmission[flagged | unlit] = np.nan
        loss = 1 - transmission
        noise = noise_mesh(loss, noise_box, flagged | unlit).interpolate("noise")
        noise[np.isnan(noise)] = np.inf
        deviant = loss < -6.0 * np.maximum(noise, np.float32(1e-5))
        left_out = flagged | unlit | deviant
        loss_mesh = noise_mesh(loss, noise_box, left_out)
        excess = 100.0 * (1.0 - median_filter(transmission, window))
        mesh = mesh_statistics(excess, noise_box).filled().median_filtered()
        excess -= mesh.interpolate("level")
    known = mesh.noise[~np.isnan(mesh.noise)]
    limit = max(float(np.median(known)), 1e-5) if known.size else np.nan
    state = (flagged * FLAGGED + unlit * UNLIT + deviant * DEVIANT).astype(np.uint8)
    labels, peaks = np.zeros(data.shape, np.int32), np.zeros(0)
    if np.isfinite(limit):
        objects = label_components(excess, sigma * limit, mask=left_out, min_area=min_area)
        labels, peaks = objects.labels, objects.peak
    return level_mesh.level, loss_mesh.noise, limit, state, peaks, labels


def assert_matches(data, **options):
    level, noise, limit, state, peaks, labels = plain(data, **options)
    for threads in (1, 2, 5):
        found = literal_search(data, few_valid=FEW, threads=threads, **options)
        np.testing.assert_array_equal(found.level, level)
        np.testing.assert_array_equal(found.loss_noise, noise)
        np.testing.assert_array_equal(found.noise, limit)
        np.testing.assert_array_equal(found.state, state)
        np.testing.assert_array_equal(found.peaks, peaks)
        painted = np.zeros(data.shape, np.int32)
        for row, begin, end, number in found.runs.tolist():
            painted[row, begin:end] = number + 1
        np.testing.assert_array_equal(painted, labels)
        counts = [np.count_nonzero(state == reason) for reason in (FLAGGED, UNLIT, DEVIANT)]
        assert [found.flagged, found.unlit, found.deviant] == counts
    return found


def frame(shape=(300, 420), seed=1, spots=12):
    """Uneven light with noise, dark spots of all depths, and some hot pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: shape[0], : shape[1]]
    light = 2000 + 3 * x + 500 * np.sin(y / 90)
    data = light * (1 + 0.02 * rng.standard_normal(shape))
    for _ in range(spots):
        cy, cx, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(3, 14)
        data[np.hypot(y - cy, x - cx) < r] *= rng.uniform(0.3, 0.97)
    data[rng.random(shape) < 3e-4] *= 2
    return data.astype(np.float32)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "dtype", ["f4", "f8", "f2", "u2", "i2", "u4", "i4", "u8", "i8", "u1", "i1"]
)
def test_every_type_and_byte_order(dtype, order):
    data = frame()
    scale = {"f2": 8, "u1": 60, "i1": 120}.get(dtype, 1)
    data = (data / scale).astype(np.dtype(dtype).newbyteorder(order))
    found = assert_matches(data)
    assert dtype in ("u1", "i1") or len(found.peaks)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1),
        (1, 90),
        (90, 1),
        (7, 9),
        (20, 500),
        (129, 64),
        (193, 65),
        (500, 20),
        (128, 128),
        (270, 333),
    ],
)
def test_every_shape(shape):
    window = tuple(min(15, n if n % 2 else n - 1) for n in shape)
    assert_matches(frame(shape), window=tuple(max(1, n) for n in window))


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1, ::-1],
        lambda a: a[::2, 1::2],
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], (140, a.shape[1])),
    ],
    ids=["reversed", "sliced", "transposed", "fortran", "broadcast"],
)
def test_every_layout_in_place(view):
    data = view(frame())
    data.flags.writeable = False
    assert_matches(data)


@pytest.mark.parametrize("dtype", [">i2", "i4", "u1", "i8", "?"])
@pytest.mark.parametrize("part", [0.001, 0.1, 0.9, 0.99])
def test_quality(dtype, part):
    rng = np.random.default_rng(3)
    quality = rng.choice([0, 1, 2, 4], frame().shape, p=[1 - part, part / 2, part / 4, part / 4])
    assert_matches(frame(), quality=quality.astype(dtype), bits=5 if dtype != "?" else 1)
    assert_matches(frame(), quality=quality.astype(dtype)[:, ::-1], bits=1)


def test_numbers_that_are_none():
    data = frame()
    data[40:60, 100:300] = np.nan
    data[7, 7], data[100:180, 17] = np.inf, -np.inf
    assert_matches(data)
    data[:, :200] = np.nan
    assert_matches(data)
    assert_matches(np.full_like(data, np.nan))
    wide = frame().astype("f8")
    wide[50, 60:70], wide[51, 60] = 1e39, -1e39  # finite, and infinite in float
    assert_matches(wide)


def test_where_no_light_falls():
    data = frame()
    data[:130, :140] = np.random.default_rng(0).normal(0, 5, (130, 140))
    found = assert_matches(data)
    assert found.unlit
    assert_matches(data - 2000)
    assert_matches(np.zeros_like(data))
    assert_matches(-data)


def test_frames_without_noise():
    assert_matches(np.full((200, 300), 1000.0, np.float32))
    hole = np.full((200, 300), 1000.0, np.float32)
    hole[60:90, 70:100] = 900
    assert len(assert_matches(hole).peaks) == 1
    y, x = np.mgrid[:200, :300]
    assert_matches((1000.0 + x + y).astype(np.float32))


@pytest.mark.parametrize("deep", [0.02, 0.2])
def test_noise_that_differs_from_place_to_place(deep):
    """Bounds that boxes guess from their own noise are too high in some of them."""
    data = frame(spots=0)
    rng = np.random.default_rng(8)
    data[:, 200:] *= 1 + deep * rng.standard_normal((300, 220)).repeat(2, axis=1)[:, ::2]
    data[::2, 300:] *= 1.5
    y, x = np.ogrid[:300, :420]
    data[np.hypot(y - 150, x - 250) < 60] *= 0.8  # as large as a box
    data[np.hypot(y - 60, x - 330) < 25] *= 0.7
    assert_matches(data)


@pytest.mark.parametrize("boxes", [(64, 8), (16, 64), (50, 37), (1000, 1000), (64, 350)])
def test_every_box(boxes):
    assert_matches(frame(), level_box=boxes[0], noise_box=boxes[1])


@pytest.mark.parametrize("sigma", [-1.0, 0.0, 0.5, 2.0, 5.0])
def test_every_threshold(sigma):
    assert_matches(frame(), sigma=sigma, min_area=1)
    assert_matches(frame((70, 65)), sigma=sigma, min_area=3, window=(3, 5))


def test_every_instruction_set_gives_the_same():
    script = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import test_literal_search as t\n"
        "f = t.literal_search(t.frame(), few_valid=t.FEW)\n"
        "parts = (f.level, f.loss_noise, f.state, f.peaks, f.runs)\n"
        "print(f.noise, hashlib.sha256(b''.join(p.tobytes() for p in parts)).hexdigest())"
    )
    here = os.path.dirname(__file__)  # noqa: PTH120
    seen = {
        subprocess.run(
            [sys.executable, "-c", script, here],
            env=os.environ | {"FLECKCORE_ISA": isa},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for isa in build_config()["isas"]
    }
    assert len(seen) == 1


def test_a_part_of_the_plane_through_a_mesh():
    mesh = mesh_statistics(frame(), 64)
    whole = mesh.interpolate("level")
    for part in (np.s_[0:300, 0:420], np.s_[17:18, 400:420], np.s_[120:200, 3:90]):
        np.testing.assert_array_equal(
            interpolate_mesh(mesh.level, 64, whole.shape, part), whole[part]
        )


def test_refuses_a_quality_plane_of_another_shape():
    with pytest.raises(ArrayError, match="A12"):
        literal_search(frame(), quality=np.zeros((3, 3), int), bits=1)


def test_zeros_that_take_no_memory():
    plane = sparse_zeros((300, 500), np.int32)
    assert (plane.shape, plane.dtype, plane.any()) == ((300, 500), np.int32, False)
    plane[7, 9] = 3
    assert (plane.sum(), plane.flags.c_contiguous) == (3, True)
