"""The choices that `fleckcore.tune` wrote for this machine: put to use when the first kernel is called."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from fleckcore import _core
from fleckcore._version import __version__
from fleckcore.errors import FleckError, TuningWarning

KEYS = {"fleckcore", "processor", "isas", "cores", "date", "frames", "choices", "measured"}
"""What a profile holds."""
PROCESSOR_NUMBERS = (
    "cpu family",
    "model",
    "stepping",
    "CPU implementer",
    "CPU part",
    "CPU revision",
)
"""On x86 the first three, on ARM the others."""
OFF = ("", "off")
LARGEST = 1 << 20
AGAIN = "Run: fleckcore tune. Until then the defaults are used; results are the same."


@dataclass
class _State:
    """What this process uses."""

    settled: bool = False
    profile: str | None = None


_state = _State()
_lock = Lock()


def profile_path() -> Path | None:
    """Where the profile of this machine lies: ``FLECKCORE_TUNING``, else in the user's folder for settings.

    Returns
    -------
    Path or None
        None when the variable is empty or ``off``, or there is no such folder.
    """
    named = os.environ.get("FLECKCORE_TUNING")
    if named is not None:
        return None if named in OFF else Path(named)
    settings = os.environ.get("XDG_CONFIG_HOME")
    try:
        folder = Path(settings) if settings else Path.home() / ".config"
    except RuntimeError:  # nobody knows a home
        return None
    return folder / "fleckcore" / "tuning.json"


def machine() -> dict[str, Any]:
    """What a profile must agree with."""
    return {"fleckcore": __version__, "processor": processor(), "isas": _core.available_isas()}


def processor() -> str:
    """The processor's name, and the numbers that tell it from others of that name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    about = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    numbers = [about[key] for key in PROCESSOR_NUMBERS if key in about]
    name = about.get("model name", os.uname().machine)
    return f"{name} ({', '.join(numbers)})" if numbers else name


def tuning_in_use() -> str | None:
    """The profile that kernels use, loaded if it was not: its file's name and a hash of its bytes.

    Returns
    -------
    str or None
        None when the defaults are used. A profile that cannot be used is a `TuningWarning`, once: ``R18`` damaged,
        ``R19`` of another processor or version.
    """
    if not _state.settled:
        with _lock:
            if not _state.settled:
                _load()
    return _state.profile


def set_tuning(choices: dict[str, Any], profile: str | None = None) -> None:
    """Use these choices and the defaults of all others, for the whole process; no profile is loaded then.

    Raises
    ------
    FleckError
        ``R18`` no such choice, or a value out of its range; ``R20`` a kernel is running in another thread.
    """
    try:
        _core.set_tuning(choices)
    except ValueError as error:
        raise FleckError(f"{error}.", code="R18") from None
    except RuntimeError as error:
        raise FleckError(f"{error}.", code="R20", advice="Tune where nothing else runs.") from None
    _state.profile = profile
    _state.settled = True


def forget_tuning() -> None:
    """Use the defaults, until the next call of a kernel loads the profile again."""
    set_tuning({})
    _state.settled = False


def _load() -> None:
    path = profile_path()
    try:
        text = _read(path) if path else None
        if path and text is not None:
            set_tuning(_choices(text), f"{path.name} {hashlib.sha256(text).hexdigest()[:8]}")
            return
    except FleckError as error:
        fault = FleckError(error.message, code=error.code, path=path, advice=AGAIN)
        warnings.warn(str(fault), TuningWarning, stacklevel=2)
    set_tuning({})


def _read(path: Path) -> bytes | None:
    """None when nobody has tuned, and nobody says so."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and "FLECKCORE_TUNING" not in os.environ:
            return None
        raise FleckError(
            f"the tuning profile cannot be read: {error.strerror}.", code="R18"
        ) from None
    if len(text) > LARGEST:
        raise FleckError("this is no tuning profile: it has more than 1 MB.", code="R18")
    return text


def _choices(text: bytes) -> dict[str, Any]:
    """The choices of a profile for this machine and this version."""
    try:
        profile = json.loads(text)
    except (ValueError, RecursionError):
        raise FleckError("this is no tuning profile: it is not JSON.", code="R18") from None
    if not isinstance(profile, dict) or profile.keys() != KEYS:
        seen = sorted(profile) if isinstance(profile, dict) else type(profile).__name__
        raise FleckError(
            f"this is no tuning profile: it holds {seen}, wanted {sorted(KEYS)}.", code="R18"
        )
    for key, here in machine().items():
        if profile[key] != here:
            raise FleckError(
                f"the tuning profile is for {key} {profile[key]!r}, and here it is {here!r}.",
                code="R19",
            )
    choices = profile["choices"]
    if not isinstance(choices, dict):
        raise FleckError(f"'choices' is {choices!r}, wanted names and values.", code="R18")
    return choices
