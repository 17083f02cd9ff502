"""An exposure goes in as FITS and comes out as frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError, MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.instruments import Chip, Profile, load_profile, recognise
from fleckcore.io.blocks import Blocks, Hdu, open_blocks
from fleckcore.io.cards import Header, clean_text, first_number, first_text, safe_name
from fleckcore.io.metadata import (
    describe_exposure,
    describe_noise,
    describe_read_noises,
    describe_unit,
)
from fleckcore.io.placing import Place, at, place_image
from fleckcore.io.planes import holds_image, is_null, read_plane
from fleckcore.io.sums import verify_hdu

__all__ = ["is_verified", "read", "read_noises", "require_alike"]


@dataclass(frozen=True)
class _File:
    """An opened file and how it is to be understood."""

    blocks: Blocks
    profile: Profile
    max_pixels: int

    @property
    def primary(self) -> Hdu:
        return self.blocks.hdus[0]

    def plane(self, hdu: Hdu) -> NDArray[Any]:
        return read_plane(self.blocks, hdu, max_pixels=self.max_pixels)

    def error(self, code: str, message: str, hdu: Hdu | None = None) -> InputFileError:
        extension = None if hdu is None else hdu.label
        return InputFileError(message, code=code, path=self.blocks.path, extension=extension)


@dataclass(frozen=True)
class _Imset:
    """The planes of one chip."""

    data: Hdu
    error: Hdu | None
    quality: Hdu | None
    chip: int | None


def read(
    path: str | Path,
    *,
    profile: str | Path | Profile | None = None,
    chip: int | None = None,
    extension: str | int | None = None,
    pixel_size_um: float | None = None,
    readout: str | None = None,
    max_pixels: int = 2**31,
) -> tuple[Frame, ...]:
    """Read the chips of one exposure.

    Parameters
    ----------
    path : path-like
        FITS, plain, gzipped or tile-compressed.
    profile : str, path-like or Profile, optional
        The instrument; recognised by the header where absent.
    chip : int, optional
        Only the chip with this CCDCHIP.
    extension : str or int, optional
        The extension of the data, ``"SCI,2"``, ``"SCI"`` or its 0-based position.
    pixel_size_um : float, optional
        Pixel pitch; wins over profile and header.
    readout : {"-y", "+y", "-x", "+x"}, optional
        The edge that charge moves to in parallel transfer; wins over the profile.
    max_pixels : int, optional
        Largest image that a header may claim.

    Returns
    -------
    tuple of Frame
        Sorted by chip, overscan trimmed. Unscaled planes of plain files are views of the mapped
        file in its own byte order. ``error`` is ``None`` where the file has none or a null plane
        of zeros. What was odd is listed in ``meta.warnings``.

    Raises
    ------
    InputFileError
        The file cannot be used: codes ``I01`` to ``I16``.
    MetadataError
        ``M07``: the header names another instrument than ``profile``, or a chip that it has not.
    """
    if readout not in (None, "-y", "+y", "-x", "+x"):
        raise MetadataError(f"readout is {readout!r}, wanted -y, +y, -x or +x.", code="M07")
    blocks = open_blocks(path, max_pixels=max_pixels)
    file = _File(blocks, _choose_profile(profile, blocks), max_pixels)
    given = {"pixel_size_um": pixel_size_um, "readout": readout}
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    frames = []
    for imset in _select(file, _imsets(file, extension), chip):
        frame = _read_imset(file, imset)
        frames.append(frame.replace(meta=replace(frame.meta, **known)))
    return tuple(frames)


def _choose_profile(profile: str | Path | Profile | None, blocks: Blocks) -> Profile:
    header = _exposure_header(blocks.hdus[:2][-1], blocks.hdus[0])
    if profile is None:
        return recognise(header)
    chosen = profile if isinstance(profile, Profile) else load_profile(profile)
    keyword = chosen.contradicts(header)
    if keyword:
        raise MetadataError(
            f"{keyword} is {clean_text(str(header[keyword]))!r}, profile {chosen.name} wants "
            f"{' or '.join(chosen.recognise[keyword])}.",
            code="M07",
            path=blocks.path,
            advice="Choose another profile, or leave it to the header.",
        )
    return chosen


def _exposure_header(hdu: Hdu, primary: Hdu) -> Header:
    """Facts of an exposure: the primary header, completed by the extension's."""
    return {**hdu.header, **primary.header}


