"""What is written is whole, standard, and the same every time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fleckcore.errors import ArrayError, OutputError
from fleckcore.io import atomic_write, is_verified, read, write_image

CARDS = (("ROOTNAME", "jabc01xyq", "dataset"), ("EVIL", "a\x1b[31mb\n", "c\x00d"), ("N", 3, ""))


@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "i1", "<u2", ">i2", "u4", "<i4", "u8", "i8", "f2", "<f4", ">f8"]
)
@pytest.mark.parametrize("extension", [None, "DQ"])
def test_round_trip_and_fitsverify(
    tmp_path: Path, fitsverify: Callable[[Path], str], dtype: str, extension: str | None
) -> None:
    path = tmp_path / "mask.fits"
    data = (np.arange(35) * 3 % 50).reshape(5, 7).astype(dtype)
    data.setflags(write=False)
    before = data.copy()
    write_image(path, data, CARDS, extension=extension)
    (frame,) = read(path, extension=extension)
    assert frame.data.tolist() == data.tolist()
    assert np.array_equal(data, before)
    assert is_verified(path)
    assert fitsverify(path) == ""


@pytest.mark.parametrize("dtype", ["u2", "u4", "u8", "i1"])
def test_extremes_survive(tmp_path: Path, dtype: str) -> None:
    limits = np.iinfo(dtype)
    data = np.array([[limits.min, limits.min + 1, limits.max]], dtype=dtype)
    write_image(tmp_path / "a.fits", data)
    (frame,) = read(tmp_path / "a.fits")
    assert frame.data.tolist() == data.tolist()


def test_same_input_same_bytes(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.int16).reshape(3, 4)
    for name in ("a.fits", "b.fits"):
        write_image(tmp_path / name, data, CARDS, extension="DQ")
    content = (tmp_path / "a.fits").read_bytes()
    assert content == (tmp_path / "b.fits").read_bytes()
    assert b"EVIL    = 'ab      '           / cd" in content


def test_r08_an_older_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"R08.*there already.*overwrite=True"):
        write_image(path, np.zeros((2, 2)))
    assert path.read_bytes() == b"precious"
    write_image(path, np.zeros((2, 2)), overwrite=True)
    assert path.read_bytes().startswith(b"SIMPLE")


def test_r08_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"R08.*No such file or directory"):
        write_image(tmp_path / "absent" / "a.fits", np.zeros((2, 2)))


def test_a09_only_images(tmp_path: Path) -> None:
    with pytest.raises(ArrayError, match="A09"):
        write_image(tmp_path / "a.fits", np.zeros(3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("older", [None, b"old"])
def test_r01_a_failed_write_leaves_nothing_behind(tmp_path: Path, older: bytes | None) -> None:
    path = tmp_path / "a.txt"
    if older:
        path.write_bytes(older)

    def write_half() -> None:
        with atomic_write(path, overwrite=True) as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"R01.*No space left"):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == (["a.txt"] if older else [])
    assert not older or path.read_bytes() == older


def test_r01_a_full_disk(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=r"R01.*File too large"):
            write_image(tmp_path / "a.fits", np.zeros((200, 200)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_another_error_passes_and_cleans_up(tmp_path: Path) -> None:
    def write_half() -> None:
        with atomic_write(tmp_path / "a.txt") as file:
            file.write(b"half")
            raise KeyError("x")

    with pytest.raises(KeyError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_unseen_until_whole_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_write(path) as file:
        file.write(b"half")
        assert not path.exists()
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".a.txt.")
    assert path.read_bytes() == b"half"
    mask = os.umask(0o077)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
