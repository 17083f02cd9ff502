"""Real flats, ready to be searched, and the scoring of what is found on them.

One of them comes with the package. The others may not be given away, nor do the labels and the
scorer belong to the project: they are read where they lie, ``FLECKCORE_DATA`` or ``../shared/data``
and the folder ``finding`` beside it. What is not there raises `FileNotFoundError`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import read

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("FLECKCORE_DATA", ROOT.parent / "shared" / "data"))
FINDING = DATA.parent / "finding"
FOLDER = "FLECKCORE_DATA names their folder"
ESIS_BLANK = (3561.0, 3790.0)  # DN, median of the blank columns left and right


@dataclass(frozen=True, eq=False)
class Flat:
    """A flat without its bias. ``offset`` leads to the x, y of its labels, named ``labels``."""

    name: str
    labels: str
    data: NDArray[np.float32]
    mask: NDArray[np.bool_]
    offset: tuple[int, int] = (0, 0)


def file(name: str) -> Path:
    """One file of the real data."""
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(f"no {path}: it may not be redistributed; {FOLDER}")
    return path


def files(pattern: str) -> list[Path]:
    found = sorted(DATA.glob(pattern))
    if not found:
        raise FileNotFoundError(
            f"no {pattern} below {DATA}: they may not be redistributed; {FOLDER}"
        )
    return found


def plane(path: Path) -> NDArray[np.float32]:
    (frame,) = read(path)
    return frame.data.astype(np.float32)


def combine(flats: Sequence[Path], biases: Sequence[Path]) -> NDArray[np.float32]:
    """Mean of the flats, each less the mean bias and over its own median."""
    bias = np.mean([plane(path) for path in biases], axis=0)
    lit = [plane(path) - bias for path in flats]
    mean: NDArray[np.float32] = np.mean([flat / np.median(flat) for flat in lit], axis=0)
    return mean


def combined_flat(flats: str, biases: str) -> NDArray[np.float32]:
    """`combine` the files of two patterns."""
    return combine(files(flats), files(biases))


def esis_bias() -> NDArray[np.float64]:
    """Level of the blank columns, which differs between the halves of the trimmed frame."""
    bias: NDArray[np.float64] = np.where(np.arange(2052) < 1026, *ESIS_BLANK) * np.ones((1024, 1))
    return bias


def _unmasked(name: str, labels: str, data: NDArray[np.float32]) -> Flat:
    return Flat(name, labels, data, np.zeros(data.shape, bool))


def _esis(name: str, paths: Sequence[Path]) -> Flat:
    frames = [read(path)[0] for path in paths]
    mean = np.mean([frame.data.astype(np.float32) for frame in frames], axis=0)
    light = (mean - esis_bias()).astype(np.float32)
    return Flat(name, "msfc_esis1", light, np.array(frames[0].mask), (50, 8))


def _demo(name: str) -> Flat:
    return _esis(name, [Path(str(resources("fleckcore") / "demo_data" / "ESIS1_04803.fit.gz"))])


def _esis_mean(name: str) -> Flat:
    return _esis(name, files("msfc_esis1/ESIS1_0480[34].fit.gz"))


def _arcsat(name: str) -> Flat:
    flat = combined_flat(f"arcsat_20190503/domeflat_sdss_{name[-1]}_*", "arcsat_20190503/Bias*")
    return _unmasked(name, name, flat)


def _st7(name: str) -> Flat:
    flat = combined_flat("ccdchar_st7_L/slitview*FLAT*", "ccdchar_st7_L/*BIAS*")
    return _unmasked(name, "ccdchar_st7_L", flat)


def _st7_single(name: str) -> Flat:
    flat, bias = files("ccdchar_st7_L/slitview*FLAT*")[0], files("ccdchar_st7_L/*BIAS*")[0]
    return _unmasked(name, "ccdchar_st7_L", combine([flat], [bias]))


def _orion(name: str) -> Flat:
    return _unmasked(name, "orion_g3_dev", combined_flat("orion_g3/Flats*", "orion_g3/Bias*"))


FLATS: dict[str, Callable[[str], Flat]] = {
    "demo": _demo,
    **{f"arcsat_20190503_{band}": _arcsat for band in "griz"},
    "ccdchar_st7_L": _st7,
    "ccdchar_st7_L_single": _st7_single,
    "msfc_esis1": _esis_mean,
    "orion_g3": _orion,
}


def flat(name: str) -> Flat:
    """Make one of the `FLATS`."""
    return FLATS[name](name)


@cache
def scorer() -> ModuleType:
    """The program that compares a catalogue with labels."""
    program = FINDING / "score.py"
    if not program.exists():
        raise FileNotFoundError(f"no {program}")
    spec = importlib.util.spec_from_file_location("score", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def labels(name: str) -> Any:
    """The table of what people see on a flat."""
    path = FINDING / "truth" / f"{name}.ecsv"
    if not path.exists():
        raise FileNotFoundError(f"no {path}")
    return scorer().read(str(path))


def score(
    x: Any, y: Any, radius: Any, name: str, offset: tuple[int, int] = (0, 0), **options: Any
) -> dict[str, Any]:
    """Recall, strict recall, false alarms and duplicates against the labels of that name."""
    position = np.asarray(x, float) + offset[0], np.asarray(y, float) + offset[1]
    found: dict[str, Any] = scorer().score(
        (*position, np.asarray(radius, float)), labels(name), **options
    )
    return found