def _imsets(file: _File, extension: str | int | None) -> list[_Imset]:
    """Group the planes of each chip by EXTVER (never by their order in the file)."""
    names = file.profile.planes
    named: dict[tuple[str, int], Hdu] = {}
    for hdu in file.blocks.hdus:
        if hdu.name in (names.data, names.error, names.quality) and hdu.name:
            if (hdu.name, hdu.version) in named:
                raise file.error("I13", f"{hdu.name},{hdu.version} is there twice.", hdu)
            named[hdu.name, hdu.version] = hdu
    if extension is not None:
        chosen = [_find_extension(file, extension)]
    else:
        chosen = [hdu for (name, _), hdu in named.items() if name == names.data]
        if not file.profile.chips or names.data == "PRIMARY":
            chosen = _any_images(file, chosen)
    if not chosen:
        raise _nothing_found(file, names.data if file.profile.chips else "a 2-D image")
    imsets = []
    for hdu in chosen:
        own = hdu.name == names.data
        error = named.get((names.error, hdu.version)) if own else None
        quality = named.get((names.quality, hdu.version)) if own else None
        imsets.append(_Imset(hdu, error, quality, _chip_of(file, hdu)))
    return imsets


def _any_images(file: _File, chosen: list[Hdu]) -> list[Hdu]:
    """Where the name does not matter (a packed primary image moves to an extension)."""
    if any(holds_image(hdu) for hdu in chosen):
        return chosen
    others = (file.profile.planes.error, file.profile.planes.quality)
    images = [
        h for h in file.blocks.hdus if holds_image(h) and (not h.name or h.name not in others)
    ]
    if images or (len(file.blocks.hdus) > 1 and not file.primary.axes):
        return images
    return [file.primary]  # reading it says what is wrong with it


def _find_extension(file: _File, extension: str | int) -> Hdu:
    hdus = file.blocks.hdus
    if isinstance(extension, int) or extension.isdigit():
        if 0 <= int(extension) < len(hdus):
            return hdus[int(extension)]
    else:
        name, _, version = extension.upper().partition(",")
        for hdu in hdus:
            if hdu.name == name.strip() and version.strip() in ("", str(hdu.version)):
                return hdu
    raise _nothing_found(file, repr(extension))


def _nothing_found(file: _File, wanted: str) -> InputFileError:
    hdus = file.blocks.hdus
    labels = [f"{hdu.name or hdu.index},{hdu.version}" if hdu.index else "PRIMARY" for hdu in hdus]
    more = ", ..." if len(labels) > 20 else ""
    return file.error("I11", f"wanted {wanted}, found {', '.join(labels[:20])}{more}.")


def _chip_of(file: _File, hdu: Hdu) -> int | None:
    profile = file.profile
    number = first_number(hdu.header, profile.keywords.chip)
    if number is not None and number.is_integer():
        if profile.chips:
            _require_chip(file, hdu, int(number))
        return int(number)
    if len(profile.chips) == 1:
        return profile.chips[0].id
    if profile.chips:
        wanted = " or ".join(profile.keywords.chip)
        raise file.error(
            "I14", f"no {wanted}, and {profile.name} has {len(profile.chips)} chips.", hdu
        )
    return None


def _require_chip(file: _File, hdu: Hdu, number: int) -> None:
    try:
        file.profile.chip(number)
    except MetadataError as error:
        raise MetadataError(
            error.message,
            code=error.code,
            path=file.blocks.path,
            extension=hdu.label,
            advice=error.advice,
        ) from None


def _select(file: _File, imsets: list[_Imset], chip: int | None) -> list[_Imset]:
    """Sort by chip, or keep one; a chip of a profile may be there only once."""
    chips = [imset.chip for imset in imsets if imset.chip is not None]
    if file.profile.chips and len(set(chips)) < len(chips):
        raise file.error("I14", f"one chip is there twice, found {chips}.")
    if chip is None:
        return sorted(imsets, key=lambda imset: (imset.chip is None, imset.chip or 0))
    found = [imset for imset in imsets if imset.chip == chip]
    if not found:
        raise file.error("I14", f"no chip {chip}, found {sorted(chips) or 'none'}.")
    return found


def _read_imset(file: _File, imset: _Imset) -> Frame:
    notes = list(file.blocks.warnings)
    parts = (file.primary, imset.data, imset.error, imset.quality)
    for part in {hdu.index: hdu for hdu in parts if hdu is not None}.values():
        notes += verify_hdu(file.blocks, part)[1]
    data = file.plane(imset.data)
    names = file.profile.planes
    error = _companion(file, imset.error, names.error, data, notes)
    quality = _companion(file, imset.quality, names.quality, data, notes)
    if quality is not None:
        quality = _as_bits(file, imset, quality)
    if error is not None and imset.error is not None and is_null(imset.error) and not error[0, 0]:
        error = None
    chips = file.profile.chips
    chip = file.profile.chip(imset.chip) if chips and imset.chip is not None else None
    place = place_image(file.blocks.path, imset.data, data.shape, chip)
    meta = _describe(file, imset, chip, place, notes)
    return Frame(
        place.cut(data),
        None if error is None else place.cut(error),
        _with_dark(None if quality is None else place.cut(quality), place, chip, file.profile),
        meta,
    )


