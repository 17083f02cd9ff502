"""Many exposures become one frame: what belongs together, what is known of it, what leaves no imprint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dark_frames
import fleckcore
from fleckcore.calibrate import Clipping, CosmicRays, combine
from fleckcore.errors import InputFileError, MetadataError, OutputError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.io import opened, put_aside, write_image


def test_rejection_finds_the_rays_and_keeps_the_rest():
    clean = [dark_frames.dark("long_dark", seed, rays=0) for seed in range(8)]
    frames = [dark_frames.dark("long_dark", seed, rays=6) for seed in range(8)]
    made = combine(frames)
    without = combine(clean)
    assert made.frame.meta.exposure_s == pytest.approx(8 * 1000.5)
    assert made.frame.meta.flash_s == pytest.approx(8 * 4.6)
    off = (made.frame.data - without.frame.data) / without.frame.error
    assert np.abs(off).max() < 6
    found = sum(frame["rejected"] for frame in made.record["frames"])
    hidden = sum(frame["rejected"] for frame in without.record["frames"])
    assert 8 * 6 < found - hidden < 8 * 6 * 20
    # The error is that of the sum of what is used.
    deviation = (made.frame.data - np.median(made.frame.data))[10:40, 10:40].std()
    assert deviation == pytest.approx(float(np.median(made.frame.error)), rel=0.08)


def test_flags_of_a_fleck_do_not_imprint_on_a_bias_stack():
    mask = np.zeros(dark_frames.SHAPE, np.int16)
    mask[50:70, 70:90] = 4
    frames = [dark_frames.bias(seed, mask) for seed in range(12)]
    plain = [dark_frames.bias(seed) for seed in range(12)]
    inside = mask == 4
    for rules in (None, CosmicRays(exempt=True), CosmicRays(exempt=True, accidents=False)):
        made = combine(frames, rules=rules, sky="none")
        wanted = combine(plain, rules=CosmicRays(exempt=True, accidents=False), sky="none")
        assert_array_equal(made.frame.quality, mask)
        assert (made.used[inside] > 10).all()
        # Without accidents every pixel is what it is without flags; with them no flagged pixel is tested for rays.
        if rules is not None and not rules.accidents:
            assert_array_equal(made.frame.data, wanted.frame.data)
            assert_array_equal(made.frame.error, wanted.frame.error)
        assert made.frame.data[inside].std() == pytest.approx(
            made.frame.data[~inside].std(), rel=0.1
        )
        assert abs(made.frame.data[inside].mean()) < 4 * made.frame.data.std() / 20
        assert made.frame.error[inside].mean() == pytest.approx(
            made.frame.error[~inside].mean(), rel=0.01
        )


def test_without_the_exemption_the_flags_do_imprint():
    mask = np.zeros(dark_frames.SHAPE, np.int16)
    mask[50:70, 70:90] = 4
    frames = [dark_frames.bias(seed, mask) for seed in range(12)]
    made = combine(frames, rules=CosmicRays(exempt=False), sky="none")
    assert (made.frame.error[mask == 4] == 0).all()
    assert (made.frame.data[mask == 4] == 0).all()


@pytest.mark.parametrize("method", ["mean", "median", "clipped_mean"])
def test_typical_exposures(method):
    frames = [dark_frames.dark("short_dark", seed, rays=0) for seed in range(20)]
    made = combine(frames, method=method, clipping=Clipping(low=4, high=4))
    assert made.frame.meta.exposure_s == 0.5
    assert made.frame.data[:40].mean() == pytest.approx(dark_frames.FLASH_E, rel=0.01)
    deviation = made.frame.data[:40].std()
    assert deviation == pytest.approx(float(np.mean(made.frame.error[:40])), rel=0.08)


def test_flats_are_scaled_by_their_level():
    random = np.random.default_rng(4)
    shape = 1 + 0.1 * random.standard_normal((60, 80))
    levels = (1000.0, 20_000.0, 400.0)
    flats = [
        Frame((level * shape).astype(np.float32), meta=FrameMeta(unit="electron", kind="flat"))
        for level in levels
    ]
    made = combine(flats, method="mean", scaling="level")
    assert_allclose(made.frame.data, shape / np.median(shape), rtol=1e-5)
    assert made.frame.error is None
    assert [frame["scale"] for frame in made.record["frames"]] == pytest.approx(
        [level * np.median(shape) for level in levels]
    )


def test_rates_of_exposures_of_different_length():
    frames = [dark_frames.dark("long_dark", seed, rays=0) for seed in range(4)]
    halves = [
        frame.replace(data=frame.data / 2, meta=replace(frame.meta, exposure_s=500.25, flash_s=2.3))
        for frame in frames
    ]
    made = combine([*frames, *halves], method="mean", scaling="exposure")
    assert made.frame.meta.unit == "electron/s"
    assert made.frame.data[:40].mean() == pytest.approx(
        dark_frames.FLASH_E / 1000.5 + 0.003, rel=0.01
    )


def test_zero_exposures_among_others_are_left_out_and_named():
    frames = [dark_frames.dark("long_dark", seed) for seed in range(3)]
    empty = frames[0].replace(meta=replace(frames[0].meta, exposure_s=0.0, rootname="empty"))
    made = combine([*frames, empty])
    assert made.record["left_out"] == ["empty"]
    assert len(made.record["frames"]) == 3


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"exposure_s": 0.5}, {}, "flash per second differs"),
        ({"exposure_s": 2.0}, {"method": "mean"}, "exposure time in seconds differs"),
        ({"chip": 1}, {}, "chip"),
        ({}, {"method": "best"}, "unknown method"),
        ({}, {"scaling": "some"}, "unknown scaling"),
    ],
)
def test_refuses_what_does_not_belong_together(change, options, message):
    frames = [dark_frames.dark("long_dark", seed) for seed in range(2)]
    frames[1] = frames[1].replace(meta=replace(frames[1].meta, **change))
    with pytest.raises(MetadataError, match=re.escape(message)) as caught:
        combine(frames, **options)
    assert caught.value.code == "M07"


def test_no_frames_and_no_noise():
    with pytest.raises(MetadataError, match="no frame to combine"):
        combine([])
    plain = [Frame(np.ones((5, 5), np.float32)) for _ in range(2)]
    with pytest.raises(MetadataError, match="gain or read noise is not known") as caught:
        combine(plain)
    assert caught.value.code == "M07"


def test_progress_and_threads_change_nothing():
    frames = [dark_frames.dark("long_dark", seed) for seed in range(4)]
    told = []
    one = combine(frames, threads=1, progress=lambda done, total: told.append((done, total)))
    two = combine(frames, threads=3)
    assert told[-1] == (120, 120)
    assert_array_equal(one.frame.data, two.frame.data)
    assert_array_equal(one.frame.quality, two.frame.quality)


def written(folder: Path, count: int, shape: tuple[int, int] | None = None) -> list[Path]:
    paths = []
    for seed in range(count):
        data = dark_frames.dark("short_dark", seed).data
        if shape:
            data = np.resize(data, shape)
        paths.append(folder / f"{seed}.fits")
        write_image(paths[-1], data, [("EXPTIME", 0.5, "")], extension="SCI")
    return paths


def test_mapped_files_are_read_as_they_are(tmp_path):
    frames = [fleckcore.read(path)[0] for path in written(tmp_path, 3)]
    kept = [replace(frame, data=frame.data.copy()) for frame in frames]
    for method in ("median", "mean"):
        made, wanted = combine(frames, method=method), combine(kept, method=method)
        assert_array_equal(made.frame.data, wanted.frame.data)
    wanted = np.median([frame.data for frame in kept], axis=0)
    assert_array_equal(combine(frames, method="median").frame.data, wanted)


MEMORY = """
import sys
import fleckcore
from fleckcore.calibrate import combine


