"""The search of several frames of one detector at once: one list, and what each frame says of every row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.combine import FrameMean
from fleckcore.detection.depths import FrameDepths, Template, overlap, templates
from fleckcore.detection.measure import grow
from fleckcore.detection.normalise import Method, Normalised, normalise
from fleckcore.detection.options import DEFAULTS, Options, Shapes
from fleckcore.detection.search import SearchResult, bias_name, search, without_bias
from fleckcore.errors import ArrayError, ArrayTypeError, FleckError, MetadataError
from fleckcore.frame import Frame, FrameMeta, as_frame
from fleckcore.io import require_alike

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog

__all__ = ["JointResult", "find_all", "search_all"]

SEEN_SIGMA = 4.0
"""Errors by which a depth must exceed 0 for a frame to show the feature by itself."""

UNEXPLAINED = 0.5
"""A feature of one frame is new when this part of its depth and of its footprint is not in the joint list.

And when what is left is significant."""

SAME = 0.5
"""Features of two frames are one when their losses correlate by more than this."""

TOGETHER = -1
"""In the column ``found_in``: all frames together."""

_DESCRIPTIONS = {
    "depths": "fraction lost in each frame of meta['frames']: of the model, else the footprint's mean",
    "depths_err": "standard deviation of depths",
    "frames_seen": f"frames whose own depth exceeds {SEEN_SIGMA:g} of its errors",
    "found_in": f"the frame whose search lists it, from 0; {TOGETHER}: all together",
}


@dataclass(frozen=True, eq=False)
class JointResult:
    """What a search of several frames found and what it looked at.

    Attributes
    ----------
    catalog : Catalog
        One row per feature.
    labels : ndarray of int32, shape (rows, cols)
        Footprints; the value is the row's ``label``.
    normalised : Normalised
        The mean of all frames, as it was searched and measured.
    frame : Frame
        The mean of all frames.
    templates : list of Template
        Where each row takes light.
    """

    catalog: Catalog
    labels: NDArray[np.int32]
    normalised: Normalised
    frame: Frame
    templates: list[Template]


def find_all(
    frames: Iterable[Any],
    *,
    mask: Any = None,
    bias: Any = None,
    normalise: Method = DEFAULTS.normalise,
    window: int = DEFAULTS.window,
    shapes: Shapes = DEFAULTS.shapes,
    bright: bool = DEFAULTS.bright,
    false_alarms: float = DEFAULTS.false_alarms,
    min_depth: float = DEFAULTS.min_depth,
    min_area: int = DEFAULTS.min_area,
    threads: int | None = None,
) -> Catalog:
    """Find what stands in front of a detector in several frames of it at once: filters, or repeats.

    The mean of the frames, each over its own light and weighted by its inverse variance, is searched as `find` does,
    then each frame by itself for what only that one shows.

    Parameters
    ----------
    frames : sequence of Frame, ndarray, MaskedArray, Quantity, NDData or CCDData, each of shape (rows, cols)
        Evenly lit frames of one chip, one of which is enough; they may differ in light, exposure and filter.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out of every frame, in addition to the frames' own masks.
    bias : Frame, ndarray of shape (rows, cols), or float, or a list with one of these for each frame, optional
        Subtracted first.
    normalise, window, shapes, bright, min_depth, min_area, threads
        As for `find`; ``normalise`` is not ``"difference"``.
    false_alarms : float
        Expected number of features in frames of pure Gaussian noise, over the whole list: half of them
        in the mean, and half in all frames by themselves.

    Returns
    -------
    Catalog
        The rows of the mean, then those that one frame alone lists; measured where they were found. Further columns:
        ``depths`` and ``depths_err``, shape (n_features, n_frames), the fraction that is lost in each frame, in the
        order given, and one standard deviation (NaN where a frame says nothing); ``frames_seen``, in how many
        frames that exceeds four of its errors; ``found_in``, the frame whose own search lists the row, from 0, or
        -1. ``meta["frames"]`` names the frames.

    Raises
    ------
    ArrayError, ArrayTypeError
        As for `find`; ``A09`` no frame at all, ``A12`` frames of different shapes. The message says which frame.
    MetadataError
        ``M07`` frames of different chips, instruments or units, as many biases as there are not frames, or
        ``normalise="difference"``.

    Notes
    -----
    The order of the frames changes nothing but the order in ``depths`` and what ``found_in`` counts.
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
    return search_all(frames, mask=mask, bias=bias, options=options, threads=threads).catalog


def search_all(
    frames: Iterable[Any],
    *,
    mask: Any = None,
    bias: Any = None,
    options: Options = DEFAULTS,
    threads: int | None = None,
) -> JointResult:
    """Search as `find_all` does, and give the footprints, the mean frame and its normalised image too.

    Parameters
    ----------
    frames, mask, bias, threads
        As for `find_all`.
    options : Options
        How to search.

    Returns
    -------
    JointResult
    """
    if options.normalise == "difference":
        raise MetadataError("several frames have no common reference.", code="M07")
    return _JointSearch(_Lights(frames, mask, bias), options, threads).run()


