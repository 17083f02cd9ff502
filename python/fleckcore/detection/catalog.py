"""Features as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, QTable
from astropy.units import Quantity

from fleckcore.detection.feature import COLUMNS, FRAME_UNIT, Feature
from fleckcore.io.catalogs import read_catalog, write_catalog, write_regions

__all__ = ["Catalog", "plain_values", "to_rows"]

_ASTROPY_UNITS = {"DN": "adu", "electron/s": "electron / s"}


class Catalog(QTable):  # type: ignore[misc]  # astropy is not typed
    """The features found on one frame: a `~astropy.table.QTable` with photutils 3 column names.

    Positions are 0-based pixel centres, x = column, y = row of the trimmed frame. ``meta`` says
    what made the table: version, parameters, input and its checksum, frame shape and offsets,
    ``origin``, ``status`` and counts of masked pixels.
    """

    @classmethod
    def from_features(cls, features: Sequence[Feature], *, meta: Mapping[str, Any]) -> Catalog:
        """Make the table of ``features``.

        Parameters
        ----------
        features : sequence of Feature
            May be empty; the columns are the same.
        meta : mapping
            Becomes the table's ``meta``, reduced to what files can hold: str, bool, int, float,
            None, list, dict. ``meta["unit"]`` (``"electron"``, ``"DN"``, ...) is the unit of the
            lost flux, ``"DN"`` when missing.

        Returns
        -------
        Catalog
        """
        frame_unit = str(meta.get("unit", "DN"))
        columns = []
        for name, dtype, unit, description in COLUMNS:
            values: Any = np.array([getattr(feature, name) for feature in features], dtype=dtype)
            unit = frame_unit if unit == FRAME_UNIT else unit
            unit = _ASTROPY_UNITS.get(unit, unit)
            column: Any = Quantity(values, unit, dtype=dtype) if unit else Column(values)
            column.info.name, column.info.description = name, description
            columns.append(column)
        return cls(columns, meta=plain_values(meta))

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write ECSV, FITS or CSV by the ending of ``path``, see `write_catalog`."""
        write_catalog(self, path, overwrite=overwrite)

    @classmethod
    def read(cls, path: str | Path) -> Catalog:
        """Read back what `write` wrote as ECSV or FITS, with identical values, units and meta."""
        return cls(read_catalog(path), copy=False)

    def write_regions(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a DS9 region file, see `fleckcore.io.catalogs.write_regions`."""
        write_regions(self, path, overwrite=overwrite)

    def to_json(self) -> list[dict[str, Any]]:
        """Give a dict of plain values per feature, in the columns' units; NaN becomes None."""
        return to_rows(self)


def to_rows(table: QTable) -> list[dict[str, Any]]:
    """Give a dict of plain values per row of any table, in the columns' units; NaN becomes None."""
    names = table.colnames
    values = [np.asarray(getattr(table[name], "value", table[name])).tolist() for name in names]
    rows = zip(*values, strict=True)
    return [{n: _without_nan(v) for n, v in zip(names, row, strict=True)} for row in rows]


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if value != value else value


def plain_values(value: Any) -> Any:
    """Reduce ``value`` to what ECSV and JSON both keep unchanged."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain_values(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