def memory():
    with open("/proc/self/status") as file:
        return {line.split()[0]: int(line.split()[1]) >> 10 for line in file if line.startswith(("RssFile", "VmHWM"))}


frames = [fleckcore.read(path)[0] for path in sys.argv[1:]]
before = memory()
combine(frames, method="median", threads=2)
after = memory()
print(after["RssFile:"] - before["RssFile:"], after["VmHWM:"] - before["VmHWM:"])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for its memory")
def test_mapped_files_take_no_memory(tmp_path):
    paths = written(tmp_path, 10, (1024, 4096))
    command = [sys.executable, "-c", MEMORY, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mapped, all_of_it = map(int, done.stdout.split())
    results = 4 * 4 * 1024 * 4096 >> 20
    assert mapped < 8
    assert all_of_it < results + 24


def test_a_file_that_is_replaced_is_what_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = [fleckcore.read(path.name)[0] for path in written(tmp_path, 3)]
    monkeypatch.chdir("/")
    wanted = combine(frames, method="mean").frame.data
    (tmp_path / "0.fits").rename(tmp_path / "gone.fits")
    (tmp_path / "2.fits").replace(tmp_path / "1.fits")
    assert_array_equal(combine(frames, method="mean").frame.data, wanted)


def test_a_file_that_ends_early_is_named(tmp_path):
    frames = [fleckcore.read(path)[0] for path in written(tmp_path, 3, (1000, 300))]

    def shorten(done: int, rows: int) -> None:
        os.truncate(tmp_path / "2.fits", 8640)

    before = descriptors_of(tmp_path)
    with pytest.raises(InputFileError, match=r"I04.*2\.fits: cannot be read") as raised:
        combine(frames, method="mean", threads=1, progress=shorten)
    assert raised.value.path == tmp_path / "2.fits"
    assert descriptors_of(tmp_path) == before


def descriptors_of(folder: Path) -> int:
    """Those of this process, where they can be counted: a mapping may keep one of its own."""
    links = [link for link in Path("/proc/self/fd").glob("*") if link.is_symlink()]
    return sum(str(folder) in str(link.readlink()) for link in links)


def test_a_frame_that_is_put_aside_is_the_same(tmp_path):
    frame = dark_frames.dark("long_dark", 3)
    there = put_aside(frame, tmp_path / "frame")
    for name in ("data", "error", "quality"):
        if getattr(frame, name) is not None:
            assert_array_equal(getattr(there, name), getattr(frame, name))
    assert there.meta == frame.meta
    with opened([there.data]) as files:
        assert files[0] is not None
    with pytest.raises(OutputError, match=r"R01.*No such file") as raised:
        put_aside(frame, tmp_path / "nowhere" / "frame")
    assert raised.value.path == tmp_path / "nowhere" / "frame"
    with pytest.raises(OutputError, match=r"R01.*No space left"):
        put_aside(frame, Path("/dev/full"))
