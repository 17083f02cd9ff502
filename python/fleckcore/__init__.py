"""fleckcore finds, measures, dates and flags what sits in front of a detector."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fleckcore._version import __version__

if TYPE_CHECKING:
    from fleckcore.bench.tuning import tune
    from fleckcore.detection.catalog import Catalog
    from fleckcore.detection.completeness import Completeness, completeness
    from fleckcore.detection.joint import JointResult, find_all, search_all
    from fleckcore.detection.search import Options, SearchResult, find, search
    from fleckcore.errors import FleckError
    from fleckcore.frame import Frame, FrameMeta
    from fleckcore.io.read import read
    from fleckcore.kernels import (
        build_config,
        label_components,
        median_filter,
        mesh_statistics,
        trail_scan,
    )

__all__ = [
    "Catalog",
    "Completeness",
    "FleckError",
    "Frame",
    "FrameMeta",
    "JointResult",
    "Options",
    "SearchResult",
    "__version__",
    "build_config",
    "completeness",
    "find",
    "find_all",
    "label_components",
    "median_filter",
    "mesh_statistics",
    "read",
    "search",
    "search_all",
    "trail_scan",
    "tune",
]

_HOMES = {
    "Catalog": "fleckcore.detection.catalog",
    "Completeness": "fleckcore.detection.completeness",
    "FleckError": "fleckcore.errors",
    "Frame": "fleckcore.frame",
    "FrameMeta": "fleckcore.frame",
    "JointResult": "fleckcore.detection.joint",
    "Options": "fleckcore.detection.search",
    "SearchResult": "fleckcore.detection.search",
    "build_config": "fleckcore.kernels",
    "completeness": "fleckcore.detection.completeness",
    "find": "fleckcore.detection.search",
    "find_all": "fleckcore.detection.joint",
    "label_components": "fleckcore.kernels",
    "median_filter": "fleckcore.kernels",
    "mesh_statistics": "fleckcore.kernels",
    "read": "fleckcore.io",
    "search": "fleckcore.detection.search",
    "search_all": "fleckcore.detection.joint",
    "trail_scan": "fleckcore.kernels",
    "tune": "fleckcore.bench.tuning",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import fleckcore`` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fleckcore' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
