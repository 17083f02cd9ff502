from typing import Any

from numpy.typing import NDArray

def default_threads() -> int: ...
def active_isa() -> str: ...
def available_isas() -> list[str]: ...
def median_filter(
    data: NDArray[Any],
    mask: NDArray[Any] | None,
    out: NDArray[Any],
    rows: int,
    cols: int,
    mode: str,
    cval: NDArray[Any],
    threads: int,
) -> None: ...
