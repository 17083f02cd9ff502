"""The kernel ``combine_stack``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels._arguments import check_image, check_threads

Method = Literal["mean", "median", "clipped_mean"]
METHODS: tuple[Method, ...] = get_args(Method)

MOST_FRAMES = 10_000


class StackedPlanes(NamedTuple):
    """What a stack became.

    Attributes
    ----------
    data, error : ndarray of float32, shape (rows, cols)
    quality, used : ndarray of int32, shape (rows, cols)
        Quality bits, and of how many frames a pixel is made.
    rejected : ndarray of int64, shape (frames,)
        Pixels of each frame that are cosmic rays; 0 where they were not looked for.
    """

    data: NDArray[np.float32]
    error: NDArray[np.float32]
    quality: NDArray[np.int32]
    used: NDArray[np.int32]
    rejected: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Frames of one shape that are to become one.

    Attributes
    ----------
    data : sequence of ndarray, shape (rows, cols)
        Any real type, byte order and strides; read row by row.
    error, quality : sequence of (ndarray or None), optional
        One standard deviation per pixel; bits, integers of up to 32 bits, of which the highest must be free.
    zero, scale : sequence of float or float
        A pixel is compared and combined as ``(data - zero) / scale``.
    variance : (float, float)
        Slope and floor: the variance of a pixel without error plane is ``slope * max(data, 0) + floor``.
    files : sequence of ((int, mmap) or None), optional
        Descriptor and mapped bytes of the whole file of each frame. Planes that lie in these bytes are read from the
        file, row by row, and their mapping is not touched: it would count as memory.
    """

    data: Sequence[Any]
    error: Sequence[Any] | None = None
    quality: Sequence[Any] | None = None
    zero: Sequence[float] | float = 0.0
    scale: Sequence[float] | float = 1.0
    variance: tuple[float, float] = (0.0, 0.0)
    files: Sequence[tuple[int, mmap] | None] | None = None
    _checked: _Checked = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_checked", _check(self))


class _Checked(NamedTuple):
    data: list[NDArray[Any]]
    error: list[NDArray[Any] | None]
    quality: list[NDArray[Any] | None]
    numbers: NDArray[np.float32]
    files: list[tuple[int, NDArray[np.uint8]] | None]


@dataclass(frozen=True, kw_only=True)
class CosmicRays:
    """How cosmic rays are told from light: the parameters of ACSREJ, with its names in brackets.

    Attributes
    ----------
    sigmas : tuple of float
        A threshold for each iteration (CRSIGMAS).
    radius : float
        Neighbours up to this distance, pixels, may be rejected with a cosmic ray (CRRADIUS).
    spill : float
        What they need, as a fraction of the threshold; 0 or less rejects them all (CRTHRESH).
    scale_noise : float
        Noise that grows with the light, per cent of it (SCALENSE).
    initial : {"minimum", "median"}
        The first guess (INITGUES).
    bad_bits : int
        Quality bits of pixels that are neither tested nor used (BADINPDQ).
    exempt : bool
        Bit 4 of ``bad_bits`` does not count: so does calacs since 10.2.0 (March 2019) for biases and darks, so that
        the mask of a fleck leaves no imprint on them.
    accidents : bool
        Do also what ACSREJ does without meaning to, for results that are the same to the bit; see Notes of
        `reject_cosmic_rays`.
    rejected_bit : int
        Quality bit of a pixel that is a cosmic ray in every frame.
    """

    sigmas: tuple[float, ...] = (6.5, 5.5, 4.5)
    radius: float = 2.1
    spill: float = 0.5555
    scale_noise: float = 30.0
    initial: Literal["minimum", "median"] = "minimum"
    bad_bits: int = 39
    exempt: bool = False
    accidents: bool = True
    rejected_bit: int = 8192

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("sigmas", bool(self.sigmas) and all(s > 0 for s in self.sigmas), "numbers above 0"),
            ("radius", 0 <= self.radius <= 100, "0 to 100 pixels"),
            ("spill", np.isfinite(self.spill), "a finite number"),
            ("scale_noise", 0 <= self.scale_noise < np.inf, "per cent, 0 or more"),
            ("initial", self.initial in ("minimum", "median"), "minimum or median"),
            ("bad_bits", 0 <= self.bad_bits < 2**31, "bits below 2**31"),
            ("rejected_bit", 0 <= self.rejected_bit < 2**31, "bits below 2**31"),
        ):
            if not good:
                raise ArrayError(f"{name}={getattr(self, name)!r}, wanted {wanted}.", code="A09")


