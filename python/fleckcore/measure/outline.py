"""Apertures of what a search has found: from a row of its catalogue to transmissions, frame by frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.frame import Frame
from fleckcore.measure.cutout import cut_out, grown
from fleckcore.measure.level import level_beside
from fleckcore.measure.transmission import Transmission, core_of, mean_of, sensitivity

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog

__all__ = ["Outline", "measure_outline", "outline_of"]

Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]

LARGE = 6.0
"""Pixels of radius from which a neighbour's model is fitted; a smaller one's pixels are left out."""

SEEN = 0.25
"""Part of a neighbour that must lie beside the feature for its depth to be fitted there."""

EDGE = 3.0
"""Widths of a model's edge beyond which it takes less than a twentieth of its depth."""

GAP = 3
"""Pixels around the mask that tell no background."""

LEAST_EDGE = 2.0
"""Pixels beyond the outline that tell no background."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The aperture of a catalogued feature, in the part of the frame around it; planes of shape (rows, cols).

    Attributes
    ----------
    x, y : float
        0-based place in the frame around which is cut out.
    shape : (int, int)
        Rows and columns that are asked for; beyond the edge of the frame there are none.
    mask : ndarray of bool
        Where the model loses more than half of its depth, without the pixels of small neighbours.
    leave_out : ndarray of bool
        What tells no background: this feature with its hole and edges, and small neighbours.
    neighbours : ndarray of float64, shape (n, rows, cols)
        Which part of their depths large neighbours take where.
    """

    x: float
    y: float
    shape: tuple[int, int]
    mask: Mask
    leave_out: Mask
    neighbours: Plane


def outline_of(catalog: Catalog, index: int, *, margin: float = 0.6) -> Outline:
    """Draw the outline of one row of a catalogue, with all other rows as neighbours.

    Parameters
    ----------
    catalog : Catalog
        Of `fleckcore.find` or `fleckcore.find_all`.
    index : int
        Of the row, from 0.
    margin : float
        Width of the background around the feature, in its own radii; at least 12 pixels.

    Returns
    -------
    Outline
        An ellipse of the fitted radius and axes, of a ring without its hole; where no model was fitted, of the
        measured radius and moments.

    Raises
    ------
    ArrayError
        ``A09`` there is no such row, or other features cover it.
    """
    if not -len(catalog) <= index < len(catalog):
        raise ArrayError(f"row {index} of a catalogue of {len(catalog)}.", code="A09")
    ellipses = [_Ellipse.of(catalog, i) for i in range(len(catalog))]
    own = ellipses.pop(index)
    reach = own.major + own.edge
    half = math.ceil(reach + max(margin * own.major, 12))
    shape = (2 * half + 1, 2 * half + 1)
    y, x = _places(own, shape, catalog.meta["shape"])
    distance = own.distance(y, x)
    mask = (distance <= 1) & (distance >= own.hole)
    covered = distance <= 1 + own.edge / own.minor
    hidden = np.zeros(mask.shape, bool)
    shapes = []
    for one in ellipses:
        loss = one.loss(y, x)
        if one.is_large and np.sum(loss[~covered]) > SEEN * max(np.sum(loss), 1.0):
            shapes.append(loss)
        else:
            hidden |= one.distance(y, x) <= 1 + one.edge / one.minor
    mask &= ~hidden
    if not mask.any():
        raise ArrayError(f"no pixel of row {index} is free of other features.", code="A09")
    neighbours = np.array(shapes).reshape(-1, *mask.shape)
    return Outline(own.x, own.y, shape, mask, covered | hidden, neighbours)


