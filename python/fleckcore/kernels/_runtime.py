"""How the kernels were built and how they run."""

from __future__ import annotations

from typing import Any

from fleckcore import _core
from fleckcore.errors import FleckError


def build_config() -> dict[str, Any]:
    """Say how the kernels were built and how they run here."""
    return {
        "isa": _core.active_isa(),
        "isas": tuple(_core.available_isas()),
        "threads": default_threads(),
    }


def default_threads() -> int:
    """Threads used when ``threads=None``: ``FLECKCORE_NUM_THREADS``, else affinity and cgroup quota (R12)."""
    try:
        return int(_core.default_threads())
    except ValueError as error:
        raise FleckError(f"{error}.", code="R12", advice="Set it right, or unset it.") from None