class _Lights:
    """The frames without their bias, in an order that does not depend on the one in which they were given.

    Made when asked for, so that no more than one is held beside what was given.
    """

    def __init__(self, frames: Iterable[Any], mask: Any, bias: Any) -> None:
        try:
            self._frames = list(frames)
        except TypeError:
            raise ArrayTypeError(
                f"frames is a {type(frames).__name__}, wanted a list of frames.", code="A09"
            ) from None
        if not self._frames:
            raise ArrayError("frames is empty, wanted at least one frame.", code="A09")
        self._mask = mask
        self._biases = self._one_each(bias)
        given = [self._as_frame(number) for number in range(len(self._frames))]
        for number, frame in enumerate(given):
            if frame.shape != given[0].shape:
                raise ArrayError(
                    f"{self.name(number)} has shape {frame.shape}, the first has {given[0].shape}.",
                    code="A12",
                    path=frame.meta.path,
                    extension=frame.meta.extension or None,
                )
        require_alike(given)
        self._about = [frame.meta for frame in given]
        self.digests = [_digest(self._light(i)) for i in range(len(given))]
        self.given = sorted(range(len(given)), key=lambda i: self.digests[i])
        """Position in the order given of each frame in this order."""

    def _one_each(self, bias: Any) -> list[Any]:
        if not isinstance(bias, (list, tuple)):
            return [bias] * len(self._frames)
        if len(bias) != len(self._frames):
            raise MetadataError(
                f"{len(bias)} biases for {len(self._frames)} frames, wanted one, or one for each.",
                code="M07",
            )
        return list(bias)

    def name(self, number: int) -> str:
        """The frame of this number in the order given, for messages."""
        return f"frame {number + 1} of {len(self._frames)}"

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Frame:
        return self._light(self.given[index])

    def _light(self, number: int) -> Frame:
        frame = self._as_frame(number)
        with self.named(number):
            return without_bias(frame, self._biases[number])

    def _as_frame(self, number: int) -> Frame:
        with self.named(number):
            return as_frame(self._frames[number], mask=self._mask)

    @contextmanager
    def named(self, number: int) -> Iterator[None]:
        """Say in an error which frame it is about."""
        try:
            yield
        except FleckError as error:
            raise type(error)(
                f"{self.name(number)}: {error.message}",
                code=error.code,
                path=error.path,
                extension=error.extension,
                advice=error.advice,
            ) from error

    @property
    def meta(self) -> FrameMeta:
        """What is true of all frames."""
        kinds = {about.kind for about in self._about}
        return replace(
            self._about[self.given[0]],
            path=None,
            kind=kinds.pop() if len(kinds) == 1 else "unknown",
            filters=tuple(sorted({name for about in self._about for name in about.filters})),
            exposure_s=None,
            flash_s=None,
            mjd=None,
            rootname="",
            warnings=tuple(sorted({note for about in self._about for note in about.warnings})),
        )

    def describe(self) -> list[dict[str, Any]]:
        """Say what each frame is, in the order given."""
        return [
            {
                "input": about.path.name if about.path else "array",
                "extension": about.extension,
                "filters": list(about.filters),
                "sha256": digest,
                "bias": bias_name(bias),
            }
            for about, digest, bias in zip(self._about, self.digests, self._biases, strict=True)
        ]


def _digest(frame: Frame) -> str:
    total = hashlib.sha256(np.ascontiguousarray(frame.data).data)
    total.update(np.packbits(frame.mask).data)
    if frame.error is not None:
        total.update(np.ascontiguousarray(frame.error).data)
    return total.hexdigest()


@dataclass(frozen=True, eq=False)
class _New:
    """A feature that only the search of one frame lists."""

    frame: int
    row: Any
    template: Template

    @property
    def order(self) -> tuple[float, ...]:
        """Falling significance, then place."""
        return -self.row["snr"], self.row["y_centroid"].value, self.row["x_centroid"].value


