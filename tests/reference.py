"""Slow, obvious numpy references: what each kernel must equal."""

import numpy as np

# --- median_filter

PAD_MODES = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}


def median_filter(data, size, *, mask=None, mode="reflect", cval=0.0):
    """Median of what is left of every window, by sorting it in float64 or the data's own float."""
    rows, cols = (size, size) if np.ndim(size) == 0 else size
    halo = ((rows // 2, rows // 2), (cols // 2, cols // 2))
    dtype = np.promote_types(data.dtype, np.float32) if data.dtype.kind == "f" else np.float64
    values = data.astype(dtype)
    if mask is not None:
        values[mask] = np.nan
    if mode == "shrink":
        values = np.pad(values, halo, constant_values=np.nan)
    elif mode == "constant":
        values = np.pad(values, halo, constant_values=cval)
    else:
        values = np.pad(values, halo, mode=PAD_MODES[mode])
    windows = np.lib.stride_tricks.sliding_window_view(values, (rows, cols))
    result = np.full(data.shape, np.nan, dtype)
    for at in np.ndindex(data.shape):
        left = np.sort(windows[at][~np.isnan(windows[at])])
        if left.size:
            result[at] = (left[(left.size - 1) // 2] + left[left.size // 2]) / 2
            if left.size % 2:
                result[at] = left[left.size // 2]
    return result
