"""What a report claims, as data, beside what was measured."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fleckcore.errors import MetadataError

__all__ = ["Check", "Claim", "Measured", "Verdict", "judge", "load_claims"]

SIGMAS = 3.0
"""A measurement agrees with a value within so many of its own errors, besides the value's own."""


@dataclass(frozen=True)
class Measured:
    """A number with its error, and its unit."""

    value: float
    error: float = 0.0
    unit: str = ""

    def __str__(self) -> str:
        text = f"{self.value:.5g}"
        if self.error:
            digits = max(0, 1 - math.floor(math.log10(self.error)))
            text = f"{self.value:.{digits}f} ± {self.error:.{digits}f}"
        return f"{text} {self.unit}".strip()


@dataclass(frozen=True)
class Check:
    """One number of a claim.

    Attributes
    ----------
    quantity : str
        Name of what is measured.
    value : float, optional
        The report's number. Agrees within ``SIGMAS`` errors of the measurement and ``within``.
    within : float
        How well the report knows its number.
    at_least, at_most : float, optional
        Bounds; agrees where the measurement does not contradict them by more than ``SIGMAS`` of its errors.
    precision : float
        The largest error with which a measurement says anything.
    """

    quantity: str
    value: float | None = None
    within: float = 0.0
    at_least: float | None = None
    at_most: float | None = None
    precision: float = math.inf

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.value:g}" + (f" ± {self.within:g}" if self.within else "")
        low = "" if self.at_least is None else f"{self.at_least:g} or more"
        high = "" if self.at_most is None else f"{self.at_most:g} or less"
        return f"{low}{' and ' if low and high else ''}{high}"

    def holds(self, measured: Measured) -> bool:
        """Tell whether a measurement agrees; one that is no number, or knows too little, does not."""
        room = SIGMAS * measured.error + self.within
        if not math.isfinite(measured.value + room) or measured.error > self.precision:
            return False
        return (
            (self.value is None or abs(measured.value - self.value) <= room)
            and (self.at_least is None or measured.value >= self.at_least - room)
            and (self.at_most is None or measured.value <= self.at_most + room)
        )


@dataclass(frozen=True)
class Claim:
    """A statement of the report.

    Attributes
    ----------
    number : int
        Of the list.
    section : str
        Where the report says it.
    text : str
        The statement.
    checks : tuple of Check
        All must hold.
    why : str
        Why it cannot agree, or what the agreement means.
    """

    number: int
    section: str
    text: str
    checks: tuple[Check, ...]
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim and what was measured.

    Attributes
    ----------
    claim : Claim
        The statement.
    measured : tuple of (Measured or None)
        For each check.
    agrees : bool
        All were measured, and hold.
    """

    claim: Claim
    measured: tuple[Measured | None, ...]
    agrees: bool


def load_claims(path: Path | None = None) -> tuple[Claim, ...]:
    """Read claims from a TOML file, by default those of ACS ISR 2018-03.

    Raises
    ------
    MetadataError
        ``M08``: the file is not what it should be; the message names the place.
    """
    source = path or files("fleckcore.reproduce") / "claims.toml"
    try:
        found = tomllib.loads(source.read_text(encoding="utf-8"))["claims"]
        return tuple(_claims(found))
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise MetadataError(f"the claims cannot be read: {error}.", code="M08", path=path) from None


def _claims(found: list[dict[str, Any]]) -> Iterator[Claim]:
    for entry in found:
        checks = tuple(Check(**check) for check in entry["checks"])
        yield Claim(**{**entry, "checks": checks})


def judge(claims: tuple[Claim, ...], measured: Mapping[str, Measured]) -> tuple[Verdict, ...]:
    """Hold each claim against what was measured."""
    verdicts = []
    for claim in claims:
        values = tuple(measured.get(check.quantity) for check in claim.checks)
        agrees = all(
            value is not None and check.holds(value)
            for check, value in zip(claim.checks, values, strict=True)
        )
        verdicts.append(Verdict(claim, values, agrees))
    return tuple(verdicts)
