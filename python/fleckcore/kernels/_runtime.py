"""How the kernels were built and how they run."""

from __future__ import annotations

from typing import Any

from fleckcore import _core


def build_config() -> dict[str, Any]:
    """Say how the kernels were built and how they run here."""
    return {
        "isa": _core.active_isa(),
        "isas": tuple(_core.available_isas()),
        "threads": _core.default_threads(),
    }


def default_threads() -> int:
    """Threads used when ``threads=None``: ``FLECKCORE_NUM_THREADS``, else affinity and cgroup quota (R12)."""
    return int(_core.default_threads())