def measure_outline(frame: Frame, outline: Outline, *, degree: int = 2) -> Transmission:
    """Measure the mean transmission of a catalogued feature in one frame.

    Parameters
    ----------
    frame : Frame
        Of the shape that was searched: light, for which 0 is darkness.
    outline : Outline
    degree : {0, 1, 2}
        Of the polynomial that the background is fitted by.

    Returns
    -------
    Transmission
        Of the outline's mask. The errors hold how pixels near each other scatter together. The depth of a model is
        larger, where its edges are soft.

    Raises
    ------
    ArrayError
        ``A09`` too little background is left between the features: draw the outline with a larger margin; ``A12`` a
        frame of another shape.
    """
    cut = cut_out(
        frame, outline.x, outline.y, shape=outline.shape, leave_out=outline.leave_out | outline.mask
    )
    if outline.mask.shape != cut.light.shape:
        raise ArrayError(
            f"the outline has shape {outline.mask.shape}, the cut-out {cut.light.shape}.",
            code="A12",
        )
    level = level_beside(
        cut,
        outline.leave_out | grown(outline.mask, GAP),
        degree=degree,
        neighbours=outline.neighbours,
    )
    light = level.mean(outline.mask)
    flat = replace(cut, light=level.light, error=level.noise)
    inside = outline.mask & flat.usable
    core, core_error = mean_of(flat, core_of(flat, inside))
    return Transmission(
        value=light.mean,
        error=light.error,
        pixel_error=math.hypot(light.error_pixels, light.error_pattern),
        background_error=light.error_level,
        core=core,
        core_error=math.hypot(core_error, light.error_level),
        aperture_error=sensitivity(flat, inside),
        pixels=light.pixels,
    )


@dataclass(frozen=True)
class _Ellipse:
    """Half-axes and edge in pixels, the angle in radians, the hole as a part of the ellipse."""

    x: float
    y: float
    major: float
    minor: float
    angle: float
    hole: float
    edge: float
    is_large: bool

    @classmethod
    def of(cls, catalog: Catalog, index: int) -> _Ellipse:
        """Take the model's numbers where it has them, else what was measured."""

        def first(*names: str) -> float:
            values = [float(getattr(catalog[n][index], "value", catalog[n][index])) for n in names]
            return next((value for value in values if math.isfinite(value)), math.nan)

        radius = max(first("radius_fit", "radius"), 0.5)
        ratio, angle = first("axis_ratio"), first("orientation_fit")
        if math.isnan(first("radius_fit")):
            ratio = first("semiminor_axis") / first("semimajor_axis")
            angle = first("orientation")
        if not (0 < ratio < 1 and math.isfinite(angle)):
            ratio, angle = 1.0, 0.0
        inner = first("radius_inner_fit", "radius_inner")
        is_ring = 0 < inner < radius and not first("fill") > 0.5
        softness = first("softness")
        return cls(
            x=first("x_fit", "x_centroid"),
            y=first("y_fit", "y_centroid"),
            major=radius / math.sqrt(ratio),
            minor=radius * math.sqrt(ratio),
            angle=math.radians(angle),
            hole=inner / radius if is_ring else 0.0,
            edge=max(EDGE * softness, LEAST_EDGE) if softness > 0 else LEAST_EDGE,
            is_large=radius >= LARGE and softness > 0,
        )

    def loss(self, y: Plane, x: Plane) -> Plane:
        """Part of its depth that it takes at rows ``y`` and columns ``x``: soft edges, a hole that takes nothing."""
        distance, width = self.distance(y, x), self.edge / EDGE / self.minor
        outer, inner = ((1 + np.tanh((r - distance) / (2 * width))) / 2 for r in (1.0, self.hole))
        return outer - inner if self.hole else outer

    def distance(self, y: Plane, x: Plane) -> Plane:
        """From the centre, in radii: 1 on the ellipse. ``y`` and ``x`` are those of rows and columns."""
        dy, dx = y[:, None] - self.y, x[None, :] - self.x
        along = dx * math.cos(self.angle) + dy * math.sin(self.angle)
        across = dy * math.cos(self.angle) - dx * math.sin(self.angle)
        return np.hypot(along / self.major, across / self.minor)


def _places(own: _Ellipse, shape: tuple[int, int], frame: tuple[int, int]) -> tuple[Plane, Plane]:
    """Rows and columns of the cut-out (see `cut_out`)."""
    spans = []
    for centre, size, whole in zip((own.y, own.x), shape, frame, strict=True):
        start = round(centre) - size // 2
        spans.append(np.arange(max(start, 0), max(min(start + size, whole), 0), dtype=float))
    if not (spans[0].size and spans[1].size):
        raise ArrayError(f"x={own.x:g}, y={own.y:g} lies outside of the frame.", code="A09")
    return spans[0], spans[1]
