"""The search: a frame goes in, features come out, one row each."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore._version import __version__
from fleckcore.detection.feature import Feature
from fleckcore.detection.measure import CutOut, Measures, grow, measure
from fleckcore.detection.normalise import Method, Normalised, literal_excess, normalise
from fleckcore.detection.scales import Candidate, Scale, candidates, make_scales, significance_limit
from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, as_frame
from fleckcore.kernels import label_components, mesh_statistics

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog

__all__ = ["DEFAULTS", "Options", "SearchResult", "find", "search"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to search. Every default of the search has its home here.

    Attributes
    ----------
    normalise : {"ratio", "literal", "difference", "none"}
        See `fleckcore.detection.normalise.normalise`.
    window, stripe_window : int
        Windows of the normalisation in pixels, odd.
    unlit_below : float
        Pixels with less than this fraction of the typical light are not searched.
    bright : bool
        Search what is brighter than its surroundings instead of what is darker.
    false_alarms : float
        Expected number of features in a frame of pure Gaussian noise.
    sigmas : tuple of float
        Sizes of the matched smoothing in pixels, the first 0.
    mesh : int
        Side of the boxes in which noise is measured, in pixels.
    min_depth : float
        Least loss in the deepest pixel of a feature of up to some 3 pixels across. Below it, pixels of another
        sensitivity cannot be told from dust.
    min_area : int
        Least number of footprint pixels.
    max_size : int
        Largest extent in pixels, streaks excepted. What is larger is counted, not listed.
    edge_zone : int
        Within this distance of the frame's edge, where the level is extrapolated, a feature must be twice as
        significant.
    """

    normalise: Method = "ratio"
    window: int = 63
    stripe_window: int = 127
    unlit_below: float = 1 / 3
    bright: bool = False
    false_alarms: float = 0.1
    sigmas: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0)
    mesh: int = 64
    min_depth: float = 0.05
    min_area: int = 1
    max_size: int = 64
    edge_zone: int = 16

    def __post_init__(self) -> None:
        for name in ("window", "stripe_window"):
            size = getattr(self, name)
            if not (size >= 1 and size % 2 == 1):
                raise ArrayError(
                    f"{name}={size!r}, wanted an odd whole number of pixels.",
                    code="A13",
                    advice="An even window has no centre pixel; take one more or one less.",
                )
        for name, good, wanted in (
            ("false_alarms", 0 < self.false_alarms < np.inf, "a finite number above 0"),
            ("min_depth", 0 <= self.min_depth <= 1, "a fraction from 0 to 1"),
            ("min_area", self.min_area >= 1, "at least 1 pixel"),
        ):
            if not good:
                raise ArrayError(f"{name}={getattr(self, name)!r}, wanted {wanted}.", code="A09")


DEFAULTS = Options()

LITERAL_SIGMA = 5.0
LITERAL_AREA = 25
STREAK_ELONGATION = 4.0
DEBLEND_CONTRAST = 0.1
CLIP_SIGMA = 2.5
REJECTED_FRACTION = 0.5


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
    """

    catalog: Catalog
    labels: NDArray[np.int32]
    normalised: Normalised


def find(
    source: Any,
    *,
    mask: Any = None,
    error: Any = None,
    bias: Any = None,
    reference: Any = None,
    normalise: Method = DEFAULTS.normalise,
    window: int = DEFAULTS.window,
    bright: bool = DEFAULTS.bright,
    false_alarms: float = DEFAULTS.false_alarms,
    min_depth: float = DEFAULTS.min_depth,
    min_area: int = DEFAULTS.min_area,
    threads: int | None = None,
) -> Catalog:
    """Find the compact features of a frame: dust flecks, freckles, small motes.

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
        Sorted by falling significance; empty with ``meta["status"]`` when nothing could be searched.

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
        bright=bright,
        false_alarms=false_alarms,
        min_depth=min_depth,
        min_area=min_area,
    )
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
    from fleckcore.detection.catalog import Catalog

    frame = _without_bias(as_frame(source, mask=mask, error=error), bias)
    if reference is not None:
        reference = _without_bias(as_frame(reference), bias)
    meta = _meta(frame, options) | {"bias": _bias_name(bias)}
    labels = np.zeros(frame.shape, np.int32)
    if frame.mask.all():
        blank = np.full(frame.shape, np.nan, np.float32)
        empty = Normalised(blank, None, blank, frame.mask, options.normalise)
        meta["status"] = "NO_VALID_PIXELS"
        return SearchResult(Catalog.from_features([], meta=meta), labels, empty)
    normalised = normalise(
        frame,
        options.normalise,
        window=options.window,
        stripe_window=options.stripe_window,
        unlit_below=options.unlit_below,
        reference=reference,
        threads=threads,
    )
    finder = _Finder(frame, normalised, options, labels, threads)
    finder.run()
    meta |= {
        "status": finder.status(),
        "masked_pixels": int(frame.mask.sum()),
        "unlit_pixels": normalised.unlit,
        "deviant_pixels": int((finder.mask & ~normalised.mask).sum()),
        "significance_limit": finder.limit,
        "not_listed": dict(sorted(finder.not_listed.items())),
    }
    return SearchResult(Catalog.from_features(finder.features, meta=meta), labels, normalised)


