"""The bias and the reference that a command's files are searched with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = ["Companions"]


@dataclass
class Companions:
    """Reads each file once.

    Attributes
    ----------
    profile : str or None
        Instrument profile, as for `fleckcore.read`.
    bias_given : str or None
        A file or a number.
    reference_given : Path or None
        A file.
    """

    profile: str | None
    bias_given: str | None
    reference_given: Path | None
    _read: dict[tuple[Path, int | None], Frame] = field(default_factory=dict)

    def check(self, chip: int | None) -> None:
        """Read both, so that what is wrong with them is said before any work."""
        for path in (self._bias_path, self.reference_given):
            self._frame(path, chip)

    def bias(self, chip: int | None) -> Frame | float | None:
        """Give the bias frame of a chip, or the level."""
        path = self._bias_path
        if path is None and self.bias_given is not None:
            return float(self.bias_given)
        return self._frame(path, chip)

    def reference(self, chip: int | None) -> Frame | None:
        """Give the reference frame of a chip."""
        return self._frame(self.reference_given, chip)

    @property
    def _bias_path(self) -> Path | None:
        """The bias, when it is a file and not a number."""
        if self.bias_given is None:
            return None
        try:
            float(self.bias_given)
        except ValueError:
            return Path(self.bias_given)
        return None

    def _frame(self, path: Path | None, chip: int | None) -> Frame | None:
        if path is None:
            return None
        if (path, chip) not in self._read:
            from fleckcore.io import read

            self._read[path, chip] = read(path, profile=self.profile, chip=chip)[0]
        return self._read[path, chip]
