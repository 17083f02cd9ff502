from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def default_threads() -> int: ...
def active_isa() -> str: ...
def available_isas() -> list[str]: ...
def label_components(
    data: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    threshold: float,
    connectivity: int,
    min_area: int,
    deblend: float,
    levels: Sequence[float],
    labels: NDArray[np.int32] | None,
    threads: int,
) -> tuple[NDArray[np.void], NDArray[np.int64]]: ...
