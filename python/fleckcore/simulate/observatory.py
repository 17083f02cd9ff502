"""Exposures of a scene as files, in several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import OutputError
from fleckcore.instruments import load_profile
from fleckcore.io import write_hdus
from fleckcore.kernels import default_threads
from fleckcore.simulate.campaign import Exposure
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.exposure import calibrated, expose
from fleckcore.simulate.headers import image_header, primary_header
from fleckcore.simulate.scene import DetectorScene

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Observatory", "file_name", "observe"]


class Observatory:
    """A scene that can be exposed again and again: what is costly is made once.

    Attributes
    ----------
    scene : DetectorScene
        The detector.
    chips : dict of int to ChipTruth
        By CCDCHIP, in the order of the files.
    """

    def __init__(self, scene: DetectorScene) -> None:
        self.scene = scene
        chips = load_profile(scene.profile).chips
        self.chips = {chip.id: ChipTruth(scene, chip.id) for chip in chips}

    def hdus(
        self,
        exposure: Exposure,
        *,
        calibrate: bool = False,
        references: Mapping[str, str] | None = None,
        threads: int | None = None,
    ) -> fits.HDUList:
        """Expose every chip and give the parts of a file.

        Parameters
        ----------
        exposure : Exposure
            From `plan` or `select`.
        calibrate : bool
            Electrons without overscan and bias, with error and quality planes; else raw numbers.
        references : mapping of str to str, optional
            Keyword and name of reference files for the header.
        threads : int, optional
            For the kernels.

        Returns
        -------
        astropy.io.fits.HDUList
            An empty first part, and SCI, ERR and DQ of every chip; ERR and DQ of raw files are constant.
        """
        from astropy.io import fits

        header = primary_header(
            next(iter(self.chips.values())),
            exposure,
            filename=file_name(exposure, calibrate=calibrate),
            calibrated=calibrate,
            references=references,
        )
        parts = [fits.PrimaryHDU(header=header)]
        for truth in self.chips.values():
            exposed = expose(truth, exposure, threads=threads)
            planes: dict[str, NDArray[np.generic] | None] = {
                "SCI": exposed.raw,
                "ERR": None,
                "DQ": None,
            }
            if calibrate:
                made = calibrated(truth, exposure, exposed)
                planes = {"SCI": made.data, "ERR": made.error, "DQ": made.quality}
            for plane, pixels in planes.items():
                header = image_header(
                    truth, exposure, plane=plane, pixels=pixels, calibrated=calibrate
                )
                parts.append(fits.ImageHDU(pixels, header))
        return fits.HDUList(parts)


def file_name(exposure: Exposure, *, calibrate: bool = False) -> str:
    """Give the name of an exposure's file."""
    return f"{exposure.rootname}_{'flt' if calibrate else 'raw'}.fits"


def observe(
    scene: DetectorScene,
    exposures: Sequence[Exposure],
    folder: str | Path,
    *,
    calibrate: bool = False,
    references: Mapping[str, str] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> Iterator[tuple[Exposure, Path]]:
    """Write exposures of a scene, each a file, and tell of each when it is there.

    Parameters
    ----------
    scene : DetectorScene
        The detector.
    exposures : sequence of Exposure
        From `plan` or `select`.
    folder : path-like
        An existing folder.
    calibrate, references
        As in `Observatory.hdus`.
    workers : int, optional
        Processes; by default as many as `default_threads`. The files are the same for any number.
    overwrite : bool
        Replace older files.

    Yields
    ------
    (Exposure, Path)
        In the order in which they are finished.

    Raises
    ------
    OutputError
        ``R08``: a file is there already, before any work. ``R01``: a write failed.
    """
    paths = [Path(folder) / file_name(item, calibrate=calibrate) for item in exposures]
    for path in paths:
        if path.exists() and not overwrite:
            raise OutputError(
                "the file is there already.",
                code="R08",
                path=path,
                advice="Choose another folder, or overwrite.",
            )
    count = min(workers or default_threads(), len(paths))
    settings = (calibrate, dict(references or {}), overwrite)
    if count < 2:
        here = Observatory(scene)
        for item, path in zip(exposures, paths, strict=True):
            _write(here, item, path, *settings, threads=None)
            yield item, path
        return
    context = get_context("spawn")  # a fork could inherit a lock that a thread holds
    with ProcessPoolExecutor(count, context, _begin, (scene,)) as pool:
        begun: dict[Future[None], tuple[Exposure, Path]] = {
            pool.submit(_write_one, item, path, *settings): (item, path)
            for item, path in zip(exposures, paths, strict=True)
        }
        try:
            for done in as_completed(begun):
                done.result()
                yield begun[done]
        finally:
            for waiting in begun:
                waiting.cancel()


_here: Observatory | None = None
"""That of a worker process."""


def _begin(scene: DetectorScene) -> None:
    global _here
    _here = Observatory(scene)


def _write_one(
    exposure: Exposure, path: Path, calibrate: bool, references: dict[str, str], overwrite: bool
) -> None:
    assert _here is not None
    _write(_here, exposure, path, calibrate, references, overwrite, threads=1)


def _write(
    observatory: Observatory,
    exposure: Exposure,
    path: Path,
    calibrate: bool,
    references: dict[str, str],
    overwrite: bool,
    *,
    threads: int | None,
) -> None:
    hdus = observatory.hdus(exposure, calibrate=calibrate, references=references, threads=threads)
    write_hdus(path, hdus, overwrite=overwrite)
