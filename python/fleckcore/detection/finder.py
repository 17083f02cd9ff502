"""One search under way: candidates become footprints, footprints become features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.feature import Feature
from fleckcore.detection.footprint import (
    STREAK_ELONGATION,
    Footprint,
    Window,
    link_streaks,
    touching,
)
from fleckcore.detection.measure import CutOut, Measures, grow, measure
from fleckcore.detection.normalise import Normalised
from fleckcore.detection.options import Options
from fleckcore.detection.parallel import bands, parallel_map
from fleckcore.detection.planes import Computed, Light, Plane
from fleckcore.detection.profile import (
    Patch,
    Start,
    divide,
    fit_profiles,
    moment_profile,
    window_of,
)
from fleckcore.detection.scales import (
    Candidate,
    Scale,
    candidates,
    deviating,
    make_scales,
    significance_limit,
)
from fleckcore.frame import Frame
from fleckcore.kernels import label_components, sparse_zeros

__all__ = ["Finder"]

DEBLEND_CONTRAST = 0.1
CLIP_SIGMA = 2.5
CLEAR_SIGMA = 8.0
REJECTED_FRACTION = 0.2
POOR_FIT = 1.3
"""Residual, in units of the noise, from which on a feature may be a blend."""

PULLING = 4.0
"""Radius from which on a feature pulls the running medians that it is measured against, pixels."""

SURROUNDINGS = 24
"""Pixels around a footprint that a measurement may use."""


class Finder:
    """A search of one normalised frame.

    Attributes
    ----------
    features : list of Feature
        What was found, sorted by falling significance.
    labels : ndarray of int32, shape (rows, cols)
        Their footprints.
    not_listed : Counter
        Candidates that are significant but not listed, by reason.
    not_listed_pixels : int
        Pixels of their footprints.
    limit : float
        Significance that a candidate must pass.
    deviant : int
        Pixels that are left out because they stand out to the opposite side.
    searched_pixels : int
        Pixels that are not left out.
    covered : int
        Pixels of the footprints.
    pixel_noise : Plane of float32
        One standard deviation of each pixel's loss.
    """

    def __init__(
        self,
        frame: Frame,
        normalised: Normalised,
        options: Options,
        threads: int | None,
        doubt: NDArray[np.float32] | None = None,
        beside_streak: Callable[[Footprint], bool] | None = None,
    ) -> None:
        self.beside_streak = beside_streak
        self.frame = frame
        self.normalised: Light = normalised
        self.options = options
        self.threads = threads
        self.not_listed: Counter[str] = Counter()
        self.not_listed_pixels = 0
        loss, mask = _loss(normalised, options, threads)
        self.scales = make_scales(
            loss,
            normalised.error,
            mask,
            sigmas=options.sigmas,
            mesh=options.mesh,
            threads=threads,
            doubt=doubt,
        )
        self.loss: Plane = loss
        self.mask: Plane = mask
        left_out = int(np.count_nonzero(mask))
        self.deviant = left_out - int(np.count_nonzero(normalised.mask))
        self.searched_pixels = mask.size - left_out
        error = normalised.error
        self.pixel_noise: Plane = (
            Computed(loss.shape, self.scales[0].noise) if error is None else error
        )
        self.claimed = np.zeros(loss.shape, dtype=bool)
        self.footprints = self._search()
        self._measure_all()
        parts = self._parts()
        if len(parts) > len(self.footprints):
            self.footprints = parts
            self._measure_all()
        self.features = [self._feature(i) for i in range(len(self.footprints))]

    @property
    def status(self) -> str:
        """``OK``, or ``FRAME_REJECTED`` when footprints, listed or not, cover more than a fifth of the frame."""
        covered = self.covered + self.not_listed_pixels
        most = REJECTED_FRACTION * max(1, self.searched_pixels)
        return "FRAME_REJECTED" if covered > most else "OK"

    def _search(self) -> list[Footprint]:
        sigmas = self.options.sigmas
        allowed = self.options.false_alarms / (4 if self.options.shapes == "all" else 1)
        self.limit = significance_limit(self.searched_pixels, sigmas, allowed)
        found = [self._footprint_of(c) for c in candidates(self.scales, self.limit, self.threads)]
        return link_streaks([footprint for footprint in found if footprint is not None])

    def _footprint_of(self, candidate: Candidate) -> Footprint | None:
        """Draw a candidate's footprint and claim its surroundings; None for what is not listed."""
        y, x = candidate.y, candidate.x
        if self.claimed[y, x] or not self._stands_out(candidate):
            return None
        sigma = self.scales[candidate.scale].sigma
        margin = int(12 + 6 * sigma)
        while True:
            cut = self._window(y, x, margin)
            pixels, others = self._draw(cut, candidate)
            if not self._cut_off(cut, pixels):
                break
            margin *= 2
        if not pixels.any():
            self.not_listed["faint"] += 1  # nothing stands out on a finer scale
            return None
        self.claimed[cut] |= grow(pixels, int(2 + sigma)) & ~others
        blend = bool((grow(pixels, 1) & others).any())
        footprint = Footprint.of(cut, pixels, candidate.significance, blend)
        reason = self._reason_against(footprint, sigma)
        if reason:
            self.not_listed[reason] += 1
            self.not_listed_pixels += len(footprint.ys)
            return None
        return footprint

    def _stands_out(self, candidate: Candidate) -> bool:
        """Whether it is significant near the edge, and without the light that listed features take."""
        rows, cols = self.loss.shape
        y, x = candidate.y, candidate.x
        at_edge = min(y, x, rows - 1 - y, cols - 1 - x) < self.options.edge_zone
        limit = 2 * self.limit if at_edge else self.limit
        if candidate.significance < limit:
            return False
        sigma = self.scales[candidate.scale].sigma
        cut = self._window(y, x, int(np.ceil(3.5 * sigma)) + 1)
        taken = self.claimed[cut]
        if not sigma or not taken.any():
            return True
        dy, dx = np.ogrid[cut[0].start - y : cut[0].stop - y, cut[1].start - x : cut[1].stop - x]
        weighted = np.exp(-0.5 * (dy**2 + dx**2) / sigma**2) * self.loss[cut]
        total, rest = float(weighted.sum()), float(weighted[~taken].sum())
        return total > 0 and candidate.significance * rest / total >= limit

    def _fine(self, candidate: Candidate) -> Scale:
        """The scale on which a footprint is drawn: the finest, from 1 pixel, on which the peak stands clear.

        At most half of the detection's own, so that near neighbours are kept apart.
        """
        y, x, sigma = candidate.y, candidate.x, self.scales[candidate.scale].sigma
        usable = [s for s in self.scales if 1 <= s.sigma <= max(1.0, sigma / 2)]
        here, around = self._window(y, x, 0), self._window(y, x, int(sigma) + 1)
        for scale in usable:
            if scale.smooth[around].max() >= CLEAR_SIGMA * scale.noise(here)[0, 0]:
                return scale
        return usable[-1]

    def _window(self, y: int, x: int, margin: int) -> Window:
        rows, cols = self.loss.shape
        return (
            slice(max(0, y - margin), min(rows, y + 1 + margin)),
            slice(max(0, x - margin), min(cols, x + 1 + margin)),
        )

    def _cut_off(self, cut: Window, footprint: NDArray[np.bool_]) -> bool:
        """Whether the footprint goes on beyond the window, which does not end at the frame's edge."""
        rows, cols = self.loss.shape
        return bool(
            (cut[0].start > 0 and footprint[0].any())
            or (cut[0].stop < rows and footprint[-1].any())
            or (cut[1].start > 0 and footprint[:, 0].any())
            or (cut[1].stop < cols and footprint[:, -1].any())
        )

    def _draw(
        self, cut: Window, candidate: Candidate
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Pixels around a candidate that lose light, and those of others.

        Down to 1 % or a quarter of the peak, whichever is less, but not into the noise, nor below a tenth of the
        peak; split where another peak stands.
        """
        sigma = self.scales[candidate.scale].sigma
        fine = self._fine(candidate)
        smooth = fine.smooth[cut]
        taken = self.claimed[cut] | self.mask[cut]
        row, col = candidate.y - cut[0].start, candidate.x - cut[1].start
        reach = int(sigma) + 1
        top, left = max(0, row - reach), max(0, col - reach)
        near = np.s_[top : row + reach + 1, left : col + reach + 1]
        values = np.where(taken[near], -np.inf, smooth[near])
        seed = np.unravel_index(np.argmax(values), values.shape)
        peak = float(values[seed])
        noise = float(fine.noise(self._window(candidate.y, candidate.x, 0))[0, 0])
        least = max(CLIP_SIGMA * noise, min(0.01, 0.25 * peak), 0.1 * peak)
        if not peak > least:
            return np.zeros(smooth.shape, dtype=bool), taken
        parts = label_components(smooth, least, mask=taken, deblend=DEBLEND_CONTRAST, threads=1)
        assert parts.labels is not None
        pixels = parts.labels == parts.labels[int(seed[0]) + top, int(seed[1]) + left]
        others = ((parts.labels > 0) | self.claimed[cut]) & ~pixels
        return pixels, others

    def _reason_against(self, footprint: Footprint, sigma: float) -> str:
        """Why a candidate is counted but not listed; empty for a feature."""
        options = self.options
        if len(footprint.ys) < options.min_area:
            return "small"
        deepest = self.loss[footprint.ys, footprint.xs].max()
        if sigma <= 1 and deepest < options.min_depth:
            return "shallow"
        if footprint.elongation >= STREAK_ELONGATION:
            return "beside a streak" if self.beside_streak and self.beside_streak(footprint) else ""
        if footprint.extent > options.max_size:
            return "large"
        # Light often ends at the edges and in the corners. What reaches farther into the frame is a large shadow.
        edges = footprint.at_edges(self.loss.shape)
        if edges and footprint.extent > 2 * options.edge_zone / edges:
            return "edge"
        return ""

    def _measure_all(self) -> None:
        """Draw, measure and model every footprint; what touches is modelled together, a streak by its moments."""
        self.labels: NDArray[np.int32] = sparse_zeros(self.loss.shape, np.int32)
        self.covered = 0
        for label, footprint in enumerate(self.footprints, start=1):
            pixels = footprint.ys, footprint.xs
            self.covered += int(np.count_nonzero(self.labels[pixels] == 0))
            self.labels[pixels] = label
        self.measures = [self._measure(*item) for item in enumerate(self.footprints, start=1)]
        self.profiles = [moment_profile(measures) for measures in self.measures]
        if self.status != "OK":  # what stands out of a rejected frame is hardly features
            return
        groups = touching(self.footprints, self.labels)
        fitted = fit_profiles([self._patch(group) for group in groups], self.threads)
        for group, profiles in zip(groups, fitted, strict=True):
            for i, profile in zip(group, profiles, strict=True):
                self.profiles[i] = profile

    def _patch(self, group: list[int]) -> Patch:
        """Pixels around some footprints and what to start their models from."""
        starts = [Start.of(self.measures[i], -1.0 if self.options.bright else 1.0) for i in group]
        cut = window_of(starts, self.loss.shape)
        own = self._free(cut, group) & ~self.mask[cut]
        transmission = self.normalised.transmission[cut]
        pulled = max(start.radius for start in starts) >= PULLING
        if pulled and self.normalised.method in ("ratio", "difference"):
            with np.errstate(divide="ignore", invalid="ignore"):
                transmission = transmission / self._pull(cut)
        return Patch.of(cut, own, transmission, self.pixel_noise[cut], starts)

    def _free(self, cut: Window, group: list[int]) -> NDArray[np.bool_]:
        """Pixels that belong to no feature but these."""
        labels = self.labels[cut]
        free: NDArray[np.bool_] = labels == 0
        for i in group:
            free |= labels == i + 1
        return free

    def _pull(self, cut: Window) -> NDArray[np.float32]:
        """How far features have pulled the running medians of the normalisation along rows and columns.

        Those medians again, of what lies within no feature, about the middle of ``cut``.
        """
        half = self.options.stripe_window // 2
        along = []
        for axis in (1, 0):
            middle = (cut[axis].start + cut[axis].stop) // 2
            stripe = list(cut)
            stripe[axis] = slice(max(0, middle - half), middle + half + 1)
            part = tuple(stripe)
            outside = (self.labels[part] == 0) & ~self.mask[part]
            values = np.where(outside, self.normalised.transmission[part], np.nan)
            known = outside.sum(axis=axis, keepdims=True) > half // 2
            values = np.where(known, values, 1)
            along.append(np.nanmedian(values, axis=axis, keepdims=True))
        pull: NDArray[np.float32] = (along[0] * along[1]).astype(np.float32)
        return pull

    def _parts(self) -> list[Footprint]:
        """Every footprint, or the two of a blend."""
        poor = [
            i
            for i, (footprint, profile) in enumerate(
                zip(self.footprints, self.profiles, strict=True)
            )
            if not (footprint.is_streak or footprint.blend) and profile.residual > POOR_FIT
        ]
        patches, profiles = [self._patch([i]) for i in poor], [self.profiles[i] for i in poor]
        divided = dict(zip(poor, divide(patches, profiles, self.threads), strict=True))
        parts = []
        for i, footprint in enumerate(self.footprints):
            circles = divided.get(i)
            parts += footprint.divided(*circles) if circles else [footprint]
        return parts

    def _measure(self, label: int, footprint: Footprint) -> Measures:
        cut = footprint.window(self.loss.shape, SURROUNDINGS)
        usable, own = ~self.mask[cut], footprint.within(cut)
        pixels = own & usable
        if not pixels.any():
            pixels = own
        return measure(
            CutOut(
                y0=cut[0].start,
                x0=cut[1].start,
                loss=self.loss[cut],
                noise=self.pixel_noise[cut],
                level=self.normalised.level[cut],
                usable=usable,
                free=usable & self._free(cut, [label - 1]),
                footprint=pixels,
            )
        )

    def _feature(self, index: int) -> Feature:
        footprint, measures = self.footprints[index], self.measures[index]
        sign = -1.0 if self.options.bright else 1.0
        about = self.frame.meta
        pixel_mm2 = np.nan if about.pixel_size_um is None else (about.pixel_size_um * 1e-3) ** 2
        ymin, ymax, xmin, xmax = footprint.bbox
        return Feature(
            label=index + 1,
            chip=-1 if about.chip is None else about.chip,
            x_centroid=measures.x_centroid,
            y_centroid=measures.y_centroid,
            x_peak=measures.x_peak,
            y_peak=measures.y_peak,
            radius=measures.radius,
            radius_inner=measures.radius_inner,
            area=measures.area,
            area_50=measures.area_50,
            area_detected=len(footprint.ys),
            area_mm2=measures.area * pixel_mm2,
            bbox_xmin=xmin,
            bbox_xmax=xmax,
            bbox_ymin=ymin,
            bbox_ymax=ymax,
            semimajor_axis=measures.semimajor_axis,
            semiminor_axis=measures.semiminor_axis,
            orientation=measures.orientation,
            transmission_mean=1 - sign * measures.loss_mean,
            transmission_mean_err=measures.loss_mean_err,
            transmission_min=1 - sign * measures.loss_max,
            transmission_min_err=measures.loss_max_err,
            lost_flux=sign * measures.lost_flux,
            lost_flux_err=measures.lost_flux_err,
            snr=footprint.significance,
            edge=footprint.at_edges(self.loss.shape) > 0,
            blend=footprint.blend,
            **self.profiles[index].columns(),
        )


def _loss(
    normalised: Normalised, options: Options, threads: int | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The light that pixels lose, or win, and which are left out: they lose nothing."""
    loss = np.empty(normalised.mask.shape, np.float32)
    every = bands(len(loss))

    def subtract(rows: slice, _: int) -> None:
        np.subtract(np.float32(1), normalised.transmission[rows], out=loss[rows])
        if options.bright:
            np.negative(loss[rows], out=loss[rows])

    parallel_map(subtract, every, threads)
    mask = deviating(loss, normalised.mask, options.mesh, threads)
    parallel_map(lambda rows, _: np.copyto(loss[rows], 0, where=mask[rows]), every, threads)
    return loss, mask
