"""What a simulated detector exposes, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from fleckcore.errors import MetadataError
from fleckcore.simulate.scene import DetectorScene

__all__ = ["KINDS", "Exposure", "cycle_of", "date_of", "mjd_of", "plan", "select"]

KINDS = ("short_dark", "long_dark", "unflashed_dark", "bias", "eper", "flat")
"""Kinds of exposures, as `FrameMeta.kind` calls them."""

_DAY_0 = date(1858, 11, 17)
_NOON = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One exposure of both chips.

    Attributes
    ----------
    index : int
        Its place in the campaign; scene and index determine every byte of it.
    kind : str
        One of `KINDS`.
    mjd : float
        When it began.
    exposure_s, flash_s : float
        Seconds.
    wheels : (str, str)
        FILTER1 and FILTER2.
    filter : str
        The filter in the light, or nothing.
    lamp_e : float
        Electrons from the lamp where its pattern is 1.
    program : int
        Proposal.
    investigator : str
        Of the proposal.
    """

    index: int = -1
    kind: str
    mjd: float
    exposure_s: float = 0.0
    flash_s: float = 0.0
    wheels: tuple[str, str] = ("F502N", "F660N")
    filter: str = ""
    lamp_e: float = 0.0
    program: int = 0
    investigator: str = ""

    @property
    def rootname(self) -> str:
        """Nine characters, as of a real one."""
        return f"js{self.index:06d}q"


def mjd_of(day: date) -> int:
    """Give the Modified Julian Date of midnight."""
    return (day - _DAY_0).days


def date_of(mjd: float) -> date:
    """Give the day of a Modified Julian Date."""
    return _DAY_0 + timedelta(days=int(mjd // 1))


def plan(scene: DetectorScene) -> tuple[Exposure, ...]:
    """List the exposures of a scene in the order in which they were made.

    Every cycle begins at noon of an anneal's day: unflashed darks in the hours after it, then every few days long
    and short flashed darks and biases, and unflashed darks in the hours before the next one.
    """
    found = [*_anneals(scene), *_monitor(scene), *_eper(scene), *_flats(scene)]
    first, stop = mjd_of(scene.start), mjd_of(scene.stop)
    kept = sorted((item for item in found if first <= item.mjd < stop), key=lambda item: item.mjd)
    return tuple(replace(item, index=index) for index, item in enumerate(kept))


def cycle_of(scene: DetectorScene, day: date) -> tuple[date, date]:
    """Give the first and last whole day of the anneal cycle that a day belongs to.

    Raises `MetadataError` (M07) where the scene has none. An anneal's own day counts to the cycle behind it.
    """
    bounds = sorted({scene.start - timedelta(1), *scene.anneals.dates, scene.stop})
    for begin, end in pairwise(bounds):
        if begin <= day < end and scene.start <= day < scene.stop:
            return begin + timedelta(1), end - timedelta(1)
    raise MetadataError(
        f"{day} is not between {scene.start} and {scene.stop}.",
        code="M07",
        advice="Choose another cycle.",
    )


def select(
    scene: DetectorScene, *, cycle: date | None = None, kinds: Sequence[str] | None = None
) -> tuple[Exposure, ...]:
    """Give exposures of `plan`: those of the cycle that holds a day, of some kinds.

    Raises `MetadataError` (M07) for a day or kind that is not there.
    """
    for kind in kinds or ():
        if kind not in KINDS:
            raise MetadataError(f"no kind {kind!r}, there are {', '.join(KINDS)}.", code="M07")
    exposures = plan(scene)
    if cycle is not None:
        first, last = cycle_of(scene, cycle)
        begin, end = mjd_of(first) - 1 + _NOON, mjd_of(last) + 1 + _NOON
        exposures = tuple(item for item in exposures if begin <= item.mjd < end)
    return tuple(item for item in exposures if not kinds or item.kind in kinds)


def _anneals(scene: DetectorScene) -> Iterator[Exposure]:
    anneals = scene.anneals
    for day in anneals.dates:
        noon = mjd_of(day) + _NOON
        for number in range(anneals.darks):
            for hours in (3 + 2 * number, -11 + 2 * number):
                yield Exposure(
                    kind="unflashed_dark",
                    mjd=noon + hours / 24,
                    exposure_s=anneals.dark_s,
                    program=anneals.program.id,
                    investigator=anneals.program.pi,
                )


def _monitor(scene: DetectorScene) -> Iterator[Exposure]:
    monitor = scene.monitor
    long = ("long_dark", monitor.long_s, monitor.flash_s, 0.02)
    short = ("short_dark", monitor.short_s, monitor.flash_s, 0.004)
    bias = ("bias", 0.0, 0.0, 0.004)
    visit = [bias] * monitor.biases + [short] * monitor.short + [long] * monitor.long
    bounds = [scene.start - timedelta(1), *scene.anneals.dates, scene.stop]
    for begin, end in pairwise(bounds):
        day = begin + timedelta(1)
        while day < end:
            mjd = mjd_of(day) + 0.1
            for kind, exposure_s, flash_s, takes in visit:
                yield Exposure(
                    kind=kind,
                    mjd=mjd,
                    exposure_s=exposure_s,
                    flash_s=flash_s,
                    program=monitor.program.id,
                    investigator=monitor.program.pi,
                )
                mjd += takes
            day += timedelta(monitor.every_days)


def _eper(scene: DetectorScene) -> Iterator[Exposure]:
    if scene.eper is None:
        return
    for day, program in scene.eper.programs.items():
        for number, level in enumerate(scene.eper.levels_e):
            yield Exposure(
                kind="eper",
                mjd=mjd_of(date.fromisoformat(day)) + 0.6 + 0.01 * number,
                exposure_s=round(level / scene.eper.rate_e_s, 1),
                wheels=scene.eper.wheels,
                lamp_e=level,
                program=program.id,
                investigator=program.pi,
            )


def _flats(scene: DetectorScene) -> Iterator[Exposure]:
    if scene.flats is None:
        return
    for day, program in scene.flats.programs.items():
        mjd = mjd_of(date.fromisoformat(day)) + 0.7
        for name, item in scene.filters.items():
            for _ in range(scene.flats.repeats):
                yield Exposure(
                    kind="flat",
                    mjd=mjd,
                    exposure_s=item.exposure_s,
                    wheels=item.wheels,
                    filter=name,
                    lamp_e=item.level_e,
                    program=program.id,
                    investigator=program.pi,
                )
                mjd += 0.004
