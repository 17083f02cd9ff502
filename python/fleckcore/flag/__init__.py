"""Flags that a pipeline can use: bad-pixel tables, quality planes, masks of other formats, and what comes of them."""

from fleckcore.flag.check import Finding, check_table, name_bits
from fleckcore.flag.coverage import Coverage, coverage, dither_offsets, uncovered
from fleckcore.flag.delta import (
    DeltaFlat,
    DepthMap,
    DepthTest,
    chance_above,
    delta_flat,
    depth_of_stacks,
)
from fleckcore.flag.formats import FORMATS, Format, read_masks, write_masks
from fleckcore.flag.preview import ChipLoss, Drizzled, Preview, Rejection, preview
from fleckcore.flag.table import (
    Applied,
    apply_table,
    decode_table,
    deliver_table,
    encode_bits,
    encode_masks,
    flagging_of,
    join_tables,
)

__all__ = [
    "FORMATS",
    "Applied",
    "ChipLoss",
    "Coverage",
    "DeltaFlat",
    "DepthMap",
    "DepthTest",
    "Drizzled",
    "Finding",
    "Format",
    "Preview",
    "Rejection",
    "apply_table",
    "chance_above",
    "check_table",
    "coverage",
    "decode_table",
    "deliver_table",
    "delta_flat",
    "depth_of_stacks",
    "dither_offsets",
    "encode_bits",
    "encode_masks",
    "flagging_of",
    "join_tables",
    "name_bits",
    "preview",
    "read_masks",
    "uncovered",
    "write_masks",
]