def _companion(
    file: _File, hdu: Hdu | None, name: str, data: NDArray[Any], notes: list[str]
) -> NDArray[Any] | None:
    """Read ERR or DQ, which the profile may allow to be absent."""
    if hdu is None:
        if name and name not in file.profile.planes.may_lack:
            raise _nothing_found(file, name)
        if name and file.profile.chips:
            notes.append(f"I11 no {name} plane")
        return None
    plane = file.plane(hdu)
    if plane.shape != data.shape:
        raise file.error("A12", f"shape {plane.shape}, the data have {data.shape}.", hdu)
    return plane


def _as_bits(file: _File, imset: _Imset, quality: NDArray[Any]) -> NDArray[Any]:
    """Widen bytes, which cannot be compared with the bits of a profile; refuse what is no flag."""
    if quality.dtype.kind not in "iu":
        raise file.error("I05", f"quality flags of type {quality.dtype}.", imset.quality)
    return quality.astype(np.int32) if quality.dtype.itemsize == 1 else quality


def _with_dark(
    quality: NDArray[Any] | None, place: Place, chip: Chip | None, profile: Profile
) -> NDArray[Any] | None:
    """Flag the rows and columns that see no light."""
    if chip is None or not (chip.dark_rows or chip.dark_columns):
        return quality
    flags = np.zeros(place.shape, np.int32) if quality is None else quality.astype(np.int32)
    bit = profile.quality["dark"]
    for axis, spans, first in ((0, chip.dark_rows, place.y), (1, chip.dark_columns, place.x)):
        for start, stop in spans:
            flags[at(axis, slice(max(0, start - first), max(0, stop - first)))] |= bit
    return flags


def _describe(
    file: _File, imset: _Imset, chip: Chip | None, place: Place, notes: Sequence[str]
) -> FrameMeta:
    profile, path = file.profile, file.blocks.path
    header = _exposure_header(imset.data, file.primary)
    exposure = describe_exposure(header, profile)
    unit, unit_notes = describe_unit({**file.primary.header, **imset.data.header}, profile)
    noise = describe_noise(header, profile, chip)
    electrons = unit != "DN"
    size = first_number(header, profile.keywords.pixel_size)
    if size is not None:
        size = size * 1000 if 0 < size < 0.1 else size or None
    return FrameMeta(
        profile=profile.name,
        path=path,
        extension=imset.data.label,
        chip=imset.chip,
        x_offset=place.x,
        y_offset=place.y,
        x_file=place.columns[0][0],
        y_file=place.rows[0][0],
        unit=unit,
        kind=exposure.kind,
        filters=exposure.filters,
        exposure_s=exposure.exposure_s,
        flash_s=exposure.flash_s,
        mjd=exposure.mjd,
        gain_e=None if unit_notes else 1.0 if electrons else noise.gain_e,
        read_noise_e=None if unit_notes else noise.read_noise_e,
        pixel_size_um=profile.pixel_size_um or size,
        readout=noise.readout,
        masked_bits=profile.masked_bits,
        seams=place.seams(noise.seams),
        rootname=safe_name(first_text(header, profile.keywords.rootname) or _stem(path)),
        instrument=first_text(header, ["INSTRUME"]),
        detector=first_text(header, ["DETECTOR"]),
        warnings=(*notes, *exposure.warnings, *unit_notes),
    )


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name


def is_verified(path: str | Path) -> bool:
    """Tell whether every part with pixels carries a CHECKSUM or DATASUM that fits.

    Raises
    ------
    InputFileError
        ``I03`` where a sum does not fit, and the codes of a broken structure.
    """
    blocks = open_blocks(path)
    parts = [hdu for hdu in blocks.hdus if hdu.data_stop > hdu.data_start]
    states = [verify_hdu(blocks, hdu)[0] for hdu in parts]
    return bool(states) and all(states)


def read_noises(path: str | Path, profile: Profile) -> dict[str, float]:
    """Give the read noise of each amplifier in electrons, as an exposure's header has it, else the profile.

    Raises
    ------
    InputFileError
        As `read` does.
    """
    blocks = open_blocks(path)
    return describe_read_noises(_exposure_header(blocks.hdus[:2][-1], blocks.hdus[0]), profile)


def require_alike(frames: Sequence[Frame]) -> None:
    """Raise `MetadataError` (M07) unless frames share instrument, chip, place, shape and unit."""

    def setup(frame: Frame) -> tuple[tuple[str, object], ...]:
        meta = frame.meta
        return (
            ("profile", meta.profile),
            ("instrument", meta.instrument),
            ("detector", meta.detector),
            ("chip", meta.chip),
            ("shape", frame.shape),
            ("offset", (meta.x_offset, meta.y_offset)),
            ("unit", meta.unit),
        )

    for frame in frames[1:]:
        for (name, seen), (_, wanted) in zip(setup(frame), setup(frames[0]), strict=True):
            if seen != wanted:
                raise MetadataError(
                    f"{name} is {seen}, the first frame has {wanted}.",
                    code="M07",
                    path=frame.meta.path,
                    advice="Group the exposures first.",
                )
