"""Trails behind pixels, against plain numpy and against trails of known depth."""

import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import real_frames
import reference
from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels import build_config, trail_scan

DIRECTIONS = ("+y", "-y", "+x", "-x")
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"]
FIXED = -np.inf


def towards_rows(plane, direction):
    """The same frame with its trails along growing rows, and the index of each pixel."""
    turn = {
        "+y": lambda a: a,
        "-y": lambda a: a[::-1],
        "+x": lambda a: a.T,
        "-x": lambda a: a[:, ::-1].T,
    }[direction]
    rows, cols = np.indices(plane.shape)
    return turn(plane), np.stack([turn(rows), turn(cols)], axis=-1)


def assert_matches(data, direction, noise, *, seeds=None, mask=None, **options):
    scan = trail_scan(data, direction=direction, seeds=seeds, noise=noise, mask=mask, **options)
    width, gap = options.get("background_width", 5), options.get("gap", 1)
    walk = width, gap, options.get("max_length", 60), options.get("n_sigma", 2.0)
    turned, index = towards_rows(data, direction)
    left_out, _ = towards_rows(np.zeros(data.shape, bool) if mask is None else mask, direction)
    sigma, _ = towards_rows(np.broadcast_to(np.asarray(noise, float), data.shape), direction)
    if seeds is None:
        threshold = options["seed_threshold"]
        found = reference.find_seeds(turned, left_out, threshold, width, gap)
        seeds = sorted(tuple(index[r, c]) for r, c in found)
    assert list(zip(scan.row, scan.col, strict=True)) == [tuple(seed) for seed in seeds]
    place = {tuple(index[p]): p for p in np.ndindex(turned.shape)}
    for i, seed in enumerate(seeds):
        value, length, excess, variance, profile = reference.follow_trail(
            turned, left_out, sigma, place[tuple(seed)], *walk
        )
        assert scan.length[i] == length
        np.testing.assert_allclose(
            [scan.seed_value[i], scan.excess[i], scan.excess_err[i], *scan.profile[i]],
            [value, excess, np.sqrt(variance), *profile],
            rtol=1e-12,
            atol=1e-12,
        )
    return scan


def frame(shape, dtype="f4", seed=1):
    rng = np.random.default_rng(seed)
    if dtype == "?":
        return rng.random(shape) < 0.1
    data = rng.normal(60, 4, shape)
    for r, c in rng.integers(0, shape, (max(2, shape[0] * shape[1] // 100), 2)):
        data[r : r + 6, c] -= 40 * np.exp(-np.arange(6) / 3)[: shape[0] - r]
    return data.astype(dtype)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_byte_order(dtype, order):
    data = frame((23, 31), dtype)
    data = data.astype(data.dtype.newbyteorder(order))
    threshold = 0.5 if dtype == "?" else -15
    scan = assert_matches(data, "+y", 4.0 if dtype != "?" else 0.2, seed_threshold=threshold)
    assert len(scan.row) > 3


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 1), (17, 29), (3, 4)])
def test_directions_and_shapes(direction, shape):
    data = frame(shape)
    seeds = np.argwhere(np.ones(shape, bool))
    assert_matches(data, direction, 4.0, seeds=seeds)
    assert_matches(data, direction, 4.0, seed_threshold=-12.0)


@pytest.mark.parametrize("view", [lambda a: a[::-1, ::2], lambda a: a.T, np.asfortranarray])
def test_every_layout_in_place(view):
    data = view(frame((30, 44)))
    noise = view(np.random.default_rng(2).uniform(2, 6, (30, 44)).astype(">f4"))
    mask = view(np.random.default_rng(3).random((30, 44)) < 0.05)
    before = data.copy()
    for plane in (data, noise, mask):
        plane.flags.writeable = False
    assert_matches(data, "-x", noise, seed_threshold=-12.0, mask=mask)
    np.testing.assert_array_equal(data, before)


