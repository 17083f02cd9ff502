"""What an instrument is: chips, amplifiers, quality bits, and how its headers speak.

A profile is data. A new instrument is a TOML file that `load_profile` reads by its path; the
packaged ones lie in ``profiles/``. A key that is not known is an error that names the place, so a
typo never passes for a default.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fleckcore.errors import MetadataError
from fleckcore.quality import join_bits

__all__ = [
    "Amplifier",
    "Chip",
    "Flagging",
    "KindRule",
    "Profile",
    "list_profiles",
    "load_profile",
    "recognise",
]

Readout = Literal["-y", "+y", "-x", "+x"]
Kind = Literal[
    "short_dark",
    "long_dark",
    "unflashed_dark",
    "superdark",
    "flat",
    "eper",
    "flash_reference",
    "bias",
    "unknown",
]
Span = tuple[int, int]
Patterns = tuple[str, ...]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Amplifier(_Model):
    """One output of a chip.

    Attributes
    ----------
    readout : str or None
        The edge that charge moves to in parallel transfer.
    serial : str or None
        The edge that charge moves to in the serial register.
    table_column : int
        Where its quadrant begins in tables by column, which count from the amplifier on.
    gain_e, read_noise_e : float or None
        e-/DN and electrons, used where the header holds none.
    verified : bool
        False for numbers that were not read in a header or measured in a frame.
    """

    readout: Readout | None = None
    serial: Readout | None = None
    table_column: int = Field(default=0, ge=0)
    gain_e: float | None = Field(default=None, gt=0)
    read_noise_e: float | None = Field(default=None, ge=0)
    verified: bool = False


class Chip(_Model):
    """One detector. Shapes are ``(rows, cols)``; spans are half-open, 0-based.

    Attributes
    ----------
    id : int
        CCDCHIP.
    shape, raw_shape : tuple of int
        Without and with overscan.
    raw_rows, raw_columns : tuple of spans
        The parts of a raw frame that see the sky, in order.
    amplifiers : tuple of str
        Outputs that may read this chip.
    seams : tuple of (str, int)
        Boundaries between amplifiers in trimmed pixels, as in `FrameMeta.seams`.
    dark_rows, dark_columns : tuple of spans
        Trimmed pixels that see no light; the reader sets quality bit ``dark`` there.
    """

    id: int
    shape: tuple[int, int]
    raw_shape: tuple[int, int]
    raw_rows: tuple[Span, ...]
    raw_columns: tuple[Span, ...]
    amplifiers: tuple[str, ...]
    seams: tuple[tuple[Literal["row", "col"], int], ...] = ()
    dark_rows: tuple[Span, ...] = ()
    dark_columns: tuple[Span, ...] = ()

    @property
    def ltv(self) -> tuple[int, int]:
        """``(LTV1, LTV2)`` of a raw frame: raw x = trimmed x + LTV1."""
        return self.raw_columns[0][0], self.raw_rows[0][0]

    @model_validator(mode="after")
    def _spans_add_up(self) -> Self:
        for axis, spans in enumerate((self.raw_rows, self.raw_columns)):
            kept = sum(stop - start for start, stop in spans)
            if kept != self.shape[axis] or not spans or spans[-1][1] > self.raw_shape[axis]:
                name = ("raw_rows", "raw_columns")[axis]
                raise ValueError(f"{name} keeps {kept} pixels, shape wants {self.shape[axis]}")
        return self


class Planes(_Model):
    """EXTNAME of the planes of one chip, and which of them may be absent.

    ``"PRIMARY"`` is the first part of a file; an empty name is a plane that the instrument never
    has.
    """

    data: str = "SCI"
    error: str = "ERR"
    quality: str = "DQ"
    may_lack: tuple[str, ...] = ()


class Keywords(_Model):
    """Where the header says what; the first keyword present wins.

    ``exposure_unit_s`` is the unit of the exposure time in seconds, ``pixel_size`` is in
    micrometres (values below 0.1 are taken for millimetres); ``gain`` and ``read_noise`` are
    completed by the amplifier's letter where they end in ``?``.
    """

    chip: Patterns = ("CCDCHIP",)
    image_type: Patterns = ("IMAGETYP",)
    filters: Patterns = ("FILTER",)
    exposure: Patterns = ("EXPTIME",)
    exposure_unit_s: float = 1.0
    mjd: Patterns = ()
    date: Patterns = ("DATE-OBS",)
    time: Patterns = ("TIME-OBS",)
    amplifiers: Patterns = ()
    gain: Patterns = ()
    read_noise: Patterns = ()
    pixel_size: Patterns = ()
    rootname: Patterns = ("ROOTNAME",)


class Flash(_Model):
    """Where the header says how long the post-flash lamp was on; states are FLASHSTA values."""

    duration: str
    status: str
    done: Patterns
    off: Patterns


class Filters(_Model):
    """``clear`` are patterns of an empty slot; ``known`` empty means that any name is one.

    ``pivot_angstrom`` are pivot wavelengths in Angstrom, by filter.
    """

    clear: Patterns = ()
    known: Patterns = ()
    pivot_angstrom: dict[str, Annotated[float, Field(gt=0)]] = {}


class Range(_Model):
    """``low <= value < high``."""

    low: float = float("-inf")
    high: float = float("inf")

    def holds(self, value: object) -> bool:
        """Tell whether a number lies inside; anything else does not."""
        return isinstance(value, (int, float)) and self.low <= value < self.high


class KindRule(_Model):
    """One way to tell a kind: every condition of ``when`` must hold.

    A condition compares a header keyword, or ``image_type``, ``exposure_s`` or ``flash_s`` as the
    profile's keywords give them, with patterns (case ignored) or a range.
    """

    kind: Kind
    when: Annotated[dict[str, Patterns | Range], Field(min_length=1)]

    def holds(self, facts: Mapping[str, object]) -> bool:
        """Tell whether every condition holds."""
        return all(_agrees(facts.get(name), wanted) for name, wanted in self.when.items())


class TrapEra(_Model):
    """Traps from a date on: none at ``began_mjd``, ``density_per_day`` more per pixel each day since."""

    from_mjd: float
    began_mjd: float
    density_per_day: float = Field(gt=0)
    release_transfers: tuple[float, ...]


class Traps(_Model):
    """What `fleckcore.traps.parametric_traps` needs, for parallel transfer.

    ``shares`` are the shares of the species; eras are in order. Serial transfer is corrected only
    from ``serial_from_mjd`` on.
    """

    full_well_e: float = Field(gt=1)
    notch_e: float = Field(default=0.0, ge=0)
    fill_power: float = Field(gt=0)
    shares: tuple[float, ...]
    eras: Annotated[tuple[TrapEra, ...], Field(min_length=1)]
    serial_from_mjd: float = float("-inf")


class Flagging(_Model):
    """How the pipeline of an instrument takes flags, and what comes of them downstream.

    Attributes
    ----------
    bit : str
        The quality bit of a bad-pixel table, by default.
    gain : str
        Header keyword that rows of a table may be chosen by, besides amplifiers and chip.
    amplifiers, gains : tuple
        Values that delivery accepts in CCDAMP and CCDGAIN of a table.
    set_by_pipeline : dict of str to float
        Bits that calibration sets by itself, and the MJD of USEAFTER from which a table must not have them.
    exempt_in : str
        Version of the pipeline from which cosmic-ray rejection does not mind ``bit`` in ``exempt_kinds``.
    exempt_kinds : tuple of str
        Beginnings of IMAGETYP.
    drizzle_good, drizzle_good_alone : int
        Bits that count as good by default when several exposures become one, and when there is only one.
    chip_gap : float
        Pixels between the chips, where the second of `Profile.chips` lies above the first.
    dithers : dict of str to (int, int)
        Columns and rows from one exposure of a pattern to the next.
    """

    bit: str
    gain: str
    amplifiers: tuple[str, ...]
    gains: tuple[float, ...]
    set_by_pipeline: dict[str, float] = {}
    exempt_in: str
    exempt_kinds: Patterns
    drizzle_good: int = Field(ge=0)
    drizzle_good_alone: int = Field(ge=0)
    chip_gap: float = Field(default=0.0, ge=0)
    dithers: dict[str, tuple[int, int]] = {}


class Profile(_Model):
    """One instrument. See the attributes of its parts.

    Attributes
    ----------
    name, title : str
        Identifier and words for people.
    version : int
        Raised whenever a number changes, so that a run can say which it used.
    unit : str
        Unit of the data where BUNIT is absent.
    pixel_size_um : float or None
        Pixel pitch.
    recognise : dict of str to patterns
        Header keywords and the values that say "this one"; empty for the generic profile.
    chips : tuple of Chip
        Empty where any two-dimensional image will do.
    quality : dict of str to int
        Names of the quality bits.
    search_masked : tuple of str
        Bits that keep a pixel out of a search for shadows.
    flagging : Flagging or None
        ``None`` where nothing is known of tables of bad pixels.
    """

    name: str
    title: str
    version: int = 1
    unit: Literal["DN", "electron", "electron/s"] = "DN"
    pixel_size_um: float | None = Field(default=None, gt=0)
    recognise: dict[str, Patterns] = {}
    chips: tuple[Chip, ...] = ()
    amplifiers: dict[str, Amplifier] = {}
    planes: Planes = Planes()
    keywords: Keywords = Keywords()
    flash: Flash | None = None
    traps: Traps | None = None
    filters: Filters = Filters()
    quality: dict[str, int] = {}
    search_masked: tuple[str, ...] = ()
    flagging: Flagging | None = None
    kinds: tuple[KindRule, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for chip in self.chips:
            for name in chip.amplifiers:
                if name not in self.amplifiers:
                    raise ValueError(f"chip {chip.id} names amplifier {name!r}, which is not there")
            if (chip.dark_rows or chip.dark_columns) and "dark" not in self.quality:
                raise ValueError(f"chip {chip.id} has dark pixels, quality has no bit 'dark'")
        for name in self.search_masked:
            if name not in self.quality:
                raise ValueError(f"search_masked names {name!r}, which quality does not hold")
        flagging = self.flagging
        for name in (flagging.bit, *flagging.set_by_pipeline) if flagging else ():
            if name not in self.quality:
                raise ValueError(f"flagging names {name!r}, which quality does not hold")
        return self

    @property
    def masked_bits(self) -> int:
        """Quality bits of `search_masked`."""
        return join_bits(self.search_masked, self.quality)

    def chip(self, number: int) -> Chip:
        """Give the chip of this CCDCHIP, or raise `MetadataError` (M07)."""
        for chip in self.chips:
            if chip.id == number:
                return chip
        raise MetadataError(
            f"chip {number}, but {self.name} has {', '.join(str(c.id) for c in self.chips)}.",
            code="M07",
            advice="Choose another profile.",
        )

    def kind_of(self, facts: Mapping[str, object]) -> Kind:
        """Tell what was exposed by the first rule that holds, else ``"unknown"``."""
        return next((rule.kind for rule in self.kinds if rule.holds(facts)), "unknown")

    def agrees(self, header: Mapping[str, object]) -> bool:
        """Tell whether a header names this instrument."""
        return bool(self.recognise) and all(
            _agrees(header.get(key), wanted) for key, wanted in self.recognise.items()
        )

    def contradicts(self, header: Mapping[str, object]) -> str:
        """Give the first keyword with which a header names another instrument, else ``""``."""
        for key, wanted in self.recognise.items():
            if key in header and not _agrees(header[key], wanted):
                return key
        return ""


def _agrees(value: object, wanted: Patterns | Range) -> bool:
    if isinstance(wanted, Range):
        return wanted.holds(value)
    return value is not None and matches(str(value), wanted)


def matches(text: str, patterns: Patterns) -> bool:
    """Tell whether text is one of the shell-style patterns, case and outer blanks ignored."""
    text = text.strip().upper()
    return any(fnmatchcase(text, pattern.upper()) for pattern in patterns)


def _packaged() -> dict[str, str]:
    folder = files("fleckcore.instruments") / "profiles"
    return {
        entry.name.removesuffix(".toml"): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


def list_profiles() -> tuple[str, ...]:
    """Give the names of the packaged profiles, sorted."""
    return tuple(sorted(_packaged()))


@cache
def _load_packaged(name: str) -> Profile:
    texts = _packaged()
    if name not in texts:
        raise MetadataError(
            f"no profile {name!r}, there are {', '.join(sorted(texts))}.",
            code="M08",
            advice="For your own instrument, give the path of its TOML file.",
        )
    return _parse(texts[name], f"{name}.toml")


def load_profile(name: str | Path) -> Profile:
    """Load a packaged profile by its name, or any by the path of its TOML file.

    Parameters
    ----------
    name : str or path-like
        A name of `list_profiles`, or a path that ends in ``.toml``.

    Returns
    -------
    Profile

    Raises
    ------
    MetadataError
        ``M08``: there is no such profile, or a key or value of it is not understood; the message
        names the place.
    """
    path = Path(name)
    if path.suffix != ".toml":
        return _load_packaged(str(name))
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(
            f"the profile cannot be read: {error}.", code="M08", path=path
        ) from None
    return _parse(text, path)


def _parse(text: str, path: str | Path) -> Profile:
    try:
        return Profile.model_validate(tomllib.loads(text))
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
    place = ".".join(str(part) for part in item["loc"]) or "profile"
    return f"{place}: {item['msg']}"


def recognise(header: Mapping[str, object]) -> Profile:
    """Give the packaged profile that a header names, ``generic`` where none does.

    Parameters
    ----------
    header : mapping of str to value
        Keywords of the exposure, primary and extension together.
    """
    for name in list_profiles():
        profile = load_profile(name)
        if profile.agrees(header):
            return profile
    return load_profile("generic")