def _without_bias(frame: Frame, bias: Any) -> Frame:
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


def _bias_name(bias: Any) -> str:
    if bias is None:
        return "none subtracted"
    if isinstance(bias, Frame) and bias.meta.path:
        return bias.meta.path.name
    return f"{_bias_level(bias):g}" if _is_number(bias) else "array"


def _meta(frame: Frame, options: Options) -> dict[str, Any]:
    about = frame.meta
    return {
        "program": f"fleckcore {__version__}",
        "input": about.path.name if about.path else "array",
        "extension": about.extension,
        "input_sha256": hashlib.sha256(np.ascontiguousarray(frame.data).data).hexdigest(),
        "profile": about.profile,
        "chip": about.chip,
        "kind": about.kind,
        "filters": list(about.filters),
        "unit": about.unit,
        "shape": list(frame.shape),
        "offset": [about.x_offset, about.y_offset],
        "origin": "0-based pixel centres, x = column, y = row of the trimmed frame",
        "parameters": asdict(options),
        "warnings": list(about.warnings),
    }


@dataclass
class _Finder:
    """One search under way: what is claimed, what is found."""

    frame: Frame
    normalised: Normalised
    options: Options
    labels: NDArray[np.int32]
    threads: int | None
    features: list[Feature] = field(default_factory=list)
    not_listed: dict[str, int] = field(default_factory=dict)
    not_listed_pixels: int = 0
    limit: float = float("nan")

    def __post_init__(self) -> None:
        loss = np.float32(1) - self.normalised.transmission
        self.loss = -loss if self.options.bright else loss
        self.mask = self.normalised.mask
        self.claimed = np.zeros(self.loss.shape, dtype=bool)

    def run(self) -> None:
        options = self.options
        self.scales, self.mask = make_scales(
            self.loss,
            self.normalised.error,
            self.mask,
            sigmas=options.sigmas,
            mesh=options.mesh,
            threads=self.threads,
        )
        self.loss[self.mask] = 0.0
        if options.normalise == "literal":
            self._run_literal()
            return
        valid = self.mask.size - int(self.mask.sum())
        self.limit = significance_limit(valid, options.sigmas, options.false_alarms)
        for candidate in candidates(self.scales, self.limit):
            self._try(candidate)

    def status(self) -> str:
        covered = np.count_nonzero(self.labels) + self.not_listed_pixels
        if covered > REJECTED_FRACTION * max(1, self.mask.size - int(self.mask.sum())):
            return "FRAME_REJECTED"
        return "OK"

    def _run_literal(self) -> None:
        """The published recipe: 5 sigma of the filtered image, at least 25 connected pixels."""
        excess = literal_excess(self.normalised, self.threads)
        mesh = mesh_statistics(excess, self.options.mesh, threads=self.threads)
        mesh = mesh.filled().median_filtered()
        excess -= mesh.interpolate("level", threads=self.threads)
        noise = float(np.nanmedian(mesh.noise))
        self.limit = LITERAL_SIGMA
        objects = label_components(
            excess, LITERAL_SIGMA * noise, min_area=LITERAL_AREA, threads=self.threads
        )
        assert objects.labels is not None
        order = np.argsort(-objects.peak, kind="stable")
        for i in order:
            y0, y1, x0, x1 = (int(v) for v in objects.bbox[i])
            cut = self._window(y0, y1 + 1, x0, x1 + 1, margin=24)
            self._list(cut, objects.labels[cut] == i + 1, float(objects.peak[i] / noise), False)

    def _try(self, candidate: Candidate) -> None:
        y, x = candidate.y, candidate.x
        if self.claimed[y, x] or not self._stands_out(candidate):
            return
        scale = self.scales[candidate.scale]
        fine = self._fine(scale.sigma)
        margin = int(12 + 6 * scale.sigma)
        while True:
            cut = self._window(y, y + 1, x, x + 1, margin=margin)
            footprint, blend = self._footprint(cut, y, x, scale.sigma, fine)
            if not self._cut_off(cut, footprint):
                break
            margin *= 2
        if not footprint.any():
            return
        self.claimed[cut] |= grow(footprint, int(2 + scale.sigma))
        reason = self._reason_against(cut, footprint, scale.sigma)
        if reason:
            self.not_listed[reason] = self.not_listed.get(reason, 0) + 1
            self.not_listed_pixels += int(footprint.sum())
        else:
            self._list(cut, footprint, candidate.significance, blend)

    def _stands_out(self, candidate: Candidate) -> bool:
        """Whether it is significant near the edge, and without the light that listed features take."""
        rows, cols = self.loss.shape
        y, x = candidate.y, candidate.x
        at_edge = min(y, x, rows - 1 - y, cols - 1 - x) < self.options.edge_zone
        limit = 2 * self.limit if at_edge else self.limit
        if candidate.significance < limit:
            return False
        sigma = self.scales[candidate.scale].sigma
        cut = self._window(y, y + 1, x, x + 1, margin=int(np.ceil(3.5 * sigma)) + 1)
        taken = self.claimed[cut]
        if not sigma or not taken.any():
            return True
        dy, dx = np.ogrid[cut[0].start - y : cut[0].stop - y, cut[1].start - x : cut[1].stop - x]
        weighted = np.exp(-0.5 * (dy**2 + dx**2) / sigma**2) * self.loss[cut]
        total, rest = float(weighted.sum()), float(weighted[~taken].sum())
        return total > 0 and candidate.significance * rest / total >= limit

    def _fine(self, sigma: float) -> Scale:
        """The scale on which a footprint is drawn: half of that of the detection, at least 1 pixel."""
        wanted = max(1.0, sigma / 2)
        return min(self.scales, key=lambda s: (abs(s.sigma - wanted), s.sigma))

    def _window(self, y0: int, y1: int, x0: int, x1: int, *, margin: int) -> tuple[slice, slice]:
        rows, cols = self.loss.shape
        return (
            slice(max(0, y0 - margin), min(rows, y1 + margin)),
            slice(max(0, x0 - margin), min(cols, x1 + margin)),
        )

    def _cut_off(self, cut: tuple[slice, slice], footprint: NDArray[np.bool_]) -> bool:
        """Whether the footprint goes on beyond the window, which does not end at the frame's edge."""
        rows, cols = self.loss.shape
        return bool(
            (cut[0].start > 0 and footprint[0].any())
            or (cut[0].stop < rows and footprint[-1].any())
            or (cut[1].start > 0 and footprint[:, 0].any())
            or (cut[1].stop < cols and footprint[:, -1].any())
        )

    def _footprint(
        self, cut: tuple[slice, slice], y: int, x: int, sigma: float, fine: Scale
    ) -> tuple[NDArray[np.bool_], bool]:
        """Pixels around (y, x) that lose light: down to 1 % or a quarter of the peak, whichever is less, but not into
        the noise, nor below a tenth of the peak; split where another peak stands beside.
        """
        smooth = fine.smooth[cut]
        taken = self.claimed[cut] | self.mask[cut]
        reach = int(sigma) + 1
        row, col = y - cut[0].start, x - cut[1].start
        near = np.s_[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
        values = np.where(taken[near], -np.inf, smooth[near])
        seed = np.unravel_index(np.argmax(values), values.shape)
        peak = float(values[seed])
        seed_row, seed_col = int(seed[0]) + near[0].start, int(seed[1]) + near[1].start
        least = max(CLIP_SIGMA * float(fine.noise[y, x]), min(0.01, 0.25 * peak), 0.1 * peak)
        if not peak > least:
            return np.zeros(smooth.shape, dtype=bool), False
        parts = label_components(smooth, least, mask=taken, deblend=DEBLEND_CONTRAST, threads=1)
        assert parts.labels is not None
        footprint = parts.labels == parts.labels[seed_row, seed_col]
        others = (parts.labels > 0) & ~footprint | self.claimed[cut] & ~footprint
        return footprint, bool((grow(footprint, 1) & others).any())

    def _reason_against(
        self, cut: tuple[slice, slice], footprint: NDArray[np.bool_], sigma: float
    ) -> str:
        """Why a candidate is counted but not listed; empty for a feature."""
        ys, xs = np.nonzero(footprint)
        if len(ys) < self.options.min_area:
            return "small"
        if sigma <= 1 and self.loss[cut][footprint].max() < self.options.min_depth:
            return "shallow"
        extent = 1 + max(int(np.ptp(ys)), int(np.ptp(xs)))
        if _elongation(ys, xs) >= STREAK_ELONGATION:
            return ""
        if extent > self.options.max_size:
            return "large"
        if extent > self.options.edge_zone and self._touches_edge(cut, footprint):
            return "edge"
        return ""

    def _touches_edge(self, cut: tuple[slice, slice], footprint: NDArray[np.bool_]) -> bool:
        rows, cols = self.loss.shape
        return bool(
            (cut[0].start == 0 and footprint[0].any())
            or (cut[0].stop == rows and footprint[-1].any())
            or (cut[1].start == 0 and footprint[:, 0].any())
            or (cut[1].stop == cols and footprint[:, -1].any())
        )

    def _list(
        self,
        cut: tuple[slice, slice],
        footprint: NDArray[np.bool_],
        significance: float,
        blend: bool,
    ) -> None:
        usable = ~self.mask[cut]
        footprint = footprint & usable
        if not footprint.any():
            return
        others = (self.labels[cut] > 0) & ~footprint
        cut_out = CutOut(
            y0=cut[0].start,
            x0=cut[1].start,
            loss=self.loss[cut],
            noise=self._pixel_noise(cut),
            level=self.normalised.level[cut],
            usable=usable,
            free=usable & ~others,
            footprint=footprint,
        )
        measures = measure(cut_out)
        label = len(self.features) + 1
        self.labels[cut][footprint & ~others] = label
        ys, xs = np.nonzero(footprint)
        sign = -1.0 if self.options.bright else 1.0
        pixel_um = self.frame.meta.pixel_size_um
        chip = self.frame.meta.chip
        self.features.append(
            Feature(
                label=label,
                chip=-1 if chip is None else chip,
                x_centroid=measures.x_centroid,
                y_centroid=measures.y_centroid,
                x_peak=measures.x_peak,
                y_peak=measures.y_peak,
                radius=measures.radius,
                radius_inner=measures.radius_inner,
                area=measures.area,
                area_50=measures.area_50,
                area_detected=len(ys),
                area_mm2=np.nan if pixel_um is None else measures.area * (pixel_um * 1e-3) ** 2,
                bbox_xmin=int(xs.min()) + cut[1].start,
                bbox_xmax=int(xs.max()) + cut[1].start,
                bbox_ymin=int(ys.min()) + cut[0].start,
                bbox_ymax=int(ys.max()) + cut[0].start,
                semimajor_axis=measures.semimajor_axis,
                semiminor_axis=measures.semiminor_axis,
                orientation=measures.orientation,
                transmission_mean=1 - sign * measures.loss_mean,
                transmission_mean_err=measures.loss_mean_err,
                transmission_min=1 - sign * measures.loss_max,
                transmission_min_err=measures.loss_max_err,
                lost_flux=sign * measures.lost_flux,
                lost_flux_err=measures.lost_flux_err,
                snr=significance,
                shape=_shape(measures),
                polarity="bright" if self.options.bright else "shadow",
                edge=self._touches_edge(cut, footprint),
                blend=blend,
            )
        )

    def _pixel_noise(self, cut: tuple[slice, slice]) -> NDArray[np.float32]:
        if self.normalised.error is not None:
            return self.normalised.error[cut]
        return self.scales[0].noise[cut]


def _elongation(ys: NDArray[Any], xs: NDArray[Any]) -> float:
    if len(ys) < 8:
        return 1.0
    (yy, yx), (_, xx) = np.cov(np.vstack([ys, xs])) + np.eye(2) / 12
    mean, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return float(np.sqrt((mean + half) / max(mean - half, 1 / 12)))


def _shape(measures: Measures) -> str:
    """Name the shape: streak, ring, disc (from 8 pixels radius) or fleck."""
    if measures.elongation >= STREAK_ELONGATION:
        return "streak"
    if measures.radius_inner > 0 and measures.radius >= 5:
        return "ring"
    return "disc" if measures.radius >= 8 else "fleck"