@settings(max_examples=120, deadline=None)
@given(
    values=hnp.arrays(
        float,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([0.0, -0.0, 1.0, 2.0, -9.0, 65535.0, np.nan, np.inf, -np.inf]),
    ),
    dtype=st.sampled_from(["f4", ">f4", "f8"]),
    direction=st.sampled_from(DIRECTIONS),
    threshold=st.sampled_from([-3.0, -0.5, 0.5, 1.0, 9.0]),
    noise=st.sampled_from([0.0, 0.4, 1.0]),
    background_width=st.integers(1, 5),
    gap=st.integers(0, 3),
    max_length=st.sampled_from([1, 2, 5, 60]),
    n_sigma=st.sampled_from([FIXED, 0.0, 2.0]),
    masked=st.floats(0, 0.5),
)
def test_ties_zeros_and_bad_values(values, dtype, direction, threshold, noise, masked, **options):
    data = values.astype(dtype)
    mask = np.random.default_rng(4).random(data.shape) < masked
    assert_matches(data, direction, noise, seed_threshold=threshold, mask=mask, **options)
    every = np.argwhere(np.ones(data.shape, bool))
    assert_matches(data, direction, noise, seeds=every, mask=mask, **options)


@pytest.mark.parametrize("background_width", [1, 5, 40, 1000])
@pytest.mark.parametrize("threshold", [-12.0, -1.0, 4.0])
def test_seeds_of_rows_longer_than_a_block(threshold, background_width):
    data = frame((4, 150))
    data[1, 60:70] = np.nan
    data[2, ::7] = np.inf
    mask = np.random.default_rng(8).random(data.shape) < 0.1
    options = {"seed_threshold": threshold, "background_width": background_width, "max_length": 1}
    for plane, direction in ((data, "+y"), (data.astype(">f4").T, "-x")):
        left_out = mask if plane.shape == mask.shape else mask.T
        assert_matches(plane, direction, 4.0, mask=left_out, **options)


def test_seeds_at_the_threshold_are_none():
    """In float32 the limit itself cannot be written: 0.1 lies between two of its numbers."""
    data = np.zeros((3, 40), "f4")
    data[0, 20] = np.float32(0.1)
    data[1, 20] = np.nextafter(np.float32(0.1), np.float32(0))
    for threshold in (0.1, float(np.float32(0.1)), float(data[1, 20])):
        assert_matches(data, "+y", 1.0, seed_threshold=threshold)
        assert_matches(-data, "+y", 1.0, seed_threshold=-threshold)


def trail_field(sign, depth, decay, *, noise=4.0, length=12, n=400, seed=5):
    """Trails of known depth, 20 columns apart."""
    rng = np.random.default_rng(seed)
    data = rng.normal(64, noise, (40 * 20, n))
    true = sign * depth * np.exp(-np.arange(1, length + 1) / decay)
    seeds = np.array([(r, c) for r in range(5, 800, 40) for c in range(10, n, 20)])
    for r, c in seeds:
        data[r, c] += sign * 3 * depth
        data[r + 1 : r + 1 + length, c] += true
    return data, seeds, true


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_exponential_trail_is_recovered_within_its_error(sign):
    data, seeds, true = trail_field(sign, depth=20, decay=4)
    scan = trail_scan(data, direction="+y", seeds=seeds, noise=4.0, max_length=12, n_sigma=FIXED)
    pull = (scan.excess - true.sum()) / scan.excess_err
    assert (scan.length == 12).all()
    assert pull.mean() == pytest.approx(0, abs=4 / np.sqrt(len(seeds)))
    assert pull.std() == pytest.approx(1, abs=4 / np.sqrt(2 * len(seeds)))
    # The profile shows the decay that went in.
    mean = scan.profile.mean(axis=0)
    np.testing.assert_allclose(mean, true, atol=4.5 * 4 * np.sqrt(1.14 / len(seeds)))


def test_an_adaptive_length_finds_the_part_that_stands_out():
    data, seeds, true = trail_field(-1, depth=60, decay=3)
    scan = trail_scan(data, direction="+y", seed_threshold=-100.0, noise=4.0)
    np.testing.assert_array_equal(np.stack([scan.row, scan.col], 1), seeds)
    # Five steps are deeper than two sigma; the sixth is by chance in 41 %, the seventh in 24 %.
    assert scan.length.mean() == pytest.approx(5.6, abs=0.3)
    assert (scan.significance < -9).all()
    expected = np.cumsum(np.append(true, np.zeros(60)))[scan.length - 1]
    pull = (scan.excess - expected) / scan.excess_err
    # Stopping where a step stands out selects downward noise: too deep, by less than one error.
    assert -0.7 < pull.mean() < -0.1


