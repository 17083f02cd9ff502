"""How the kernels were built and how they run."""

from __future__ import annotations

from typing import Any

from fleckcore import _core
from fleckcore.errors import FleckError
from fleckcore.kernels._tuning import tuning_in_use


def build_config() -> dict[str, Any]:
    """Say how the kernels were built and how they run here.

    Returns
    -------
    dict
        ``isa``, the instruction set in use, and ``isas``, those that could be; ``threads``, used when nobody says how
        many; ``tuning``, the profile of `fleckcore.tune` in use, its file's name and a hash of its bytes, or None.
    """
    tuning = tuning_in_use()
    return {
        "isa": _core.active_isa(),
        "isas": tuple(_core.available_isas()),
        "threads": default_threads(),
        "tuning": tuning,
    }


def default_threads() -> int:
    """Threads used when ``threads=None``: ``FLECKCORE_NUM_THREADS``, else affinity, cgroup quota and tuning (R12)."""
    tuning_in_use()
    try:
        return int(_core.default_threads())
    except ValueError as error:
        raise FleckError(f"{error}.", code="R12", advice="Set it right, or unset it.") from None