def combine_stack(
    stack: Stack,
    *,
    method: Method = "mean",
    bad_bits: int = 0,
    low: float = 3.0,
    high: float = 3.0,
    rounds: int = 5,
    threads: int | None = None,
    after: Callable[[int, int], object] | None = None,
) -> StackedPlanes:
    """Make one frame of many: mean, median or sigma-clipped mean.

    Parameters
    ----------
    stack : Stack
        The frames.
    method : {"mean", "median", "clipped_mean"}
        ``"clipped_mean"`` leaves out what lies more than ``low`` (``high``) standard deviations below (above) the
        median of a pixel's frames, again and again until nothing more goes, at most ``rounds`` times.
    bad_bits : int
        Pixels with one of these quality bits are not used; nor are NaN and infinite ones.
    low, high : float
        Of the clipping, standard deviations.
    rounds : int
        Of the clipping.
    threads : int, optional
        Threads; by default `default_threads`.
    after : callable, optional
        Called now and then, from any thread, with the first row and the end of some that are finished.

    Returns
    -------
    StackedPlanes
        Of ``(data - zero) / scale``. The error is ``sqrt(sum of variances) / n``, that of a median of more than two
        ``sqrt(pi / 2)`` times that. The quality is the OR of the frames that are used; where none is, data and error
        are 0 and the quality is the OR of all.

    Raises
    ------
    ArrayError
        ``A09`` an option out of range.
    OSError
        A file cannot be read; ``filename`` is its descriptor.
    """
    if method not in METHODS:
        raise ArrayError(f"method={method!r}, wanted one of {', '.join(METHODS)}.", code="A09")
    if not (low > 0 and high > 0 and rounds >= 0 and 0 <= bad_bits < 2**31):
        raise ArrayError(
            f"low={low}, high={high}, rounds={rounds}, bad_bits={bad_bits}, wanted clipping above 0 and bits "
            "below 2**31.",
            code="A09",
        )
    checked, planes = stack._checked, _planes(stack)
    _core.combine_stack(
        *checked,
        method,
        int(bad_bits),
        float(low),
        float(high),
        int(rounds),
        *planes[:4],
        check_threads(threads),
        after,
    )
    return planes


def reject_cosmic_rays(
    stack: Stack,
    rules: CosmicRays,
    *,
    rejected: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    after: Callable[[int, int], object] | None = None,
) -> StackedPlanes:
    """Add up frames without their cosmic rays, by the algorithm of ACSREJ.

    Parameters
    ----------
    stack : Stack
        ``zero`` is the sky of each frame, ``scale`` its exposure time.
    rules : CosmicRays
        Parameters of the algorithm.
    rejected : ndarray of bool, shape (frames, rows, cols), optional
        Filled with True where a pixel of a frame is a cosmic ray.
    threads, after
        As for `combine_stack`.

    Returns
    -------
    StackedPlanes
        Scaled to the sum of all times, with the sum of all skies; errors propagated from the frames that are used.
        Where nothing is left, the data are the sum of the skies and the error is 0.

    Raises
    ------
    ArrayError
        ``A09`` times that are not above 0, ``A12`` a ``rejected`` of another shape or type.
    OSError
        A file cannot be read; ``filename`` is its descriptor.

    Notes
    -----
    As in calacs 10.5 [1]_, in its precision and order, compared with it bit by bit. A pixel is a cosmic ray (or a
    sink) where it differs from the guess by more than its threshold, upwards or downwards; its neighbours in its own
    and the later rows are held to a smaller one.

    ACSREJ keeps its marks in a copy of the quality plane, which has consequences that are ``accidents``: a quality
    of exactly 8, 4 or 2 counts as a mark; a neighbour that is marked from an earlier row is no longer a bad pixel,
    and its quality bits of that frame are lost; the ``minimum`` of a pixel that is bad in the first frame is 0 or
    less; and in biases and darks bad pixels are added up untested, so that the cosmic rays of a pixel whose quality
    is 4, such as a flagged fleck's, stay.

    References
    ----------
    .. [1] ACS ISR 2018-05 and the program ``acsrej``
    """
    checked, planes = stack._checked, _planes(stack)
    if not (checked.numbers[:, 1] > 0).all():
        raise ArrayError("scale must be above 0: exposure times, or 1 for biases.", code="A09")
    marks = None
    if rejected is not None:
        wanted = (len(checked.data), *checked.data[0].shape)
        if rejected.shape != wanted or rejected.dtype != bool or not rejected.flags.c_contiguous:
            raise ArrayError(
                f"rejected has shape {rejected.shape} and dtype {rejected.dtype}, wanted {wanted} of bool.",
                code="A12",
            )
        marks = rejected.view(np.uint8)
    counts = _core.reject_cosmic_rays(
        *checked,
        list(rules.sigmas),
        rules.radius,
        rules.spill,
        rules.scale_noise / 100,
        rules.initial == "median",
        rules.bad_bits,
        rules.exempt,
        rules.accidents,
        rules.rejected_bit,
        *planes[:4],
        marks,
        check_threads(threads),
        after,
    )
    return planes._replace(rejected=np.array(counts, np.int64))


