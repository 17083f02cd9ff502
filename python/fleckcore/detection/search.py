"""The search: a frame goes in, features come out, one row each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore._version import __version__
from fleckcore.detection.classes import Surroundings, classify
from fleckcore.detection.explained import Measured
from fleckcore.detection.feature import Feature
from fleckcore.detection.finder import Finder
from fleckcore.detection.literal import LiteralFinder
from fleckcore.detection.modelled import Modelled, find_large
from fleckcore.detection.modelled_streaks import Streaks, find_streaks
from fleckcore.detection.normalise import Method, Normalised, normalise
from fleckcore.detection.options import DEFAULTS, Options, Shapes
from fleckcore.detection.parallel import beside
from fleckcore.detection.wide import WideLoss
from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, as_frame
from fleckcore.kernels import tuning_in_use

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog

__all__ = ["DEFAULTS", "Options", "SearchResult", "bias_name", "find", "search", "without_bias"]


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found and what it looked at.

    Attributes
    ----------
    catalog : Catalog
        One row per feature.
    labels : ndarray of int32, shape (rows, cols)
        Footprints; the value is the row's ``label``.
    normalised : Normalised
        The image that was searched and measured.
    large : Modelled
        The large shadows, in the order of their rows, which are the last.
    """

    catalog: Catalog
    labels: NDArray[np.int32]
    normalised: Normalised
    large: Modelled


def find(
    source: Any,
    *,
    mask: Any = None,
    error: Any = None,
    bias: Any = None,
    reference: Any = None,
    normalise: Method = DEFAULTS.normalise,
    window: int = DEFAULTS.window,
    shapes: Shapes = DEFAULTS.shapes,
    bright: bool = DEFAULTS.bright,
    false_alarms: float = DEFAULTS.false_alarms,
    min_depth: float = DEFAULTS.min_depth,
    min_area: int = DEFAULTS.min_area,
    threads: int | None = None,
) -> Catalog:
    """Find what stands in front of the detector: dust flecks, freckles, motes in and out of focus, streaks.

    Parameters
    ----------
    source : Frame, ndarray, MaskedArray, Quantity, NDData or CCDData, shape (rows, cols)
        A flat, a flashed dark or any evenly lit frame, bias-subtracted.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out, in addition to the frame's own mask.
    error : array_like, shape (rows, cols), or float, optional
        One standard deviation per pixel, in the unit of the data.
    bias : Frame, array_like of shape (rows, cols), or float, optional
        Subtracted first. A pedestal that stays makes every shadow look shallower than it is.
    reference : Frame or array_like, shape (rows, cols), optional
        A stack from before, for ``normalise="difference"``.
    normalise : {"ratio", "literal", "difference", "none"}
        How the light that would be there without features is divided out;
        `fleckcore.detection.normalise.normalise` explains each.
    window : int
        Side of the median window in pixels, odd.
    shapes : {"all", "compact"}
        ``compact``: flecks, freckles, deep streaks and discs of up to some 15 pixels radius. ``all``: large discs and
        rings, and shallow streaks too (with ``normalise="ratio"``).
    bright : bool
        Search bright features instead of shadows.
    false_alarms : float
        Expected number of features in a frame of pure Gaussian noise.
    min_depth : float
        Least loss in the deepest pixel of a feature of up to some 3 pixels across.
    min_area : int
        Least number of footprint pixels.
    threads : int, optional
        Threads; by default all that this process may use. The result does not depend on it.

    Returns
    -------
    Catalog
        Compact features, streaks, then large shadows, each by falling significance; empty with ``meta["status"]``
        when nothing could be searched.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A06`` the level is not positive, ``A09`` shape, dtype or an option out of range, ``A11`` an integer beyond
        2**53, ``A12`` planes of different shapes, ``A13`` an even window.
    MetadataError
        ``M07`` an option that does not exist or lacks its counterpart.
    """
    options = Options(
        normalise=normalise,
        window=window,
        shapes=shapes,
        bright=bright,
        false_alarms=false_alarms,
        min_depth=min_depth,
        min_area=min_area,
    )
    if options.normalise == "literal":
        given = as_frame(source, mask=mask, error=error)
        return _search_literally(given, bias, options, threads)[0]
    return search(
        source,
        mask=mask,
        error=error,
        bias=bias,
        reference=reference,
        options=options,
        threads=threads,
    ).catalog


