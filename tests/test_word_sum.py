"""The sum that checksums are made of, against numpy's."""

import numpy as np
import pytest

from fleckcore.errors import ArrayError
from fleckcore.io.sums import ones_sum
from fleckcore.kernels import word_sum


def data(n):
    return np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8)


@pytest.mark.parametrize("n", [0, 1, 4, 7, 64, 2880, 16385 * 4, 5_000_003])
@pytest.mark.parametrize("threads", [1, 3])
def test_equals_numpy(n, threads):
    for content in (data(n), np.full(n, 255, np.uint8)):
        whole = content[: n // 4 * 4]
        expected = int(whole.view(">u4").sum(dtype=np.uint64))
        assert word_sum(content.tobytes(), threads=threads) == expected
        assert word_sum(memoryview(content.tobytes()), threads=threads) == expected


def test_ones_complement_sum_pads_and_folds():
    assert ones_sum(b"\xff\xff\xff\xff\x00\x00\x00\x01") == 1
    assert ones_sum(b"\xff\xff\xff\xff") == 0xFFFFFFFF
    assert ones_sum(b"\x01") == 0x01000000
    assert ones_sum(b"\x00\x00\x00\x02", 0xFFFFFFFF) == 2
    assert ones_sum(b"") == 0


def test_wrong_threads():
    with pytest.raises(ArrayError) as error:
        word_sum(b"abcd", threads=0)
    assert error.value.code == "A09"
