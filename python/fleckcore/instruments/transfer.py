"""Through which outputs the charge of a chip leaves it, and the traps on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from fleckcore.errors import MetadataError
from fleckcore.instruments.profile import Profile
from fleckcore.traps import TrapModel, TrapModels, parametric_traps

__all__ = ["Quadrant", "model_traps", "quadrants"]

Edge = Literal["-y", "+y", "-x", "+x"]


@dataclass(frozen=True, kw_only=True)
class Quadrant:
    """What one amplifier reads of a frame.

    Attributes
    ----------
    amplifier : str
        Its letter.
    columns : slice
        Columns of the frame.
    readout, serial : str or None
        The edges that charge moves to, in parallel transfer and in the serial register.
    first_row, first_column : int
        Transfers in both that the frame's nearest pixel makes besides its own one.
    table_rows, table_columns : tuple of (int, int, bool)
        First, stop, backwards: the places of its rows and columns in tables, as `TrapModel.columns` takes
        them. Rows count towards the register there.
    """

    amplifier: str
    columns: slice
    readout: Edge
    serial: Edge | None
    first_row: int
    first_column: int
    table_rows: tuple[int, int, bool]
    table_columns: tuple[int, int, bool]

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Give its part of a plane of the frame, as a view."""
        return plane[:, self.columns]

    def parallel_model(self, model: TrapModel) -> TrapModel:
        """Give the traps of its columns."""
        first, stop, backwards = self.table_columns
        return model.columns(first, stop, backwards=backwards)

    def serial_model(self, model: TrapModel) -> TrapModel:
        """Give the traps that its rows meet in the serial register."""
        first, stop, backwards = self.table_rows
        return model.columns(first, stop, backwards=backwards)


def quadrants(
    profile: Profile,
    chip: int,
    shape: tuple[int, int],
    *,
    x_offset: int = 0,
    y_offset: int = 0,
) -> tuple[Quadrant, ...]:
    """Say which amplifier reads what of a frame.

    Parameters
    ----------
    profile : Profile
        The instrument.
    chip : int
        CCDCHIP.
    shape : tuple of int
        Rows and columns of the frame.
    x_offset, y_offset : int
        Its place on the trimmed chip.

    Returns
    -------
    tuple of Quadrant
        From left to right; those that the frame does not reach are left out.

    Raises
    ------
    MetadataError
        ``M07``: the profile has no such chip, or does not say which way its charge moves along columns.
    """
    whole = profile.chip(chip)
    rows, cols = whole.shape
    seams = [place for axis, place in whole.seams if axis == "col"]
    letters = whole.amplifiers[: len(seams) + 1]
    found = []
    for letter, first, stop in zip(letters, [0, *seams], [*seams, cols], strict=True):
        amplifier = profile.amplifiers[letter]
        if amplifier.readout not in ("-y", "+y"):
            raise MetadataError(
                f"{profile.name} does not say which way the charge of amplifier {letter} moves.",
                code="M07",
                advice='Add readout = "-y" or "+y" to its profile.',
            )
        x0, x1 = max(first, x_offset), min(stop, x_offset + shape[1])
        y0, y1 = y_offset, y_offset + shape[0]
        if x0 >= x1:
            continue
        down, left = amplifier.readout == "-y", amplifier.serial != "+x"
        table = amplifier.table_column
        near = x0 - first if left else stop - x1
        far = rows - y1 if down else y0
        found.append(
            Quadrant(
                amplifier=letter,
                columns=slice(x0 - x_offset, x1 - x_offset),
                readout=amplifier.readout,
                serial=amplifier.serial,
                first_row=y0 if down else rows - y1,
                first_column=near,
                table_columns=(table + near, table + near + x1 - x0, not left),
                table_rows=(table + far, table + far + shape[0], down),
            )
        )
    return tuple(found)


def model_traps(
    profile: Profile, mjd: float, *, levels: int = 80, substeps: int = 4, trail: int = 100
) -> TrapModels:
    """Give the traps of an instrument at a date, from the numbers of its profile.

    Parameters
    ----------
    profile : Profile
        The instrument.
    mjd : float
        The date. `TrapModel.scale` of it is 1.
    levels, substeps, trail
        As in `parametric_traps`.

    Raises
    ------
    MetadataError
        ``M07``: the profile has no traps, or none at that date.
    """
    traps = profile.traps
    eras = [] if traps is None else [era for era in traps.eras if era.from_mjd <= mjd]
    if traps is None or not eras:
        raise MetadataError(
            f"{profile.name} knows no traps"
            + (f" before MJD {traps.eras[0].from_mjd}." if traps else "."),
            code="M07",
            advice="Give a table of traps.",
        )
    era = eras[-1]
    density = era.density_per_day * (mjd - era.began_mjd)
    parallel = parametric_traps(
        densities=[share * density for share in traps.shares],
        release_transfers=era.release_transfers,
        full_well_e=traps.full_well_e,
        notch_e=traps.notch_e,
        fill_power=traps.fill_power,
        levels=levels,
        trail=trail,
        substeps=substeps,
        rows=profile.chips[0].shape[0],
        date0=era.began_mjd,
        date1=mjd,
    )
    return TrapModels(parallel=parallel, name=f"{profile.name}, parametric")
