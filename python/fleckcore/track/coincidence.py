"""Whether features appear together with what was done to the observatory: anneals, safings, filter moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError

__all__ = ["Coincidence", "find_coincidences"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Coincidence:
    """How often births follow one kind of occurrence, and how often they would by chance.

    Attributes
    ----------
    kind : str
        Of the occurrences.
    births, together : int
        Births, those at one time counted once, and those that coincide with an occurrence.
    expected : float
        Coincidences by chance.
    chance : float
        Probability of as many or more, were the births at random times.
    matched : tuple of (int, float)
        Birth and MJD of the occurrence.
    """

    kind: str
    births: int
    together: int
    expected: float
    chance: float
    matched: tuple[tuple[int, float], ...]


def find_coincidences(
    births: Sequence[tuple[float, float]],
    occurrences: Sequence[tuple[str, float]],
    *,
    span: tuple[float, float],
    within_days: float = 1.0,
) -> tuple[Coincidence, ...]:
    """Say for every kind of occurrence whether births follow it more often than by chance.

    A birth coincides with an occurrence in its interval, or up to ``within_days`` before it. Births whose intervals
    overlap are one. By chance, an interval of the same length lies anywhere in ``span``.

    Parameters
    ----------
    births : sequence of (float, float)
        MJD of the last frame without and the first with each.
    occurrences : sequence of (str, float)
        Kind and MJD.
    span : (float, float)
        MJD of the first and last frame.
    within_days : float
        How long after an occurrence a birth may follow it.

    Returns
    -------
    tuple of Coincidence
        A kind each, by name.

    Raises
    ------
    ArrayError
        ``A09`` dates that are not finite, not in order, or outside of the span.
    """
    start, end = span
    if not (np.isfinite(span).all() and start < end and within_days >= 0):
        raise ArrayError(
            f"span={span}, within_days={within_days}: wanted rising dates, and 0 or more.",
            code="A09",
        )
    for after, before in births:
        if not start <= after <= before <= end:
            raise ArrayError(f"a birth from {after} to {before} is not in {span}.", code="A09")
    dates = np.array([mjd for _, mjd in occurrences], float)
    if not np.isfinite(dates).all():
        raise ArrayError("the date of an occurrence is not finite.", code="A09")
    separate = _separate(births)
    kinds = np.array([kind for kind, _ in occurrences])
    return tuple(
        _of_kind(str(kind), np.sort(dates[kinds == kind]), separate, span, within_days)
        for kind in np.unique(kinds)
    )


def _separate(births: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join births whose intervals overlap: each joined one lies in what they share."""
    joined: list[tuple[float, float]] = []
    for after, before in sorted(births):
        if joined and after < joined[-1][1]:
            joined[-1] = after, min(before, joined[-1][1])
        else:
            joined.append((after, before))
    return joined


def _of_kind(
    kind: str,
    dates: Floats,
    births: Sequence[tuple[float, float]],
    span: tuple[float, float],
    within: float,
) -> Coincidence:
    matched = []
    for number, (after, before) in enumerate(births):
        hit = dates[(dates >= after - within) & (dates <= before)]
        if hit.size:
            matched.append((number, float(hit[-1])))
    chances = [_share(dates, before - after, span, within) for after, before in births]
    return Coincidence(
        kind=kind,
        births=len(births),
        together=len(matched),
        expected=float(sum(chances)),
        chance=_at_least(len(matched), chances),
        matched=tuple(matched),
    )


def _share(dates: Floats, length: float, span: tuple[float, float], within: float) -> float:
    """Give the part of all places of an interval in which it coincides with one of the dates."""
    low, high = span[0], span[1] - length
    if high <= low:
        return float(((dates >= low - within) & (dates <= span[1])).any())
    covered, reached = 0.0, low
    for date in dates.tolist():
        first, last = max(date - length, reached), min(date + within, high)
        if last > first:
            covered += last - first
            reached = last
    return min(1.0, covered / (high - low))


def _at_least(count: int, chances: Sequence[float]) -> float:
    """Give the probability of so many successes or more, each with its own chance."""
    chance = np.array([1.0])
    for one in chances:
        chance = np.append(chance * (1 - one), 0.0) + np.append(0.0, chance * one)
    return float(min(1.0, chance[count:].sum()))
