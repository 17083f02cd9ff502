from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def default_threads() -> int: ...
def active_isa() -> str: ...
def available_isas() -> list[str]: ...
def compare_float32(rounds: int) -> int: ...
def compare_int16(rounds: int) -> int: ...
def tuning() -> dict[str, int | str]: ...
def set_tuning(choices: dict[str, Any]) -> None: ...
def combine_stack(
    data: Sequence[NDArray[Any]],
    error: Sequence[NDArray[Any] | None],
    quality: Sequence[NDArray[Any] | None],
    numbers: NDArray[np.float32],
    files: Sequence[tuple[int, NDArray[np.uint8]] | None],
    method: str,
    bits: int,
    low: float,
    high: float,
    rounds: int,
    out: NDArray[np.float32],
    out_error: NDArray[np.float32],
    out_quality: NDArray[np.int32],
    used: NDArray[np.int32],
    threads: int,
    after: Callable[[int, int], object] | None,
) -> None: ...
def reject_cosmic_rays(
    data: Sequence[NDArray[Any]],
    error: Sequence[NDArray[Any] | None],
    quality: Sequence[NDArray[Any] | None],
    numbers: NDArray[np.float32],
    files: Sequence[tuple[int, NDArray[np.uint8]] | None],
    sigmas: Sequence[float],
    radius: float,
    spill: float,
    scale_noise: float,
    median: bool,
    bits: int,
    exempt: bool,
    accidents: bool,
    rejected_bit: int,
    out: NDArray[np.float32],
    out_error: NDArray[np.float32],
    out_quality: NDArray[np.int32],
    used: NDArray[np.int32],
    rejected: NDArray[np.uint8] | None,
    threads: int,
    after: Callable[[int, int], object] | None,
) -> list[int]: ...
def sky_modes(
    data: Sequence[NDArray[Any]],
    error: Sequence[NDArray[Any] | None],
    quality: Sequence[NDArray[Any] | None],
    numbers: NDArray[np.float32],
    files: Sequence[tuple[int, NDArray[np.uint8]] | None],
    bits: int,
    threads: int,
) -> list[float]: ...

most_electrons: float

def photon_noise(
    expected: NDArray[Any], read_noise: float, seed: Sequence[int], threads: int
) -> NDArray[np.float32]: ...
def mesh_statistics(
    data: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    box_rows: int,
    box_cols: int,
    clip: float,
    max_iterations: int,
    min_valid: float,
    level: NDArray[np.float64],
    noise: NDArray[np.float64],
    count: NDArray[np.int64],
    threads: int,
) -> None: ...
def fill_mesh(mesh: NDArray[np.float64], out: NDArray[np.float64], threads: int) -> None: ...
def median_mesh(mesh: NDArray[np.float64], size: int, out: NDArray[np.float64]) -> None: ...
def interpolate_mesh(
    mesh: NDArray[np.float64],
    box_rows: int,
    box_cols: int,
    shape: tuple[int, int],
    first: tuple[int, int],
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
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
def literal_search(
    data: NDArray[Any],
    quality: NDArray[Any] | None,
    bits: int,
    level_box: int,
    noise_box: int,
    window_rows: int,
    window_cols: int,
    sigma: float,
    min_area: int,
    deviation: float,
    least_noise: float,
    few_valid: float,
    without_deviants: bool,
    level: NDArray[np.float64],
    loss_noise: NDArray[np.float64],
    state: NDArray[np.uint8],
    threads: int,
) -> tuple[float, tuple[int, int, int], NDArray[np.float64], NDArray[np.int64]]: ...
def cte_readout(
    data: NDArray[Any],
    level: NDArray[np.float64],
    capture: NDArray[np.float64],
    release: NDArray[np.float64],
    remaining: NDArray[np.float64],
    substeps: int,
    nodes: NDArray[np.float64] | None,
    date: float,
    rows: int,
    first: int,
    restoring: tuple[int, float, bool, float] | None,
    out: NDArray[Any],
    threads: int,
) -> None: ...
def smooth_noise(
    data: NDArray[Any], read_noise: float, out: NDArray[np.float32], threads: int
) -> int: ...
def gaussian_filter(
    data: NDArray[Any], sigma: float, mask: NDArray[np.bool_] | None, threads: int
) -> NDArray[np.float32]: ...

profile_start: np.dtype[np.void]

def peak_search(
    data: NDArray[Any],
    mesh: NDArray[np.float64],
    box_rows: int,
    box_cols: int,
    least: float,
    error: NDArray[Any] | None,
    white: float,
    doubt: NDArray[Any] | None,
    mask: NDArray[np.bool_] | None,
    limit: float,
    opposite_floor: float,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], int]: ...
def profile_fit(
    patches: Sequence[tuple[int, int, NDArray[Any], NDArray[Any], NDArray[np.bool_] | None, int]],
    starts: NDArray[np.void],
    threads: int,
) -> tuple[NDArray[np.void], NDArray[np.float64]]: ...
def shadow_search(
    data: NDArray[Any],
    radius: float,
    edge: bool,
    rows: tuple[int, int, int],
    cols: tuple[int, int],
    mask: NDArray[np.bool_] | None,
    threads: int,
) -> NDArray[np.float32]: ...
def streak_search(
    data: NDArray[Any],
    length: float,
    angle: float,
    mask: NDArray[np.bool_] | None,
    threads: int,
) -> NDArray[np.float32]: ...
def find_seeds(
    data: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    along_rows: bool,
    threshold: float,
    background_width: int,
    gap: int,
    threads: int,
) -> NDArray[np.int64]: ...
def trail_scan(
    data: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    noise: NDArray[Any],
    seeds: NDArray[np.int64],
    background_width: int,
    gap: int,
    max_length: int,
    n_sigma: float,
    length: NDArray[np.int64],
    sums: NDArray[np.float64],
    profile: NDArray[np.float64],
    threads: int,
) -> None: ...
def measure_feature(
    loss: NDArray[Any],
    noise: NDArray[Any],
    level: NDArray[Any],
    usable: NDArray[np.bool_],
    free: NDArray[np.bool_],
    footprint: NDArray[np.bool_],
) -> tuple[float | int, ...]: ...
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
def word_sum(data: memoryview | bytes, threads: int) -> int: ...
