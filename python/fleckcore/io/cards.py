"""FITS cards to values, forgivingly, and header text made safe."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

__all__ = ["Header", "clean_text", "first_number", "first_text", "parse_cards", "safe_name"]

Value = str | int | float | bool
Header = Mapping[str, Value]

CARD = 80
_STRING = re.compile(r"'((?:[^']|'')*)'?")
_INTEGER = re.compile(r"[+-]?\d+")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EDed][+-]?\d+)?")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


def parse_cards(block: bytes) -> dict[str, Value]:
    """Read the cards before END.

    Dialects that break the standard are read as they were meant: ``SIMPLE  =   T/TEXT``,
    exponents of three digits, an unclosed string, bytes that are not ASCII. A keyword that is
    repeated keeps its first value; commentary and cards without a value are left out.

    Parameters
    ----------
    block : bytes
        The header, a multiple of 80 bytes.

    Returns
    -------
    dict of str to str, int, float or bool
        Strings without trailing blanks, not yet cleaned: see `clean_text`.
    """
    header: dict[str, Value] = {}
    for start in range(0, len(block), CARD):
        card = block[start : start + CARD].decode("latin-1")
        keyword, value = _split(card)
        if keyword and keyword not in header:
            header[keyword] = _value(value)
    return header


def _split(card: str) -> tuple[str, str]:
    if card.startswith("HIERARCH "):
        keyword, found, value = card[9:].partition("=")
        return (keyword.strip(), value) if found else ("", "")
    return (card[:8].rstrip(), card[9:]) if card[8:9] == "=" else ("", "")


def _value(text: str) -> Value:
    text = text.strip(" \0")
    if text.startswith("'"):
        match = _STRING.match(text)
        return match[1].replace("''", "'").rstrip() if match else ""
    token = text.partition("/")[0].strip()
    if token in ("T", "F"):
        return token == "T"
    if _INTEGER.fullmatch(token):
        return int(token)
    if _REAL.fullmatch(token):
        return float(token.upper().replace("D", "E"))
    return token


def clean_text(text: str) -> str:
    """Strip terminal escapes and every character that is not printable ASCII (I20)."""
    text = _ESCAPE.sub("", text)
    return "".join(c for c in text if " " <= c <= "~").strip()


def safe_name(text: str) -> str:
    """Make any text a plain file name part that cannot leave its folder (I17).

    Letters, digits and ``. _ + -`` stay, every other run of characters becomes one ``_``; no
    leading dot or dash, at most 100 characters, ``"unnamed"`` where nothing is left.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]+", "_", clean_text(text))
    name = re.sub(r"\.\.+", ".", name).lstrip("._-")
    return name[:100].rstrip("._") or "unnamed"


def first_text(header: Header, keywords: Iterable[str]) -> str:
    """Give the first non-blank value among keywords as clean text, else ``""``."""
    for keyword in keywords:
        text = clean_text(str(header.get(keyword, "")))
        if text:
            return text
    return ""


def first_number(header: Header, keywords: Iterable[str]) -> float | None:
    """Give the first finite number among keywords; a bool or text is none."""
    for keyword in keywords:
        value = header.get(keyword)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                continue
            if math.isfinite(number):
                return number
    return None