def sky_modes(
    stack: Stack,
    *,
    bad_bits: int = 0,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Give the most frequent value of each frame, as ACSREJ takes its sky.

    Parameters
    ----------
    stack : Stack
        Only data and quality are read.
    bad_bits : int
        Pixels of the first frame with one of these bits do not set the range of the histograms.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray of float32, shape (frames,)
        The peak of a parabola through the highest bin of 1 and its neighbours, over pixels of quality 0.
    """
    modes = _core.sky_modes(*stack._checked, int(bad_bits), check_threads(threads))
    return np.array(modes, np.float32)


def _check(stack: Stack) -> _Checked:
    data = [check_image(plane, f"data[{n}]") for n, plane in enumerate(stack.data)]
    if not 1 <= len(data) <= MOST_FRAMES:
        raise ArrayError(f"a stack of {len(data)} frames, wanted 1 to {MOST_FRAMES}.", code="A09")
    for n, plane in enumerate(data):
        if plane.shape != data[0].shape:
            raise ArrayError(
                f"data[{n}] has shape {plane.shape}, data[0] has {data[0].shape}.", code="A12"
            )
    error = _companions(stack.error, data, "error")
    quality = _companions(stack.quality, data, "quality")
    for n, bits in enumerate(quality):
        if bits is not None and (bits.dtype.kind not in "iub" or bits.dtype.itemsize > 4):
            raise ArrayTypeError(
                f"quality[{n}] has dtype {bits.dtype}, wanted integers of up to 32 bits.",
                code="A09",
            )
    return _Checked(data, error, quality, _numbers(stack, len(data)), _files(stack, len(data)))


def _companions(
    planes: Sequence[Any] | None, data: list[NDArray[Any]], name: str
) -> list[NDArray[Any] | None]:
    if planes is None:
        return [None] * len(data)
    if len(planes) != len(data):
        raise ArrayError(f"{len(planes)} planes of {name} for {len(data)} of data.", code="A12")
    checked: list[NDArray[Any] | None] = []
    for n, plane in enumerate(planes):
        array = None if plane is None else check_image(plane, f"{name}[{n}]")
        if array is not None and array.shape != data[n].shape:
            raise ArrayError(
                f"{name}[{n}] has shape {array.shape}, data[{n}] has {data[n].shape}.", code="A12"
            )
        checked.append(array)
    return checked


def _numbers(stack: Stack, count: int) -> NDArray[np.float32]:
    numbers = np.empty((count, 4), np.float32)
    for column, values in enumerate((stack.zero, stack.scale, *stack.variance)):
        try:
            numbers[:, column] = values
        except ValueError:
            raise ArrayError(
                f"{np.size(values)} numbers of zero or scale for {count} frames.", code="A12"
            ) from None
    if not np.isfinite(numbers).all() or not numbers[:, 1].all() or (numbers[:, 2:] < 0).any():
        raise ArrayError(
            "zero and scale must be finite, scale not 0, variance 0 or more.", code="A09"
        )
    return numbers


def _files(stack: Stack, count: int) -> list[tuple[int, NDArray[np.uint8]] | None]:
    files = [None] * count if stack.files is None else stack.files
    if len(files) != count:
        raise ArrayError(f"{len(files)} files for {count} frames.", code="A12")
    return [file and (file[0], np.frombuffer(file[1], np.uint8)) for file in files]


def _planes(stack: Stack) -> StackedPlanes:
    shape = stack._checked.data[0].shape
    return StackedPlanes(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.int32),
        np.empty(shape, np.int32),
        np.zeros(len(stack._checked.data), np.int64),
    )