def search(
    source: Any,
    *,
    mask: Any = None,
    error: Any = None,
    bias: Any = None,
    reference: Any = None,
    options: Options = DEFAULTS,
    threads: int | None = None,
) -> SearchResult:
    """Search as `find` does, and give the footprints and the normalised image too.

    Parameters
    ----------
    source, mask, error, bias, reference, threads
        As for `find`.
    options : Options
        How to search.

    Returns
    -------
    SearchResult
    """
    given = as_frame(source, mask=mask, error=error)
    if options.normalise == "literal":
        catalog, labels, frame = _search_literally(given, bias, options, threads)
        return _without_models(catalog, labels, frame, options, threads)
    frame = without_bias(given, bias)
    if reference is not None:
        reference = without_bias(as_frame(reference), bias)
    meta = _meta(given, bias, options, threads)
    masked = frame.mask
    if masked.all():
        catalog = _blank_catalog(meta())
        labels = np.zeros(frame.shape, np.int32)
        return _without_models(catalog, labels, frame, options, threads)
    large, streaks = _modelled(frame, options, threads)
    flat = streaks.divided_out(large.divided_out(frame))
    normalised = _normalised(flat, options, reference, threads)
    doubts = [d for d in (large.doubt(options.model_error), streaks.doubt()) if d is not None]
    doubt = np.sum(doubts, axis=0) if doubts else None
    finder = Finder(flat, normalised, options, threads, doubt, streaks.beside)
    status = finder.status
    measured = Measured(flat, normalised, finder.pixel_noise, options, finder.labels)
    features = list(finder.features)
    first_streak = len(features) + 1
    features += streaks.features(measured, large, first_streak)
    first_large = len(features) + 1
    features += large.features(measured, first_large)
    streaks.draw(finder.labels, first_streak)
    large.draw(finder.labels, first_large)
    large.restored(normalised)
    streaks.restored(normalised)
    counts = int(np.count_nonzero(masked)), normalised.unlit
    around = Surroundings(finder.labels, normalised.mask, frame.meta)
    catalog = _catalog(features, around, meta(), finder, status, *counts)
    return SearchResult(catalog, finder.labels, normalised, large)


def _search_literally(
    given: Frame, bias: Any, options: Options, threads: int | None
) -> tuple[Catalog, NDArray[np.int32], Frame]:
    """Search by the published recipe; give the catalogue, the footprints and the frame without its bias."""
    frame = without_bias(given, bias)
    meta = _meta(given, bias, options, threads)
    finder = LiteralFinder(frame, options, threads)
    if finder.is_blank:
        return _blank_catalog(meta()), finder.labels, frame
    around = Surroundings(finder.labels, finder.unsearched, frame.meta)
    counts = finder.found.flagged, finder.found.unlit
    catalog = _catalog(finder.features, around, meta(), finder, finder.status, *counts)
    return catalog, finder.labels, frame


def _without_models(
    catalog: Catalog,
    labels: NDArray[np.int32],
    frame: Frame,
    options: Options,
    threads: int | None,
) -> SearchResult:
    """Complete a result without large shadows by the image that was measured."""
    if catalog.meta["status"] == "NO_VALID_PIXELS":
        blank = np.full(frame.shape, np.nan, np.float32)
        image = Normalised(blank, None, blank, frame.mask, options.normalise)
    else:
        image = _normalised(frame, options, None, threads)
    return SearchResult(catalog, labels, image, Modelled([], np.zeros(frame.shape, np.float32)))