def test_the_shadow_of_a_fleck():
    """11 columns, 3 rows, 200 e- missing in all: behind an opaque fleck on a flash of 64 e-."""
    rng = np.random.default_rng(9)
    totals, errors = [], []
    for _ in range(200):
        data = rng.normal(64, 1.5, (30, 60))  # an average of 28 frames: sqrt(64 + 16) / sqrt(28)
        data[5:17, 24:35] *= 0.1
        data[17:20, 24:35] -= 200 / 33
        shadow = trail_scan(
            data, direction="+y", seeds=[(16, c) for c in range(24, 35)], gap=11, noise=1.5,
            max_length=3, n_sigma=FIXED,
        )  # fmt: skip
        totals.append(shadow.excess.sum())
        errors.append(np.hypot.reduce(shadow.excess_err))
    assert np.mean(totals) == pytest.approx(-200, abs=4 * np.std(totals) / np.sqrt(200))
    # The columns share background pixels: the sum is a little less certain than independence says.
    assert 1 < np.std(totals) / np.mean(errors) < 1.3


@pytest.mark.parametrize("background_width", [1, 2, 5])
@pytest.mark.parametrize("gap", [0, 3])
def test_noise_alone_has_normal_significance_at_fixed_length(background_width, gap):
    data = np.random.default_rng(6).normal(64, 4, (400, 300))
    seeds = [(r, c) for r in range(0, 396, 4) for c in range(0, 300, 2 * background_width + 1)]
    scan = trail_scan(
        data, direction="+y", seeds=seeds, noise=4.0, max_length=3, n_sigma=FIXED,
        background_width=background_width, gap=gap,
    )  # fmt: skip
    assert scan.significance.std() == pytest.approx(1, abs=0.03)
    assert abs(scan.significance.mean()) < 5 / np.sqrt(len(seeds))
    assert stats.kstest(scan.significance, "norm").pvalue > 1e-4


def test_an_adaptive_length_is_biased_in_noise_alone():
    data = np.random.default_rng(7).normal(64, 4, (600, 400))
    scan = trail_scan(data, direction="+y", seed_threshold=-8.0, noise=4.0)
    found = scan.length > 0
    # A first or second step beyond two sigma: about 2 * 2.3 %.
    assert found.mean() == pytest.approx(2 * stats.norm.sf(2), rel=0.25)
    assert scan.significance[found].mean() == pytest.approx(-2, abs=0.3)
    assert (scan.significance[found & (scan.length == 1)] < -2).all()
    assert (scan.significance[~found] == 0).all()


def test_noise_defaults_to_the_mesh():
    data, seeds, _ = trail_field(-1, depth=20, decay=4)
    given_, own = (
        trail_scan(data, direction="+y", seeds=seeds, noise=noise, max_length=5, n_sigma=FIXED)
        for noise in (4.0, None)
    )
    np.testing.assert_allclose(own.excess_err, given_.excess_err, rtol=0.06)
    np.testing.assert_array_equal(own.excess, given_.excess)


def test_where_a_walk_ends():
    data = np.full((30, 11), 50.0)
    data[2:20, 5] = 30
    mask = np.zeros(data.shape, bool)

    def length(**options):
        return trail_scan(data, direction="+y", seeds=[(2, 5)], noise=1.0, **options).length[0]

    assert length() == 17
    assert length(max_length=4) == 4
    data[10, 5] = 50  # one weak step is passed
    assert length() == 17
    data[11, 5] = 50  # two are not, and do not belong to the trail
    assert length() == 7
    data[11, 5] = 60  # nor is a change of sign
    assert length() == 7
    mask[6, 5] = True
    assert length(mask=mask) == 3
    data[5, 5] = np.nan
    assert length() == 2
    data[4, [0, 1, 2, 3, 7, 8, 9, 10]] = np.inf  # no background
    assert length() == 1


