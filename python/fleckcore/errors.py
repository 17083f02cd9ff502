"""What can go wrong, each with a stable code.

Every error says what was seen, what was wanted, where, and what to do next. The codes are stable: programs may
test ``error.code``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "ArrayError",
    "ArrayTypeError",
    "FleckError",
    "InputFileError",
    "MetadataError",
    "MissingExtraError",
    "OutputError",
    "TuningWarning",
]


class FleckError(Exception):
    """Base of every error that fleckcore raises on purpose.

    Parameters
    ----------
    message : str
        What was seen and what was wanted, in one sentence.
    code : str
        Stable code of the fault, for example ``"I01"``.
    path : path-like, optional
        The file.
    extension : str or int, optional
        The FITS extension.
    advice : str, optional
        What to do next.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        path: str | Path | None = None,
        extension: str | int | None = None,
        advice: str = "",
    ) -> None:
        self.message = message
        self.code = code
        self.path = None if path is None else Path(path)
        self.extension = extension
        self.advice = advice
        super().__init__(str(self))

    def __str__(self) -> str:
        where = "" if self.path is None else str(self.path)
        if self.extension is not None:
            where += f"[{self.extension}]"
        parts = [f"[{self.code}]", f"{where}:" if where else "", self.message]
        text = " ".join(part for part in parts if part)
        return f"{text} {self.advice}" if self.advice else text

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every field when an error crosses a process boundary."""
        fields = {
            "code": self.code,
            "path": self.path,
            "extension": self.extension,
            "advice": self.advice,
        }
        return _rebuild, (type(self), self.message, fields)


def _rebuild(kind: type[FleckError], message: str, fields: dict[str, object]) -> FleckError:
    return kind(message, **fields)  # type: ignore[arg-type]  # fields are __init__'s own


class InputFileError(FleckError):
    """A file cannot be used (codes ``I..``)."""


class ArrayError(FleckError, ValueError):
    """An array has the wrong shape or values (codes ``A..``)."""


class ArrayTypeError(FleckError, TypeError):
    """An array has a type that is not read (codes ``A..``)."""


class MetadataError(FleckError):
    """A header or an option contradicts itself or the profile (codes ``M..``)."""


class OutputError(FleckError):
    """A result cannot be written (codes ``R..``)."""


class MissingExtraError(FleckError):
    """An optional part is not installed (code ``R17``)."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs {package}, which is not installed.",
            code="R17",
            advice=f"Run: pip install 'fleckcore[{extra}]'",
        )
        self._arguments = (package, extra)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._arguments


class TuningWarning(UserWarning):
    """A tuning profile is not used (codes ``R18`` and ``R19``); results are the same without it."""
