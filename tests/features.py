"""Features made up for tests of catalogues, regions and figures."""

from __future__ import annotations

import math
from typing import Any

from fleckcore.detection.feature import Feature

_PLAIN: dict[str, Any] = {
    "label": 1,
    "chip": 2,
    "x_centroid": 40.25,
    "y_centroid": 30.5,
    "x_peak": 40,
    "y_peak": 30,
    "radius": 6.0,
    "radius_inner": math.nan,
    "area": 113,
    "area_50": 60,
    "area_detected": 101,
    "area_mm2": 113 * 2.25e-4,
    "bbox_xmin": 34,
    "bbox_xmax": 46,
    "bbox_ymin": 24,
    "bbox_ymax": 36,
    "semimajor_axis": 3.5,
    "semiminor_axis": 2.5,
    "orientation": 30.0,
    "transmission_mean": 0.1 + 0.2,
    "transmission_mean_err": 1e-3,
    "transmission_min": -0.01,
    "transmission_min_err": 0.02,
    "lost_flux": 4321.0,
    "lost_flux_err": 17.5,
    "snr": 88.0,
    "kind": "fleck",
    "kind_probability": 0.9,
    "edge": False,
    "blend": True,
}


def feature(**changes: Any) -> Feature:
    """Give one feature, a fleck at x=40.25, y=30.5 unless ``changes`` say otherwise."""
    return Feature(**{**_PLAIN, **changes})
