"""The options of a search: what cannot be meant is refused, what can be works."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from dusty_flats import FLECKS, assert_finds, dusty_flat
from fleckcore import search
from fleckcore.detection.options import Options
from fleckcore.errors import ArrayError

BAD_NUMBERS = (np.nan, np.inf, -np.inf, -1, True, "1", None)


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        ("unlit_below", (1.01,)),
        ("false_alarms", (0, 1e-320)),
        ("min_depth", (1.01,)),
        ("min_area", (0, 2.5)),
        ("max_size", (0, 2.5)),
        ("mesh", (7, 64.5)),
        ("edge_zone", (0.5,)),
        ("model_error", (1.01,)),
        ("least_radius", (3.9, 151)),
        ("largest_radius", (3.9, 151)),
        ("sigmas", ((), (0.0,), (1.0, 2.0), (0, 2), (0, 1, 1), (0, 1, np.nan), (0, 1, 101))),
    ],
)
def test_a09_option_of_the_search_out_of_range(name: str, beyond: tuple[Any, ...]) -> None:
    for value in (*BAD_NUMBERS, *beyond):
        with pytest.raises(ArrayError, match=f"{name}={re.escape(repr(value))}, wanted ") as error:
            Options(**{name: value})
        assert error.value.code == "A09"


def test_a09_largest_radius_below_the_least() -> None:
    with pytest.raises(ArrayError, match=r"least_radius=12.0 is above largest_radius=11") as error:
        Options(largest_radius=11)
    assert error.value.code == "A09"


@pytest.mark.parametrize(
    "option",
    [
        {"unlit_below": 0},
        {"false_alarms": 1e-99},
        {"min_depth": 0},
        {"max_size": np.int64(24)},
        {"mesh": 8},
        {"mesh": 64.0},
        {"edge_zone": 0},
        {"edge_zone": 10_000},
        {"model_error": 0},
        {"model_error": 1},
        {"least_radius": 4},
        {"least_radius": 150, "largest_radius": 150},
        {"least_radius": 4, "largest_radius": np.float32(4)},
        {"sigmas": (0, 1)},
        {"sigmas": [0, 1, 100]},
    ],
    ids=str,
)
def test_option_at_the_end_of_its_range_finds_a_fleck(option: dict[str, Any]) -> None:
    catalog = search(dusty_flat(flecks=FLECKS[1:2]), options=Options(**option)).catalog
    assert_finds(catalog, FLECKS[1:2])
