import os
import subprocess
import sys

import numpy as np
import pytest

import reference
from fleckcore.errors import ArrayError
from fleckcore.kernels import build_config, gaussian_filter


def frame(shape, seed=1):
    return np.random.default_rng(seed).normal(100.0, 10.0, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (5, 4), (70, 23), (3, 140)])
@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_equals_reference(shape, sigma):
    data = frame(shape)
    np.testing.assert_allclose(
        gaussian_filter(data, sigma), reference.gaussian_filter(data, sigma), rtol=3e-6
    )


def test_leaves_out_nan_and_mask():
    data = frame((40, 50))
    mask = np.zeros(data.shape, bool)
    mask[10:14, 20:30] = True
    data[mask] = 1e30
    data[30, 5] = np.nan
    data[31, 5] = np.inf
    expected = reference.gaussian_filter(data, 1.0, mask)
    found = gaussian_filter(data, 1.0, mask=mask)
    near = reference.gaussian_filter(np.where(mask, 1.0, 0.0), 1.0)
    settled = np.abs(near - 0.95) > 1e-3  # not where the weight sits on the 5 % limit
    np.testing.assert_allclose(found[settled], expected[settled], rtol=1e-5)


def test_too_little_weight_is_nan():
    data = np.full((9, 9), np.nan)
    data[0, 0] = 5.0
    found = gaussian_filter(data, 1.0)
    assert found[0, 0] == pytest.approx(5.0, rel=1e-6)
    assert np.isnan(found[8, 8])


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<u2", ">f4", "f8", "f2", ">i4", "i8", "?"])
def test_type_order_and_strides(dtype):
    data = np.random.default_rng(2).integers(0, 2 if dtype == "?" else 100, (60, 80)).astype(dtype)
    expected = gaussian_filter(data.astype(np.float32), 1.5)
    for view in (data, np.asfortranarray(data), data[::-1, ::-1].copy()[::-1, ::-1]):
        view.flags.writeable = False
        np.testing.assert_array_equal(gaussian_filter(view, 1.5), expected)


def test_threads_change_no_byte():
    data = frame((300, 97))
    one = gaussian_filter(data, 4.0, threads=1).tobytes()
    assert all(gaussian_filter(data, 4.0, threads=n).tobytes() == one for n in (2, 3, 7))


SCRIPT = """
import hashlib, numpy as np
from fleckcore.kernels import gaussian_filter
data = np.random.default_rng(3).normal(1.0, 0.1, (150, 201)).astype(np.float32)
print(hashlib.sha256(gaussian_filter(data, 2.0).tobytes()).hexdigest())
"""


def test_instruction_sets_change_no_byte():
    answers = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"FLECKCORE_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for isa in build_config()["isas"]
    }
    assert len(answers) == 1


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), 1e9])
def test_bad_sigma(sigma):
    with pytest.raises(ArrayError, match="sigma"):
        gaussian_filter(frame((4, 4)), sigma)
