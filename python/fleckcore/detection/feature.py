"""What is known of one feature. The columns of every catalogue are generated from this class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple, get_type_hints

__all__ = ["COLUMNS", "FRAME_UNIT", "KINDS", "Column", "Feature"]

KINDS = ("fleck", "disc", "ring", "streak", "column", "seam", "edge", "bright")
"""What a feature can be."""

FRAME_UNIT = "frame"
"""Stands for the unit of the frame that was searched."""


class Column(NamedTuple):
    """A column of a catalogue."""

    name: str
    dtype: type
    unit: str
    description: str


class _About(NamedTuple):
    unit: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature, measured on the frame before any filter.

    Positions are 0-based pixel centres, x = column, y = row of the trimmed frame. What is not known
    is NaN. `COLUMNS` lists name, type, unit and meaning of every field.
    """

    label: Annotated[int, _About("", "value of the feature in the label image, from 1")]
    chip: Annotated[int, _About("", "CCDCHIP, -1 when unknown")]
    x_centroid: Annotated[float, _About("pix", "loss-weighted centre, column")]
    y_centroid: Annotated[float, _About("pix", "loss-weighted centre, row")]
    x_peak: Annotated[int, _About("pix", "column of the pixel that loses most")]
    y_peak: Annotated[int, _About("pix", "row of the pixel that loses most")]
    radius: Annotated[
        float,
        _About(
            "pix",
            "outer radius, at 5 % of the largest loss; at 50 % of a model",
        ),
    ]
    radius_inner: Annotated[
        float,
        _About("pix", "inner radius of a ring, at half of its loss; else 0"),
    ]
    area: Annotated[int, _About("pix2", "pixels that lose more than 5 %")]
    area_50: Annotated[int, _About("pix2", "pixels that lose more than 50 %")]
    area_detected: Annotated[int, _About("pix2", "pixels of the detection footprint")]
    area_mm2: Annotated[float, _About("mm2", "area on the detector")]
    bbox_xmin: Annotated[int, _About("pix", "first column of the footprint")]
    bbox_xmax: Annotated[int, _About("pix", "last column of the footprint, inclusive")]
    bbox_ymin: Annotated[int, _About("pix", "first row of the footprint")]
    bbox_ymax: Annotated[int, _About("pix", "last row of the footprint, inclusive")]
    semimajor_axis: Annotated[float, _About("pix", "1-sigma length of the major axis")]
    semiminor_axis: Annotated[float, _About("pix", "1-sigma length of the minor axis")]
    orientation: Annotated[float, _About("deg", "of the major axis, from +x towards +y")]
    transmission_mean: Annotated[float, _About("", "mean transmission over area")]
    transmission_mean_err: Annotated[float, _About("", "standard deviation of it")]
    transmission_min: Annotated[float, _About("", "least transmission")]
    transmission_min_err: Annotated[float, _About("", "standard deviation of it")]
    lost_flux: Annotated[float, _About(FRAME_UNIT, "light lost over area, < 0 when gained")]
    lost_flux_err: Annotated[float, _About(FRAME_UNIT, "standard deviation of it")]
    snr: Annotated[float, _About("", "detection significance, in sigma")]
    edge: Annotated[bool, _About("", "touches the edge of the frame")]
    blend: Annotated[bool, _About("", "overlaps another feature")]
    x_fit: Annotated[float, _About("pix", "centre of the model, column")] = math.nan
    x_err: Annotated[float, _About("pix", "standard deviation of x_fit")] = math.nan
    y_fit: Annotated[float, _About("pix", "centre of the model, row")] = math.nan
    y_err: Annotated[float, _About("pix", "standard deviation of y_fit")] = math.nan
    radius_fit: Annotated[
        float, _About("pix", "of the model at half its loss, geometric mean of the axes")
    ] = math.nan
    radius_err: Annotated[float, _About("pix", "standard deviation of radius_fit")] = math.nan
    axis_ratio: Annotated[float, _About("", "minor over major axis of the model")] = math.nan
    axis_ratio_err: Annotated[float, _About("", "standard deviation of axis_ratio")] = math.nan
    orientation_fit: Annotated[
        float, _About("deg", "of the model's major axis, from +x towards +y")
    ] = math.nan
    orientation_err: Annotated[
        float, _About("deg", "standard deviation of orientation_fit; 52: any direction")
    ] = math.nan
    radius_inner_fit: Annotated[
        float, _About("pix", "of the model's hole, where it is resolved")
    ] = math.nan
    radius_inner_err: Annotated[float, _About("pix", "standard deviation of radius_inner_fit")] = (
        math.nan
    )
    fill: Annotated[
        float, _About("", "loss in the model's hole over its rim's, 1 without a hole")
    ] = math.nan
    fill_err: Annotated[float, _About("", "standard deviation of fill")] = math.nan
    depth: Annotated[float, _About("", "fraction lost (or gained) in the model's rim or disc")] = (
        math.nan
    )
    depth_err: Annotated[float, _About("", "standard deviation of depth")] = math.nan
    softness: Annotated[float, _About("pix", "width of the model's edges, a logistic scale")] = (
        math.nan
    )
    softness_err: Annotated[float, _About("pix", "standard deviation of softness")] = math.nan
    residual: Annotated[float, _About("", "rms of frame minus model over the expected noise")] = (
        math.nan
    )
    edge_run: Annotated[
        float, _About("", "length along the border of the light, over reach from it")
    ] = 0.0
    seam_run: Annotated[
        float, _About("", "length along an amplifier's seam, over width about it")
    ] = 0.0
    end_distance: Annotated[
        float,
        _About("pix", "along a column to an amplifier's border or a defect"),
    ] = math.nan
    kind: Annotated[str, _About("", "fleck, disc, ring, streak, column, seam, edge or bright")] = ""
    kind_probability: Annotated[float, _About("", "that kind is right, given the errors")] = (
        math.nan
    )
    p_fleck: Annotated[float, _About("", "probability of a fleck")] = math.nan
    p_disc: Annotated[float, _About("", "probability of a disc")] = math.nan
    p_ring: Annotated[float, _About("", "probability of a ring")] = math.nan
    p_streak: Annotated[float, _About("", "probability of a streak")] = math.nan
    p_column: Annotated[float, _About("", "probability of a column")] = math.nan
    p_seam: Annotated[float, _About("", "probability of a seam")] = math.nan
    p_edge: Annotated[float, _About("", "probability of an edge")] = math.nan
    p_bright: Annotated[float, _About("", "probability of a bright feature")] = math.nan


def _columns() -> tuple[Column, ...]:
    hints = get_type_hints(Feature, include_extras=True)
    return tuple(
        Column(name, hint.__origin__, *hint.__metadata__[0]) for name, hint in hints.items()
    )


COLUMNS: tuple[Column, ...] = _columns()
"""The columns of a catalogue, in order."""