class _JointSearch:
    def __init__(self, lights: _Lights, options: Options, threads: int | None) -> None:
        self.lights, self.options, self.threads = lights, options, threads
        half = replace(options, false_alarms=options.false_alarms / 2)
        self.of_mean = options if len(lights) == 1 else half
        self.of_each = replace(half, false_alarms=half.false_alarms / len(lights))

    def run(self) -> JointResult:
        frame, shares = self._mean()
        joint = search(frame, options=self.of_mean, threads=self.threads)
        known = templates(joint)
        new = self._new(joint, known) if len(self.lights) > 1 else []
        every = known + [one.template for one in new]
        depths, errors = np.full((2, len(every), len(self.lights)), np.nan)
        for k, number in enumerate(self.lights.given):
            light = self.lights[k]
            if not light.mask.all():
                measured = FrameDepths(light, every, self.options, self.threads)
                depths[:, number], errors[:, number] = measured.depth, measured.error
        labels = joint.labels
        for label, one in enumerate(new, start=len(known) + 1):
            part = labels[one.template.cut]
            part[one.template.footprint & (part == 0)] = label
        catalog = self._catalog(joint, new, depths, errors)
        catalog.meta |= self._meta(shares)
        return JointResult(catalog, labels, joint.normalised, frame, every)

    def _mean(self) -> tuple[Frame, list[float]]:
        """Give the mean of the frames, and the part of each in it; of one frame, that frame."""
        if len(self.lights) == 1:
            return self.lights[0], [1.0]
        mean, shares = FrameMean(self.lights[0].shape), []
        for k, number in enumerate(self.lights.given):
            light = self.lights[k]
            if light.mask.all():
                shares.append(0.0)
                continue
            with self.lights.named(number):
                normalised = normalise(
                    light,
                    "none" if self.options.normalise == "none" else "ratio",
                    window=self.options.window,
                    stripe_window=self.options.stripe_window,
                    unlit_below=self.options.unlit_below,
                    threads=self.threads,
                )
            mean.add(normalised, self.threads)
            shares.append(mean.weights[-1])
        total = sum(shares) or 1.0
        return mean.frame(self.lights.meta), [share / total for share in shares]

    def _new(self, joint: SearchResult, known: list[Template]) -> list[_New]:
        """What the searches of the frames by themselves list beyond the joint one, each once."""
        compact = [t for t in known if not t.radius]
        covered = np.zeros(joint.labels.shape, bool)
        for template in compact:
            covered[template.cut] |= grow(template.footprint, 2)
        found = [one for k in range(len(self.lights)) for one in self._new_in(k, known, covered)]
        kept: list[_New] = []
        for one in sorted(found, key=lambda one: one.order):
            if all(overlap(one.template, other.template) <= SAME for other in kept):
                kept.append(one)
        return kept

    def _new_in(self, k: int, known: list[Template], covered: NDArray[np.bool_]) -> Iterator[_New]:
        """Give the rows of a frame's own search that the joint list does not explain."""
        frame = self.lights[k]
        own = search(frame, options=self.of_each, threads=self.threads)
        features = templates(own)
        if not features:
            return
        depth = FrameDepths(frame, features, self.options, self.threads).depth
        explained = FrameDepths(frame, known, self.options, self.threads)
        for row, template, alone in zip(own.catalog, features, depth, strict=True):
            free = ~covered[template.cut]
            footprint = template.footprint
            if np.count_nonzero(footprint & free) < UNEXPLAINED * np.count_nonzero(footprint):
                continue
            left, error = explained.fit(replace(template, fitted=template.fitted & free))
            if left > max(SEEN_SIGMA * error, UNEXPLAINED * alone):
                yield _New(self.lights.given[k], row, template)

    def _catalog(
        self, joint: SearchResult, new: list[_New], depths: NDArray[Any], errors: NDArray[Any]
    ) -> Catalog:
        from astropy.table import Column, vstack

        from fleckcore.detection.catalog import Catalog

        rows = [joint.catalog, *(Catalog(one.row) for one in new)]
        catalog = Catalog(vstack(rows, metadata_conflicts="silent"), copy=False)
        catalog.meta = joint.catalog.meta
        catalog["label"] = np.arange(1, len(catalog) + 1)
        with np.errstate(invalid="ignore"):
            seen = np.count_nonzero(depths > SEEN_SIGMA * errors, axis=1)
        found_in = [TOGETHER] * len(joint.catalog) + [one.frame for one in new]
        for name, values in (
            ("depths", depths),
            ("depths_err", errors),
            ("frames_seen", seen.astype(np.int64)),
            ("found_in", np.array(found_in, np.int64)),
        ):
            catalog[name] = Column(values, description=_DESCRIPTIONS[name])
        return catalog

    def _meta(self, shares: list[float]) -> dict[str, Any]:
        """What the table says of all frames, and of each."""
        from fleckcore.detection.catalog import plain_values

        about = self.lights.describe()
        for number, share in zip(self.lights.given, shares, strict=True):
            about[number]["weight"] = share
        biases = list(dict.fromkeys(frame["bias"] for frame in about))
        meta = {
            "input": f"{len(about)} frame{'' if len(about) == 1 else 's'} together",
            "bias": ", ".join(biases),
            "parameters": asdict(self.options),
            "frames": about,
        }
        plain: dict[str, Any] = plain_values(meta)
        return plain
