"""Sets of data quality bits, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleckcore.errors import MetadataError

__all__ = ["join_bits"]


def join_bits(names: Iterable[str], table: Mapping[str, int]) -> int:
    """OR the bits of ``names``; a name that ``table`` does not have is a `MetadataError` (M06)."""
    bits = 0
    for name in names:
        if name not in table:
            raise MetadataError(
                f"unknown quality flag {name!r}, wanted one of {', '.join(table)}.", code="M06"
            )
        bits |= table[name]
    return bits
