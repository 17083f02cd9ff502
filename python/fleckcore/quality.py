"""Data quality bits: their names, and sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleckcore.errors import MetadataError

__all__ = ["describe_bits", "join_bits"]


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


def describe_bits(value: int, table: Mapping[str, int]) -> tuple[str, ...]:
    """Give the names of the bits set in ``value``, lowest first; unnamed bits as numbers."""
    names = {bit: name for name, bit in table.items()}
    found = [bit for bit in (1 << i for i in range(int(value).bit_length())) if value & bit]
    return tuple(names.get(bit, str(bit)) for bit in found)
