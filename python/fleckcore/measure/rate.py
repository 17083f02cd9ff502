"""How often something happens, from how often it was seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fleckcore.errors import ArrayError

__all__ = ["EventRate", "count_events", "rate_of_events"]

_HALVINGS = 100


@dataclass(frozen=True, kw_only=True)
class EventRate:
    """How many events a year, from a count.

    Attributes
    ----------
    count : int
        Events that were seen.
    years : float
        For how long.
    confidence : float
        Of the interval, and of the limit.
    low, high : float
        Ends of the central interval, events a year (Garwood 1936, Biometrika 28, 437): each is missed with a
        probability of at most half of what `confidence` leaves.
    limit : float
        One-sided upper limit, events a year.
    """

    count: int
    years: float
    confidence: float
    low: float
    high: float
    limit: float

    @property
    def rate(self) -> float:
        """Events a year."""
        return self.count / self.years


def count_events(mjd: Iterable[float], *, within_days: float = 1.0) -> int:
    """Count events: what appeared together counts once.

    Parameters
    ----------
    mjd : iterable of float
        When each feature appeared, in any order, MJD.
    within_days : float
        Features that appeared no more than so many days after the one before them belong to its event.

    Returns
    -------
    int

    Raises
    ------
    ArrayError
        ``A09`` a date that is not finite.
    """
    dates = sorted(mjd)
    if not all(map(math.isfinite, dates)):
        raise ArrayError("a date of appearance is not finite.", code="A09")
    return sum(i == 0 or date - dates[i - 1] > within_days for i, date in enumerate(dates))


def rate_of_events(count: int, years: float, *, confidence: float = 0.95) -> EventRate:
    """Give the rate of events that come at random, independently of each other.

    Parameters
    ----------
    count : int
        Events that were seen; see `count_events`.
    years : float
        Time in which they would have been seen.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    EventRate

    Raises
    ------
    ArrayError
        ``A09`` a number out of range.
    """
    if not (count >= 0 and 0 < years < math.inf and 0 < confidence < 1):
        raise ArrayError(
            f"count={count}, years={years}, confidence={confidence}: wanted a count from 0 on, years above 0 and "
            "a confidence between 0 and 1.",
            code="A09",
        )
    half = (1 - confidence) / 2
    return EventRate(
        count=count,
        years=years,
        confidence=confidence,
        low=_mean_with(count - 1, 1 - half) / years if count else 0.0,
        high=_mean_with(count, half) / years,
        limit=_mean_with(count, 1 - confidence) / years,
    )


def _mean_with(most: int, chance: float) -> float:
    """Give the mean of the Poisson distribution that has ``most`` events or fewer with this probability."""
    low, high = 0.0, 1.0
    while _at_most(most, high) > chance:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(most, middle) > chance else (low, middle)
    return (low + high) / 2


def _at_most(most: int, mean: float) -> float:
    """Probability of ``most`` events or fewer."""
    if mean == 0:
        return 1.0
    return math.fsum(
        math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(most + 1)
    )
