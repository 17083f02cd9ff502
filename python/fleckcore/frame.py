"""One chip of one exposure, and how any array becomes one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleckcore.errors import ArrayError, ArrayTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Area", "Frame", "FrameMeta", "as_frame"]

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Area:
    """What one amplifier reads of a frame. Spans are half-open and count the frame's own pixels.

    Attributes
    ----------
    amplifier : str
        Its name.
    rows, columns : (int, int)
        Where it lies, with the overscan of an untrimmed frame.
    lit_rows, lit_columns : tuple of (int, int)
        The parts that see light; all of a trimmed frame.
    gain_e, read_noise_e : float or None
        e-/DN and electrons.
    """

    amplifier: str
    rows: Span
    columns: Span
    lit_rows: tuple[Span, ...]
    lit_columns: tuple[Span, ...]
    gain_e: float | None = None
    read_noise_e: float | None = None

    @property
    def place(self) -> tuple[slice, slice]:
        """Index of the area."""
        return slice(*self.rows), slice(*self.columns)


@dataclass(frozen=True, kw_only=True)
class FrameMeta:
    """What is known of a frame, already read out of its header.

    Attributes
    ----------
    profile : str
        Name of the instrument profile.
    path : Path or None
        The file, ``None`` for an array.
    extension : str
        FITS extension of the data, for example ``"SCI,1"``.
    chip : int or None
        CCDCHIP, or the chip that the profile names.
    x_offset, y_offset : int
        0-based position of pixel ``[0, 0]`` on the full trimmed chip.
    x_file, y_file : int
        0-based position of pixel ``[0, 0]`` in the image of the file, before trimming.
    unit : str
        ``"electron"``, ``"DN"`` or ``"electron/s"``; ``"DN"`` when unknown.
    kind : str
        What was exposed: ``short_dark``, ``long_dark``, ``unflashed_dark``, ``superdark``, ``flat``, ``eper``,
        ``flash_reference``, ``bias`` or ``unknown``.
    filters : tuple of str
        Filters in the beam, empty when none is known.
    exposure_s, flash_s : float or None
        Exposure and post-flash time in seconds.
    mjd : float or None
        Start of the exposure, MJD.
    gain_e : float or None
        e-/DN of the frame's data; 1 for data in electrons.
    read_noise_e : float or None
        Read noise in electrons.
    pixel_size_um : float or None
        Pixel pitch in micrometres.
    readout : str or None
        The edge that charge moves to in parallel transfer: ``"-y"``, ``"+y"``, ``"-x"`` or ``"+x"``.
    masked_bits : int
        Quality bits that keep a pixel out of a search.
    seams : tuple of (str, int)
        Boundaries between amplifiers, as ``("row" or "col", index of the first pixel beyond)``.
    areas : tuple of Area
        What each amplifier reads, from bottom left to top right; empty where no instrument is known.
    rootname, instrument, detector : str
        As in the header.
    warnings : tuple of str
        What the reader noticed, each beginning with its code.
    """

    profile: str = "generic"
    path: Path | None = None
    extension: str = ""
    chip: int | None = None
    x_offset: int = 0
    y_offset: int = 0
    x_file: int = 0
    y_file: int = 0
    unit: str = "DN"
    kind: str = "unknown"
    filters: tuple[str, ...] = ()
    exposure_s: float | None = None
    flash_s: float | None = None
    mjd: float | None = None
    gain_e: float | None = None
    read_noise_e: float | None = None
    pixel_size_um: float | None = None
    readout: str | None = None
    masked_bits: int = 0
    seams: tuple[tuple[str, int], ...] = ()
    areas: tuple[Area, ...] = ()
    rootname: str = ""
    instrument: str = ""
    detector: str = ""
    warnings: tuple[str, ...] = ()


def _read_only(array: NDArray[Any] | None) -> NDArray[Any] | None:
    if array is None:
        return None
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Frame:
    """One chip of one exposure. Frozen; its arrays are read-only views.

    Attributes
    ----------
    data : ndarray, shape (rows, cols)
        Any real type and byte order.
    error : ndarray, shape (rows, cols), or None
        One standard deviation per pixel, in the unit of ``data``.
    quality : ndarray of int, shape (rows, cols), or None
        Data quality bits.
    meta : FrameMeta
        What is known of the frame.
    """

    data: NDArray[Any]
    error: NDArray[Any] | None = None
    quality: NDArray[Any] | None = None
    meta: FrameMeta = field(default_factory=FrameMeta)

    def __post_init__(self) -> None:
        check_image(self.data, "data")
        for name in ("error", "quality"):
            plane = getattr(self, name)
            if plane is not None and plane.shape != self.data.shape:
                raise ArrayError(
                    f"{name} has shape {plane.shape}, data has {self.data.shape}.", code="A12"
                )
            if plane is not None:
                check_image(plane, name)
        if self.quality is not None and self.quality.dtype.kind == "f":
            raise ArrayTypeError(
                f"quality has dtype {self.quality.dtype}, wanted integer bits.", code="A09"
            )
        for name in ("data", "error", "quality"):
            object.__setattr__(self, name, _read_only(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, cols)``."""
        rows, cols = self.data.shape
        return rows, cols

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True where a pixel is left out of a search: masked quality bits, NaN and infinities."""
        mask = np.zeros(self.shape, dtype=bool)
        if self.data.dtype.kind == "f":
            np.logical_not(np.isfinite(self.data), out=mask)
        if self.quality is not None and self.meta.masked_bits:
            mask |= (self.quality & self.meta.masked_bits) != 0
        return mask

    def replace(self, **changes: Any) -> Frame:
        """Give a new frame with some fields changed."""
        return replace(self, **changes)


def check_image(data: Any, name: str = "data") -> None:
    """Raise unless ``data`` is a non-empty two-dimensional array of a real type (A09)."""
    if not isinstance(data, np.ndarray):
        raise ArrayTypeError(
            f"{name} is a {type(data).__name__}, wanted a numpy array.",
            code="A19",
            advice=_how_to_get_an_array(data),
        )
    if data.ndim != 2:
        raise ArrayError(
            f"{name} has {data.ndim} dimensions (shape {data.shape}), wanted 2: (rows, cols).",
            code="A09",
            advice="Choose one plane." if data.ndim > 2 else "",
        )
    if data.size == 0:
        raise ArrayError(f"{name} is empty, shape {data.shape}.", code="A09")
    if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8:
        raise ArrayTypeError(
            f"{name} has dtype {data.dtype}, wanted bool, integer or float of up to 64 bits.",
            code="A09",
        )


def check_exact(
    data: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    name: str = "data",
    *,
    advice: str = "Subtract an offset first.",
) -> None:
    """Raise when a 64-bit integer that counts lies beyond 2**53, where float64 is not exact (A11)."""
    if data.dtype.kind not in "iu" or data.dtype.itemsize < 8:
        return
    used: Any = True if mask is None else ~mask
    high = int(data.max(where=used, initial=0))
    low = int(data.min(where=used, initial=0))
    beyond = high if high > 2**53 else low
    if abs(beyond) > 2**53:
        raise ArrayError(
            f"{name} holds {beyond}, beyond 2**53, where float64 is not exact.",
            code="A11",
            advice=advice,
        )


def _how_to_get_an_array(source: Any) -> str:
    if isinstance(source, (str, Path)):
        return "To search a file, give fleckcore.read(path)[0]."
    if type(source).__module__.startswith("dask"):
        return "For a Dask array, call .compute() first."
    return ""


def as_frame(source: Any, *, mask: Any = None, error: Any = None, **meta: Any) -> Frame:
    """Make a `Frame` of an array or of an object that holds one.

    Parameters
    ----------
    source : Frame, ndarray, MaskedArray, Quantity, NDData or CCDData
        Two-dimensional. Masks, uncertainties, units and quality planes of the object are kept.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out, in addition to the object's own mask.
    error : array_like, shape (rows, cols), or float, optional
        One standard deviation per pixel; replaces the object's own.
    **meta
        Fields of `FrameMeta` to set.

    Returns
    -------
    Frame
        Pixels left out by a mask carry quality bit ``1 << 30``.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape or dtype, ``A11`` an integer beyond 2**53 that no mask leaves out, ``A12`` a mask or error of
        another shape, ``A19`` a Dask array.
    """
    frame = source if isinstance(source, Frame) else _frame_of(source)
    if meta:
        frame = frame.replace(meta=replace(frame.meta, **meta))
    if error is not None:
        plane = np.asarray(error)
        if plane.ndim == 0:
            plane = np.broadcast_to(plane, frame.shape)
        frame = frame.replace(error=plane)
    if mask is not None:
        frame = _with_mask(frame, np.asarray(mask))
    if frame.data.dtype.kind in "iu" and frame.data.dtype.itemsize == 8:
        check_exact(frame.data, frame.mask)
    return frame


MASK_BIT = 1 << 30
"""Quality bit of a pixel that the caller's own mask leaves out."""