def _catalog(
    features: Sequence[Feature],
    around: Surroundings,
    meta: dict[str, Any],
    finder: Finder,
    status: str,
    masked: int,
    unlit: int,
) -> Catalog:
    from fleckcore.detection.catalog import Catalog

    meta |= {
        "status": status,
        "masked_pixels": masked,
        "unlit_pixels": unlit,
        "deviant_pixels": finder.deviant,
        "significance_limit": finder.limit,
        "not_listed": dict(sorted(finder.not_listed.items())),
    }
    return Catalog.from_features(classify(features, around), meta=meta)


def _blank_catalog(meta: dict[str, Any]) -> Catalog:
    from fleckcore.detection.catalog import Catalog

    return Catalog.from_features([], meta=meta | {"status": "NO_VALID_PIXELS"})


def _normalised(
    frame: Frame, options: Options, reference: Frame | None, threads: int | None
) -> Normalised:
    return normalise(
        frame,
        options.normalise,
        window=options.window,
        stripe_window=options.stripe_window,
        unlit_below=options.unlit_below,
        reference=reference,
        threads=threads,
    )


def _modelled(frame: Frame, options: Options, threads: int | None) -> tuple[Modelled, Streaks]:
    """Find large shadows, then streaks; where they meet, both once more, the large ones without streaks."""
    wide = WideLoss(frame, options, threads)
    large = find_large(wide)
    streaks = find_streaks(wide, large)
    if streaks.meet(large):
        large = find_large(wide.without(streaks))
        streaks = find_streaks(wide, large)
    return large, streaks


def without_bias(frame: Frame, bias: Any) -> Frame:
    """Give the frame's light: a bias frame, array or level subtracted; None subtracts nothing."""
    if bias is None:
        return frame
    level = _bias_level(bias) if _is_number(bias) else as_frame(bias).data
    if np.ndim(level) and np.shape(level) != frame.shape:
        raise ArrayError(
            f"bias has shape {np.shape(level)}, the frame has {frame.shape}.",
            code="A12",
            path=frame.meta.path,
            extension=frame.meta.extension or None,
        )
    dtype = np.result_type(frame.data.dtype, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite pixels of both
        light = np.subtract(frame.data, level, dtype=dtype, casting="unsafe")
    return frame.replace(data=light)


def _is_number(bias: Any) -> bool:
    return np.ndim(getattr(bias, "data", bias)) == 0


def _bias_level(bias: Any) -> float:
    level = float(getattr(bias, "value", bias))  # of a Quantity
    if not np.isfinite(level):
        raise ArrayError(f"bias={level}, wanted a finite number.", code="A09")
    return level


def bias_name(bias: Any) -> str:
    """Say for people what was subtracted."""
    if bias is None:
        return "none subtracted"
    if isinstance(bias, Frame) and bias.meta.path:
        return bias.meta.path.name
    return f"{_bias_level(bias):g}" if _is_number(bias) else "array"


def _meta(
    frame: Frame, bias: Any, options: Options, threads: int | None
) -> Callable[[], dict[str, Any]]:
    """Say what is searched and how. The checksum is taken beside the search; a call of the result waits."""
    about = frame.meta
    checksum = beside(lambda: _sha256(frame.data), threads)
    meta = {
        "program": f"fleckcore {__version__}",
        "tuning": tuning_in_use(),
        "input": about.path.name if about.path else "array",
        "extension": about.extension,
        "input_sha256": "",
        "profile": about.profile,
        "chip": about.chip,
        "kind": about.kind,
        "filters": list(about.filters),
        "unit": about.unit,
        "shape": list(frame.shape),
        "offset": [about.x_offset, about.y_offset],
        "file_offset": [about.x_file, about.y_file],
        "origin": "0-based pixel centres, x = column, y = row of the trimmed frame",
        "parameters": asdict(options),
        "warnings": list(about.warnings),
    }
    meta["bias"] = bias_name(bias)
    return lambda: meta | {"input_sha256": checksum()}


def _sha256(data: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(data).data).hexdigest()
