"""Any memory layout, byte order, number of threads and instruction set gives the same catalogue (A07)."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dusty_flats import LEVEL, digest, dusty_flat
from fleckcore import Options, build_config, find, search

Array = NDArray[Any]


def unaligned(data: Array) -> Array:
    raw = bytearray(data.nbytes + 1)
    view: Array = np.ndarray(data.shape, data.dtype, buffer=raw, offset=1)
    view[...] = data
    return view


def spread(data: Array) -> Array:
    wide = np.full((2 * data.shape[0], 3 * data.shape[1]), 7, data.dtype)
    wide[::2, ::3] = data
    return wide[::2, ::3]


def read_only(data: Array) -> Array:
    copy = data.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "big-endian": lambda data: data.astype(data.dtype.newbyteorder(">")),
    "F-order": np.asfortranarray,
    "negative strides": lambda data: data[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "not contiguous": spread,
    "unaligned": unaligned,
    "big-endian, F-order, reversed": lambda data: np.asfortranarray(
        data.astype(data.dtype.newbyteorder(">"))[:, ::-1]
    )[:, ::-1],
}


def whole(array: Array) -> bytes:
    """Every byte of the memory that a view looks at, in order."""
    return (array if array.base is None else np.asarray(array.base)).tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_a07_layout_changes_nothing(layout: str, dtype: type) -> None:
    plain = dusty_flat().astype(dtype)
    view = LAYOUTS[layout](plain)
    before, flags = whole(view), str(view.flags)
    assert digest(find(view)) == digest(find(plain))
    assert whole(view) == before
    assert str(view.flags) == flags


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a07_layout_of_every_plane_changes_nothing(layout: str) -> None:
    data = dusty_flat()
    planes = {
        "mask": data > LEVEL * 1.04,
        "error": np.sqrt(np.abs(data)),
        "bias": np.full(data.shape, 3, np.float32),
        "reference": dusty_flat(flecks=(), seed=9),
    }
    views = {name: LAYOUTS[layout](plane) for name, plane in planes.items()}
    before = {name: whole(view) for name, view in views.items()}
    wanted = search(data, options=Options(normalise="difference"), **planes)
    seen = search(LAYOUTS[layout](data), options=Options(normalise="difference"), **views)
    assert len(wanted.catalog) > 0
    assert digest(seen.catalog) == digest(wanted.catalog)
    assert seen.labels.tobytes() == wanted.labels.tobytes()
    assert {name: whole(view) for name, view in views.items()} == before


PROGRAM = """
from dusty_flats import digest, dusty_flat
from fleckcore import build_config, find
catalogs = [find(dusty_flat((500, 700)), threads=threads) for threads in (1, 2, 3)]
print(build_config()["isa"], *map(len, catalogs), *map(digest, catalogs))
"""


def test_a07_threads_and_instruction_sets_change_nothing() -> None:
    digests = set()
    for isa in build_config()["isas"]:
        words = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"FLECKCORE_ISA": isa, "PYTHONPATH": str(Path(__file__).parent)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        assert words[:4] == [isa, "3", "3", "3"]
        digests |= set(words[4:])
    assert digests == {digest(find(dusty_flat((500, 700))))}


def test_a07_checksum_is_that_of_the_input_as_it_was_given() -> None:
    data = dusty_flat()
    sums = [find(data, bias=bias).meta["input_sha256"] for bias in (None, 3.0)]
    assert sums == [hashlib.sha256(data.tobytes()).hexdigest()] * 2
