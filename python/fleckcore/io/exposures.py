"""Frames back into a file like the one they are from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.instruments import Profile, load_profile
from fleckcore.io.cards import clean_text
from fleckcore.io.write import Card, write_hdus

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["image_like", "write_exposure"]


def write_exposure(
    path: str | Path,
    frames: Sequence[Frame],
    *,
    like: str | Path | None = None,
    profile: Profile | None = None,
    cards: Iterable[Card] = (),
    history: Iterable[str] = (),
    overwrite: bool = False,
) -> None:
    """Write the planes of frames into a copy of an exposure, with every header of it kept.

    Parameters
    ----------
    path : path-like
        The file.
    frames : sequence of Frame
        One for each chip to replace, read from ``like``. Floats are written as float32.
    like : path-like, optional
        The exposure; by default the file of the first frame.
    profile : Profile, optional
        The instrument; by default that of each frame's ``meta.profile``.
    cards : iterable of (keyword, value, comment), optional
        Primary header cards to set.
    history : iterable of str, optional
        HISTORY lines of the primary header.
    overwrite : bool, optional
        Replace an older file.

    Raises
    ------
    MetadataError
        ``M07``: a frame that is not of this exposure, or of another shape than its image there, as
        behind trimmed overscan.
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    from astropy.io import fits

    source = frames[0].meta.path if like is None else Path(like)
    if source is None:
        raise MetadataError("frames without a file.", code="M07", advice="Say what it is like.")
    with fits.open(source, memmap=False, do_not_scale_image_data=True) as hdus:
        primary = hdus[0].header
        for keyword, value, comment in cards:
            text = clean_text(value) if isinstance(value, str) else value
            primary[keyword] = (text, clean_text(comment))
        for line in history:
            primary.add_history(clean_text(line))
        for frame in frames:
            _replace_planes(hdus, frame, profile or load_profile(frame.meta.profile), source)
        write_hdus(path, hdus, overwrite=overwrite)


def _replace_planes(hdus: fits.HDUList, frame: Frame, profile: Profile, source: Path) -> None:
    names = profile.planes
    name, _, version = frame.meta.extension.partition(",")
    if name != names.data or not version.isdigit() or (name, int(version)) not in hdus:
        raise MetadataError(
            f"the frame is {frame.meta.extension!r}, which is not there.", code="M07", path=source
        )
    planes = {names.data: frame.data, names.error: frame.error, names.quality: frame.quality}
    for plane, values in planes.items():
        if values is None or (plane, int(version)) not in hdus:
            continue
        index = hdus.index_of((plane, int(version)))
        shape = hdus[index].shape
        if shape not in ((), frame.shape):
            raise MetadataError(
                f"the frame has shape {frame.shape}, the image {shape}.",
                code="M07",
                path=source,
                extension=f"{plane},{version}",
                advice="Trim the overscan of the file first.",
            )
        hdus[index] = image_like(values, hdus[index].header)


def image_like(values: NDArray[Any], header: fits.Header) -> fits.ImageHDU:
    """Give an image part with the cards of another, those of its scale left out; floats become float32."""
    from astropy.io import fits

    kept = header.copy()
    for keyword in ("NPIX1", "NPIX2", "PIXVALUE", "BSCALE", "BZERO", "BLANK"):
        kept.remove(keyword, ignore_missing=True)
    stored = values.astype(np.float32) if values.dtype.kind == "f" else values
    return fits.ImageHDU(stored.astype(stored.dtype.newbyteorder("=")), header=kept)
