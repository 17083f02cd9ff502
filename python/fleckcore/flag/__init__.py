"""Flags that a pipeline can use: tables of bad pixels, quality planes, masks in other formats, and what comes of them."""

from fleckcore.flag.check import Finding, check_table, name_bits
from fleckcore.flag.table import (
    Applied,
    apply_table,
    decode_table,
    deliver_table,
    encode_bits,
    encode_masks,
    join_tables,
)

__all__ = [
    "Applied",
    "Finding",
    "apply_table",
    "check_table",
    "decode_table",
    "deliver_table",
    "encode_bits",
    "encode_masks",
    "join_tables",
    "name_bits",
]
