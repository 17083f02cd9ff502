"""``label`` as in scipy.ndimage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.kernels import label_components

__all__ = ["label"]


def label(input: Any, structure: Any = None, output: Any = None) -> Any:  # noqa: A002  # scipy's name
    """Label the connected nonzero pixels of an image, as `scipy.ndimage.label` does.

    Parameters
    ----------
    input : array_like, shape (rows, cols)
        Any real type; every nonzero pixel, NaN included, belongs to an object.
    structure : array_like, shape (3, 3), optional
        The cross (pixels touch at edges), which is the default, or all ones (at corners as well).
    output : dtype or ndarray, shape (rows, cols), optional
        Type of the labels, or where to write them; may be `input` itself.

    Returns
    -------
    labels : ndarray of int32 or of the given type, shape (rows, cols)
        Only if `output` is not an array.
    count : int
        Number of objects.

    Raises
    ------
    NotImplementedError
        Not two-dimensional, or another structure.
    TypeError
        Complex input.
    ValueError
        `output` or `structure` has a wrong shape.
    RuntimeError
        `output` has a type too small for the labels, `structure` is not two-dimensional.
    """
    data = np.asarray(input)
    if np.iscomplexobj(data):  # scipy's own answer
        raise TypeError("Complex type not supported")
    if isinstance(output, np.ndarray) and output.shape != data.shape:
        raise ValueError(f"output shape not correct: {output.shape}, wanted {data.shape}")
    connectivity = _connectivity(data, structure)
    if data.size == 0:
        return _deliver(np.zeros(data.shape, dtype=np.int32), 0, output)
    found = label_components(data != 0, 0, connectivity=connectivity)
    assert found.labels is not None
    return _deliver(found.labels, found.count, output)


def _connectivity(data: NDArray[Any], structure: Any) -> int:
    if data.ndim == 2:
        cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
        shape = cross if structure is None else np.asarray(structure, dtype=bool)
        if shape.ndim != 2:
            raise RuntimeError("structure and input must have equal rank")
        if shape.shape != (3, 3):
            raise ValueError("structure dimensions must be equal to 3")
        if np.array_equal(shape, cross):
            return 4
        if shape.all():
            return 8
    raise NotImplementedError(
        f"{data.ndim}-D input with structure {structure!r}: use scipy.ndimage.label. "
        "Covered here: 2-D input with a 3x3 cross or square."
    )


def _deliver(labels: NDArray[np.int32], count: int, output: Any) -> Any:
    given = isinstance(output, np.ndarray)
    result = output if given else np.empty(labels.shape, np.int32 if output is None else output)
    result[...] = labels
    if result.dtype.itemsize < 4 and not np.array_equal(result, labels):
        raise RuntimeError(
            f"insufficient bit-depth in requested output type {result.dtype}: {count} objects"
        )
    return count if given else (result, count)
