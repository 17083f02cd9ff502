"""CHECKSUM and DATASUM of the parts of a file."""

from __future__ import annotations

from fleckcore.errors import InputFileError
from fleckcore.io.blocks import BLOCK, Blocks, Hdu
from fleckcore.kernels import word_sum

__all__ = ["ones_sum", "verify_hdu"]


def ones_sum(data: memoryview | bytes, start: int = 0) -> int:
    """32-bit ones' complement sum of big-endian words, as CHECKSUM and DATASUM use.

    ``data`` is padded with zeros to whole words.
    """
    body = len(data) // 4 * 4
    total = start + word_sum(data)
    total += int.from_bytes(bytes(data[body:]).ljust(4, b"\0"), "big") if body < len(data) else 0
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def verify_hdu(blocks: Blocks, hdu: Hdu) -> tuple[bool, tuple[str, ...]]:
    """Check the CHECKSUM and DATASUM of one part, where it has them.

    Returns
    -------
    verified : bool
        False where the part carries no sum that can be trusted.
    warnings : tuple of str
        A header that was edited after its CHECKSUM was written, above data that are sound; or
        sums that IRAF carried along from another image, as its image kernel does not maintain
        them.

    Raises
    ------
    InputFileError
        ``I03``: the data are not those that the sums were made of.
    """
    stop = -(-hdu.data_stop // BLOCK) * BLOCK
    datasum = str(hdu.header.get("DATASUM", "")).strip()
    has_checksum = bool(str(hdu.header.get("CHECKSUM", "")).strip("0 "))
    if not datasum.isdigit() and not has_checksum:
        return False, ()
    data = ones_sum(blocks.bytes[hdu.data_start : stop])
    whole = ones_sum(blocks.bytes[hdu.start : hdu.data_start], data)
    whole_fits = not has_checksum or whole in (0, 0xFFFFFFFF)
    data_fit = data == int(datasum) if datasum.isdigit() else whole_fits
    if data_fit and whole_fits:
        return True, ()
    if data_fit:
        return True, (f"I03 the header of {hdu.label} was changed after its CHECKSUM was written",)
    if str(hdu.header.get("ORIGIN", "")).startswith("NOAO-IRAF"):
        return False, (f"I03 the sums of {hdu.label} do not fit, but IRAF does not maintain them",)
    raise InputFileError(
        f"the data sum up to {data}, DATASUM says {datasum or 'nothing'}, and CHECKSUM "
        f"{'fits' if whole_fits else 'does not fit'}: bits were flipped.",
        code="I03",
        path=blocks.path,
        extension=hdu.label,
        advice="Download it again.",
    )
