"""What every picture begins and ends with: a figure without a display, words that can be drawn, a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fleckcore.errors import MissingExtraError, OutputError
from fleckcore.io import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "printable", "save"]

_DPI = 150
_ENDINGS = (".png", ".pdf", ".svg")


def new_figure(width: float, height: float) -> Figure:
    """Give an empty figure, inches; `MissingExtraError` ``R17`` without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "report") from None
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def printable(text: str) -> str:
    """Put a question mark for everything that is no visible character of one line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def save(figure: Figure, path: str | Path, *, overwrite: bool) -> None:
    """Write a figure by the ending of ``path``.

    Raises
    ------
    OutputError
        ``R08`` when the file exists or cannot be written, or its ending is none of .png, .pdf and .svg.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    path = Path(path)
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise OutputError(
            f"the name ends in {path.suffix!r}, wanted {', '.join(_ENDINGS)}.",
            code="R08",
            path=path,
        )
    FigureCanvasAgg(figure)
    with atomic_write(path, overwrite=overwrite) as file:
        figure.savefig(file, format=ending[1:])
