"""Exposures of a scene as files, in several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from fleckcore.errors import OutputError
from fleckcore.io import write_hdus
from fleckcore.kernels import default_threads
from fleckcore.simulate.campaign import Exposure
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.exposure import ChipExposure, calibrated, expose
from fleckcore.simulate.headers import image_header, primary_header
from fleckcore.simulate.scene import DetectorScene

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Observatory", "observe"]


class Observatory:
    """A scene that can be exposed again and again.

    Parameters
    ----------
    scene : DetectorScene
        The detector.
    """

    def __init__(self, scene: DetectorScene) -> None:
        self.scene = scene
        known = ChipTruth(scene, scene_chips(scene)[0]).profile
        self.chips = {chip.id: ChipTruth(scene, chip.id) for chip in known.chips}

    def hdus(
        self,
        exposure: Exposure,
        *,
        calibrate: bool = False,
        references: dict[str, str] | None = None,
        threads: int | None = None,
    ) -> fits.HDUList:
        """Expose every chip and give the parts of a file.

        Parameters
        ----------
        exposure : Exposure
            From `plan` or `select`.
        calibrate : bool
            Electrons without overscan and bias, with error and quality planes; else raw numbers.
        references : dict of str to str, optional
            Keyword and name of reference files for the header.
        threads : int, optional
            For the kernels.
        """
        from astropy.io import fits

        first = next(iter(self.chips.values()))
        name = file_name(exposure, calibrate=calibrate)
        header = primary_header(
            first, exposure, filename=name, calibrated=calibrate, references=references
        )
        parts = fits.HDUList([fits.PrimaryHDU(header=header)])
        for truth in self.chips.values():
            exposed = expose(truth, exposure, threads=threads)
            make = _calibrated_parts if calibrate else _raw_parts
            parts.extend(make(truth, exposure, exposed))
        return parts


def scene_chips(scene: DetectorScene) -> list[int]:
    from fleckcore.instruments import load_profile

    return [chip.id for chip in load_profile(scene.profile).chips]
