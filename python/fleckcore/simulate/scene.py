"""What a simulated detector is like and what it exposes, as data.

A scene is a TOML file. The packaged ones lie in ``scenes/``; `load_scene` reads any other by its path. A key that is
not known is an error that names the place. What a scene holds is the truth that tests compare with.
"""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fleckcore.errors import MetadataError
from fleckcore.instruments import load_profile
from fleckcore.simulate.obstruction import Obstruction

__all__ = ["DetectorScene", "list_scenes", "load_scene"]

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Range = Annotated[tuple[float, float], Field(min_length=2, max_length=2)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Output(_Model):
    """One amplifier: e-/DN, electrons, and DN of no light."""

    gain_e: Positive
    read_noise_e: NotNegative
    bias_dn: NotNegative


class Electronics(_Model):
    """How charge becomes numbers.

    ``ceiling_dn`` is the greatest number, ``full_well_e`` the greatest charge of a pixel,
    ``saturated_e`` that from which it is flagged; ``bias_drift_dn`` is the
    rms of the level from exposure to exposure, ``bias_columns_dn`` that of a fixed pattern along the rows,
    ``stripes_e`` that of the rows, which all amplifiers read with the same error at the same time.
    ``flashed_s`` and ``unflashed_s`` are dark time that every exposure has besides its own and its flash;
    cosmic rays come during half of ``readout_s`` too.
    """

    amplifiers: dict[str, Output]
    ceiling_dn: Annotated[int, Field(gt=0, le=65535)]
    full_well_e: Positive
    saturated_e: Positive
    bias_drift_dn: NotNegative = 0.0
    bias_columns_dn: NotNegative = 0.0
    stripes_e: NotNegative = 0.0
    flashed_s: NotNegative = 0.0
    unflashed_s: NotNegative = 0.0
    readout_s: NotNegative = 0.0


class Response(_Model):
    """Relative rms of the sensitivity from pixel to pixel and from column to column."""

    pixel_rms: NotNegative = 0.0
    column_rms: NotNegative = 0.0


class Light(_Model):
    """A source: ``peak - falloff * r**2``, with r of about 1 at the edges.

    ``shift`` moves the image of what lies on the detector, pixels in x and y; ``repeatability`` is the relative rms
    of the level from exposure to exposure; ``reflection`` the excess of light beside a fleck, on its +y side.
    """

    rate_e_s: NotNegative = 0.0
    peak: Positive = 1.0
    falloff: NotNegative = 0.0
    repeatability: NotNegative = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    reflection: NotNegative = 0.0


class DarkCurrent(_Model):
    """Of ordinary pixels, e-/s, and the rates from which a pixel counts as warm and as hot."""

    rate_e_s: NotNegative
    pixel_rms: NotNegative = 0.0
    warm_e_s: Positive = 0.06
    hot_e_s: Positive = 0.14


class HotPixels(_Model):
    """A share of pixels is hot for good, others become so, and most of these heal in the next anneal.

    Rates lie between ``range_e_s``, as many in (r, r + dr) as go with ``r**-slope``.
    """

    standing: Share
    born_per_day: NotNegative
    healed: Share
    range_e_s: Range
    slope: Annotated[float, Field(gt=1)]


class SinkPixels(_Model):
    """A share of pixels takes ``range_e`` electrons each, those behind them a part; others become so."""

    standing: Share
    born_per_day: NotNegative
    range_e: Range
    behind: Share


class CosmicRays(_Model):
    """Tracks per second and chip, their greatest length in pixels, and the charge of one of their pixels."""

    per_s: NotNegative
    length: Positive
    range_e: Range


class Freckles(_Model):
    """Small stable shadows: how many per chip, and the ranges of their sizes in pixels and of their losses."""

    count: Annotated[int, Field(ge=0)]
    size: Range
    loss: Range


class Move(_Model):
    """A fleck lies elsewhere from a date on, by pixels in x and y from its first place."""

    date: date
    dx: float = 0.0
    dy: float = 0.0


class Fleck(_Model):
    """A particle that appeared at a date; its place and size are those of `Obstruction`.

    ``rise`` says by how much more of the light its 5 % aperture lets through, by filter.
    """

    name: str
    chip: int
    x: float
    y: float
    width: Positive
    height: Positive
    born: date
    rise: dict[str, NotNegative] = {}
    moves: tuple[Move, ...] = ()

    def on(self, day: date) -> Obstruction:
        """Give what it blocks of blue light on a day, where it lies then."""
        moved = [Move(date=self.born), *(move for move in self.moves if move.date <= day)][-1]
        return Obstruction(
            x=self.x + moved.dx,
            y=self.y + moved.dy,
            width=self.width,
            height=self.height,
            name=self.name,
        )


class Filter(_Model):
    """A lamp flat: the wheels' names, seconds, and electrons where the lamp's pattern is 1."""

    wheels: tuple[str, str]
    exposure_s: Positive
    level_e: Positive


class Traps(_Model):
    """Charge traps of the instrument's profile, scaled to the date of each exposure.

    ``mjd`` is when they are as the profile says; the other numbers are those of `parametric_traps`.
    """

    mjd: float
    levels: Annotated[int, Field(gt=0)] = 80
    substeps: Annotated[int, Field(gt=0)] = 4
    trail: Annotated[int, Field(gt=0)] = 100


class Program(_Model):
    """Number of a programme and its investigator."""

    id: int
    pi: str = ""


class Monitor(_Model):
    """Every few days: long and short flashed darks, and biases."""

    program: Program
    every_days: Annotated[int, Field(gt=0)]
    long: Annotated[int, Field(ge=0)]
    long_s: Positive
    short: Annotated[int, Field(ge=0)]
    short_s: Positive
    flash_s: Positive
    biases: Annotated[int, Field(ge=0)]


class Anneals(_Model):
    """Noon of these days; unflashed darks in the hours before and after each."""

    program: Program
    dates: Annotated[tuple[date, ...], Field(min_length=2)]
    darks: Annotated[int, Field(ge=0)]
    dark_s: Positive


class Eper(_Model):
    """Lamp images through a narrow filter at several levels, to measure charge transfer."""

    programs: dict[str, Program]
    wheels: tuple[str, str]
    rate_e_s: Positive
    levels_e: tuple[Positive, ...]


class Flats(_Model):
    """Lamp flats, ``repeats`` of every filter on each date (a key of ``programs``)."""

    programs: dict[str, Program]
    repeats: Annotated[int, Field(gt=0)]


class DetectorScene(_Model):
    """A simulated detector and its calendar. See the attributes of its parts.

    Attributes
    ----------
    name, title : str
        Identifier and words for people.
    seed : int
        The same seed gives the same bytes.
    profile : str
        Instrument profile with the geometry, the quality bits and the traps.
    start, stop : date
        First day, and the day after the last.
    """

    name: str
    title: str
    seed: Annotated[int, Field(ge=0)]
    profile: str
    start: date
    stop: date
    electronics: Electronics
    response: Response = Response()
    flash: Light
    lamp: Light
    dark: DarkCurrent
    hot_pixels: HotPixels
    sink_pixels: SinkPixels
    cosmic_rays: CosmicRays
    freckles: Freckles
    traps: Traps | None = None
    flecks: tuple[Fleck, ...] = ()
    filters: dict[str, Filter] = {}
    monitor: Monitor
    anneals: Anneals
    eper: Eper | None = None
    flats: Flats | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if list(self.anneals.dates) != sorted(set(self.anneals.dates)):
            raise ValueError("anneals.dates are not in order")
        if not self.start < self.stop:
            raise ValueError(f"start {self.start} is not before stop {self.stop}")
        chips = load_profile(self.profile).chips
        for letter in (letter for chip in chips for letter in chip.amplifiers):
            if letter not in self.electronics.amplifiers:
                raise ValueError(
                    f"electronics.amplifiers has no {letter!r}, which {self.profile} names"
                )
        for fleck in self.flecks:
            if fleck.chip not in {chip.id for chip in chips}:
                raise ValueError(
                    f"fleck {fleck.name!r} lies on chip {fleck.chip}, which is not there"
                )
        for dates in (part.programs for part in (self.eper, self.flats) if part):
            for text in dates:
                date.fromisoformat(text)
        return self


def _packaged() -> dict[str, str]:
    folder = files("fleckcore.simulate") / "scenes"
    return {
        entry.name.removesuffix(".toml"): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


def list_scenes() -> tuple[str, ...]:
    """Give the names of the packaged scenes, sorted."""
    return tuple(sorted(_packaged()))


def load_scene(name: str | Path = "acs_wfc") -> DetectorScene:
    """Load a packaged scene by its name, or any by the path of its TOML file.

    Parameters
    ----------
    name : str or path-like
        A name of `list_scenes`, or a path that ends in ``.toml``.

    Returns
    -------
    DetectorScene

    Raises
    ------
    MetadataError
        ``M08``: there is no such scene, or a key or value of it is not understood; the message names the place.
    """
    path = Path(name)
    if path.suffix == ".toml":
        try:
            return _parse(path.read_text("utf-8"), path)
        except (OSError, UnicodeDecodeError) as error:
            raise MetadataError(
                f"the scene cannot be read: {error}.", code="M08", path=path
            ) from None
    texts = _packaged()
    if str(name) not in texts:
        raise MetadataError(
            f"no scene {str(name)!r}, there are {', '.join(sorted(texts))}.",
            code="M08",
            advice="For your own scene, give the path of its TOML file.",
        )
    return _parse(texts[str(name)], f"{name}.toml")


def _parse(text: str, path: str | Path) -> DetectorScene:
    try:
        return DetectorScene.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise MetadataError(f"not TOML: {error}.", code="M08", path=path) from None
    except ValidationError as error:
        raise MetadataError(
            "; ".join(_complaint(item) for item in error.errors()) + ".",
            code="M08",
            path=path,
            advice="Correct or remove the key.",
        ) from None


def _complaint(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "scene"
    return f"{place}: {item['msg']}"