def test_edges_of_meaning():
    data = np.full((20, 9), 5.0)
    data[3:6, 4] = 9
    exact = trail_scan(data, direction="+y", seeds=[(3, 4), (8, 4)], noise=0.0)
    assert exact.length[0] >= 2
    assert exact.significance[0] == np.inf
    assert (exact.seed_value[1], exact.length[1], exact.significance[1]) == (0, 0, 0)
    none = trail_scan(data, direction="+y", seed_threshold=100.0, noise=1.0)
    assert none.row.shape == (0,)
    assert none.profile.shape == (0, 12)
    empty = trail_scan(data, direction="+y", seeds=[], noise=1.0, max_length=3)
    assert empty.profile.shape == (0, 3)


def test_threads_do_not_change_a_byte():
    data = frame((200, 150))
    one, three = (trail_scan(data, direction="-y", seed_threshold=-12.0, threads=n) for n in (1, 3))
    for name in ("row", "col", "seed_value", "length", "excess", "excess_err", "profile"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes()


def test_instruction_sets_do_not_change_a_byte():
    program = (
        "import hashlib, numpy as np; from fleckcore.kernels import trail_scan;"
        "data = np.random.default_rng(0).normal(9, 3, (200, 300)).astype('f4');"
        "t = trail_scan(data, direction='+x', seed_threshold=5.0, n_sigma=1.0);"
        "planes = b''.join(map(bytes, (t.row, t.length, t.excess, t.excess_err, t.profile)));"
        "print(hashlib.sha256(planes).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"FLECKCORE_ISA": isa},
            check=True, capture_output=True, text=True,
        ).stdout
        for isa in build_config()["isas"]
    }  # fmt: skip
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"direction": "up"}, "A09"),
        ({"seeds": None}, "A09"),
        ({"seed_threshold": 3.0}, "A09"),
        ({"seeds": None, "seed_threshold": 0.0}, "A09"),
        ({"seeds": None, "seed_threshold": np.nan}, "A09"),
        ({"seeds": [(0, 9)]}, "A09"),
        ({"seeds": [(-1, 0)]}, "A09"),
        ({"seeds": [(0.5, 0)]}, "A09"),
        ({"seeds": [1, 2, 3]}, "A09"),
        ({"background_width": 0}, "A09"),
        ({"gap": -1}, "A09"),
        ({"max_length": 0}, "A09"),
        ({"n_sigma": np.nan}, "A09"),
        ({"n_sigma": np.inf}, "A09"),
        ({"noise": -1.0}, "A09"),
        ({"noise": np.ones((3, 4))}, "A12"),
        ({"mask": np.zeros((3, 4), bool)}, "A12"),
    ],
)
def test_wrong_arguments(arguments, code):
    with pytest.raises(ArrayError) as caught:
        trail_scan(np.zeros((4, 4)), **{"direction": "+y", "seeds": [(0, 0)]} | arguments)
    assert caught.value.code == code


def test_wrong_data():
    with pytest.raises(ArrayTypeError, match="complex"):
        trail_scan(np.zeros((2, 2), complex), direction="+y", seeds=[(0, 0)])


def real_frame(name):
    """One quadrant of a frame of the MSFC ESIS camera (CCD230-42, four taps, 2.53 e-/DN)."""
    path = real_frames.file(f"msfc_esis1/{name}")
    return fits.getdata(path)[10:510, 60:1065]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_real_frame_without_light_has_no_trails(direction):
    data = real_frame("ESIS1_04860.fit.gz")
    seeds = np.argwhere(np.ones(data.shape, bool))[7::31]
    scan = trail_scan(data, direction=direction, seeds=seeds, max_length=3, n_sigma=FIXED)
    full = scan.length == 3
    # Columns keep a pattern of a few tenths of the noise, which no background beside them removes.
    assert scan.significance[full].std() == pytest.approx(1, abs=0.12)
    assert scan.significance[full].mean() == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_real_x_rays_spread_but_leave_no_deferred_charge(direction):
    data = real_frame("ESIS1_00002.fit.gz")  # Fe-55: 1620 e- = 640 DN
    scan = trail_scan(data, direction=direction, seed_threshold=400.0, max_length=12, n_sigma=FIXED)
    alone = (np.abs(scan.profile[:, 2:]) < 40).all(axis=1)
    assert alone.sum() > 800
    assert 600 < np.median(scan.seed_value) < 800
    mean = scan.profile[alone].mean(axis=0)
    assert mean[0] > 10 * mean[1] > 100 * abs(mean[2])  # a charge cloud of a pixel or two
    assert (np.abs(mean[3:]) < 1).all()
