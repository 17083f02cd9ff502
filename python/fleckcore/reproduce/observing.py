"""Exposures of the simulated detector, taken and calibrated as a user would: raw files in, electrons out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.calibrate import (
    combine_darks,
    correct_cte,
    mean_exposure,
    measure_bias,
    subtract_bias,
    to_electrons,
)
from fleckcore.frame import Frame
from fleckcore.io import put_aside, read, write_hdus
from fleckcore.io.pctetab import read_pctetab
from fleckcore.simulate import Exposure, Observatory
from fleckcore.simulate.campaign import mjd_of
from fleckcore.simulate.observatory import file_name
from fleckcore.simulate.references import write_references
from fleckcore.traps import TrapModels

__all__ = ["Observing"]

Told = Callable[[str, int, int], object]


class References(NamedTuple):
    """The pattern of the bias of each chip in DN, trimmed, and the traps, if the scene has any."""

    bias: Mapping[int | None, NDArray[np.float32]]
    traps: TrapModels | None


@dataclass(frozen=True, kw_only=True)
class Observing:
    """How exposures are made and read.

    Attributes
    ----------
    observatory : Observatory
        Of the scene.
    room : Path
        Folder in which files wait while they are needed.
    threads : int, optional
        Of the kernels.
    told : callable, optional
        Called with what is done, how much of it and out of how much.
    """

    observatory: Observatory
    room: Path
    threads: int | None = None
    told: Told | None = None

    @contextmanager
    def frames(self, exposures: Sequence[Exposure], what: str) -> Iterator[dict[int, list[Frame]]]:
        """Expose, and give the frames of each chip in electrons, in the order of ``exposures``."""
        with TemporaryDirectory(prefix=".fleckcore-", dir=self.room) as name:
            folder = Path(name)
            chips: dict[int, list[Frame]] = {}
            for count, exposure in enumerate(exposures, 1):
                path = folder / file_name(exposure)
                write_hdus(path, self.observatory.hdus(exposure, threads=self.threads))
                for raw in read(path, trim=False):
                    counts = subtract_bias(raw, measure_bias(raw))
                    pattern = self.references.bias[counts.meta.chip]
                    light = to_electrons(counts.replace(data=counts.data - pattern))
                    kept = put_aside(light, folder / f"{path.stem}-{light.meta.chip}")
                    chips.setdefault(light.meta.chip or 0, []).append(kept)
                path.unlink()
                if self.told:
                    self.told(what, count, len(exposures))
            yield dict(sorted(chips.items()))

    def means(self, exposures: Sequence[Exposure], what: str) -> dict[int, Frame]:
        """Expose, and give each chip's mean exposure without cosmic rays."""
        with self.frames(exposures, what) as chips:
            return {chip: self.mean(frames) for chip, frames in chips.items()}

    @cached_property
    def references(self) -> References:
        """What the detector's reference files say."""
        with TemporaryDirectory(prefix=".fleckcore-", dir=self.room) as folder:
            start = mjd_of(self.observatory.scene.start)
            names = write_references(self.observatory, folder, mjd=start)
            files = {key: Path(folder) / name.removeprefix("jref$") for key, name in names.items()}
            bias = {frame.meta.chip: np.array(frame.data) for frame in read(files["BIASFILE"])}
            traps = read_pctetab(files["PCTETAB"]) if "PCTETAB" in files else None
        return References(bias, traps)

    def without_trails(self, frame: Frame) -> Frame:
        """Put trapped charge back, with the traps of the reference file at the frame's date."""
        traps = self.references.traps
        if traps is None:
            return frame
        noise = {area.amplifier: area.read_noise_e or 0.0 for area in frame.meta.areas}
        corrected, _ = correct_cte(frame, traps, read_noise_e=noise, threads=self.threads)
        return corrected

    def mean(self, frames: Sequence[Frame]) -> Frame:
        """Give the mean of exposures of one kind, without cosmic rays."""
        return mean_exposure(combine_darks(frames, threads=self.threads).frame, len(frames))