def _with_mask(frame: Frame, mask: NDArray[Any]) -> Frame:
    if mask.shape != frame.shape:
        raise ArrayError(f"mask has shape {mask.shape}, data has {frame.shape}.", code="A12")
    bits = np.where(mask.astype(bool), np.int32(MASK_BIT), np.int32(0))
    quality = bits if frame.quality is None else frame.quality.astype(np.int64) | bits
    meta = replace(frame.meta, masked_bits=frame.meta.masked_bits | MASK_BIT)
    return frame.replace(quality=quality, meta=meta)


def _frame_of(source: Any) -> Frame:
    if isinstance(source, np.ma.MaskedArray):
        frame = Frame(np.ma.getdata(source))
        return _with_mask(frame, np.ma.getmaskarray(source))
    if hasattr(source, "uncertainty") and hasattr(source, "data"):  # NDData, CCDData
        return _frame_of_nddata(source)
    unit = getattr(source, "unit", None)
    if unit is not None and isinstance(source, np.ndarray):  # Quantity
        return Frame(source.view(np.ndarray), meta=FrameMeta(unit=unit_name(unit)))
    return Frame(source)


def _frame_of_nddata(source: Any) -> Frame:
    data = np.asarray(source.data)
    error = None
    if source.uncertainty is not None:
        from astropy.nddata import StdDevUncertainty

        error = np.asarray(source.uncertainty.represent_as(StdDevUncertainty).array)
    unit = "DN" if source.unit is None else unit_name(source.unit)
    frame = Frame(data, error, meta=FrameMeta(unit=unit))
    return frame if source.mask is None else _with_mask(frame, np.asarray(source.mask))


UNIT_ALIASES = {
    "electron": "electron",
    "electrons": "electron",
    "e-": "electron",
    "e": "electron",
    "electron/s": "electron/s",
    "electrons/s": "electron/s",
    "electron / s": "electron/s",
    "e-/s": "electron/s",
    "adu": "DN",
    "dn": "DN",
    "count": "DN",
    "counts": "DN",
    "ct": "DN",
}


def unit_name(text: Any) -> str:
    """Give the house's name of a unit; anything unknown is ``"DN"`` (M06)."""
    return UNIT_ALIASES.get(str(text).strip().lower(), "DN")
