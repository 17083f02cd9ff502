"""What a feature is: a particle, which takes light; a trap, which takes charge; or dead, and gives less of both.

ACS ISR 2018-03 (section 3) compares flashed and unflashed darks: what vanishes without light is a particle in its
way. Here each of the three says how much charge is to be missing in every frame, and the frames say how probable each
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.measure.contrast import Contrast, contrast

__all__ = ["Hypothesis", "Nature", "Priors", "nature"]

Array = NDArray[np.float64]

KINDS = ("particle", "trap", "dead")
FLASHED, UNFLASHED = 0, 1
"""Places of these frames."""
SURE = 0.9
SEEN_SIGMA = 3.0
MISFIT = 16.0
"""Chi-square above which even the best of the three does not describe what is seen."""

_GRAIN = 0.002
"""No frame is trusted to more than this part of its level; cases that are averaged lie closer."""
_LOSSES = 2000
_CHARGES = 400
_SHARES = 200


@dataclass(frozen=True, kw_only=True)
class Priors:
    """What is believed before the frames are looked at.

    Attributes
    ----------
    particle, trap, dead : float
        How frequent each is among such features; only their ratios count.
    trap_e : (float, float)
        Least and greatest charge of a trap, electrons (the frames' unit), as many per decade everywhere. A sink pixel
        of ACS takes 10 or more (ACS ISR 2024-01), one of WFC3 up to 100 (WFC3 Data Handbook, 6.7).
    tolerance : float
        Relative error of what one frame says of another: lamp and flash light a feature from different places, and
        traps don't fill to the same amount at every level.
    """

    particle: float = 1.0
    trap: float = 1.0
    dead: float = 1.0
    trap_e: tuple[float, float] = (10.0, 100.0)
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        weights = (self.particle, self.trap, self.dead)
        low, high = self.trap_e
        for good, wanted in (
            (min(weights) >= 0 and 0 < sum(weights) < math.inf, "weights from 0 on, not all 0"),
            (0 < low < high < math.inf, "trap_e to rise, from above 0"),
            (0.01 <= self.tolerance < 1, "tolerance from 0.01 to below 1"),
        ):
            if not good:
                raise ArrayError(f"{self}: wanted {wanted}.", code="A09")


@dataclass(frozen=True, kw_only=True, eq=False)
class Hypothesis:
    """One of the things that a feature may be. Arrays have a place for each of `Nature.frames`.

    Attributes
    ----------
    name : str
        ``"particle"``, ``"trap"`` or ``"dead"``.
    prior, probability : float
        Before and after looking at the frames; they sum to 1 over the hypotheses.
    log_likelihood : float
        Natural logarithm of the probability density of the measured deficits, up to a constant that all share.
    chi2 : float
        Of its best description of all frames.
    expected, expected_error : ndarray of float64
        Deficit that it expects of each frame from what the flashed one shows, mean of a pixel.
    """

    name: str
    prior: float
    probability: float
    log_likelihood: float
    chi2: float
    expected: Array
    expected_error: Array


@dataclass(frozen=True, kw_only=True)
class Nature:
    """How probably a feature is a particle, a trap, or dead, and why.

    Attributes
    ----------
    frames : tuple of str
        Which were there, of ``flashed``, ``unflashed`` and ``flat``.
    measured : tuple of Contrast
        What is missing in each.
    hypotheses : tuple of Hypothesis
        Particle, trap, dead.
    priors : Priors
        What was believed before.
    """

    frames: tuple[str, ...]
    measured: tuple[Contrast, ...]
    hypotheses: tuple[Hypothesis, ...]
    priors: Priors

    @property
    def best(self) -> Hypothesis:
        """The most probable hypothesis."""
        return max(self.hypotheses, key=lambda one: one.probability)

    @property
    def verdict(self) -> str:
        """Name of the best hypothesis, if its probability is 0.9 or more.

        Else ``"undecided"``; ``"unseen"`` where the flashed frame shows no deficit of three standard deviations;
        ``"none"`` where even the best does not describe the frames.
        """
        if self.measured[FLASHED].snr < SEEN_SIGMA:
            return "unseen"
        if self.best.chi2 > MISFIT:
            return "none"
        return self.best.name if self.best.probability >= SURE else "undecided"

    @property
    def dark_sigma(self) -> float:
        """How well darkness can tell: the dark current that dead pixels would lack, over its error.

        Below about 3, a particle and dead pixels look the same in the unflashed frame.
        """
        dead = self.hypotheses[KINDS.index("dead")]
        known = float(dead.expected_error[UNFLASHED])
        error = math.hypot(self.measured[UNFLASHED].deficit_error, known)
        return float(dead.expected[UNFLASHED]) / error

    def probability(self, name: str) -> float:
        """Probability of a hypothesis."""
        return self.hypotheses[KINDS.index(name)].probability


def nature(
    flashed: Frame,
    unflashed: Frame,
    flat: Frame | None = None,
    *,
    aperture: NDArray[np.bool_],
    x0: int = 0,
    y0: int = 0,
    priors: Priors | None = None,
) -> Nature:
    """Tell a particle from a trap and from dead pixels.

    Of every frame counts what its aperture lacks (`contrast`). The hypotheses expect

    - a particle, which stops a part l of the light, ``l * light``: nothing of an unflashed dark;
    - m of n pixels that trap a charge q each, ``m / n * min(q, level)``: all of a low level, little of a flat;
    - dead pixels, which give a part l less than others, ``l * level``: the same part of light and of dark current.

    where the light of a flashed dark is its level without the dark current that the unflashed one shows. Before the
    frames are looked at, every l from 0 to 1 and every m are equally probable, and every q of `Priors.trap_e` per
    decade. The likelihood of a hypothesis is that of the measured deficits, whose errors are Gaussian, averaged over
    these.

    Parameters
    ----------
    flashed, unflashed, flat : Frame
        Bias subtracted, in electrons of *one* exposure (divide a sum by its number: a trap takes its charge from
        each). A flashed dark after the feature appeared, an unflashed one, and a flat of a high level.
    aperture : ndarray of bool
        Pixels of the feature, not chosen on these frames.
    x0, y0 : int
        Position of the aperture's pixel ``[0, 0]`` in the frames, as of a `CutOut`.
    priors : Priors, optional
        What is believed before; by default the three are equally probable.

    Returns
    -------
    Nature
        Among features whose particle has a probability of 0.9, nine of ten are particles, if the priors hold.

    Raises
    ------
    ArrayError
        ``A12`` frames of different shapes; ``A09`` as in `contrast`.
    MetadataError
        ``M07`` frames of different units, or of a rate.
    """
    frames = {"flashed": flashed, "unflashed": unflashed}
    if flat is not None:
        frames["flat"] = flat
    _require_alike(frames)
    priors = priors or Priors()
    measured = tuple(contrast(frame, aperture, x0=x0, y0=y0) for frame in frames.values())
    level = np.array([max(0.0, one.level) for one in measured])
    models = (
        _proportional(level - _dark(list(frames.values()), level)),
        _trapped(level, measured[FLASHED].pixels, priors.trap_e),
        _proportional(level),
    )
    return Nature(
        frames=tuple(frames),
        measured=measured,
        hypotheses=_compare(models, measured, priors),
        priors=priors,
    )


def _require_alike(frames: dict[str, Frame]) -> None:
    shapes = {frame.shape for frame in frames.values()}
    if len(shapes) > 1:
        raise ArrayError(f"frames of shapes {sorted(shapes)}, wanted one.", code="A12")
    units = {frame.meta.unit for frame in frames.values()}
    if len(units) > 1 or "electron/s" in units:
        raise MetadataError(
            f"frames in {', '.join(sorted(units))}, wanted the electrons of one exposure each.",
            code="M07",
            advice="Multiply by the gain, or by the exposure time.",
        )


def _dark(frames: Sequence[Frame], level: Array) -> Array:
    """Dark current in each frame: all of the unflashed one; of others as their time says, where it is known."""
    seconds = np.array([_seconds(frame) for frame in frames])
    dark = np.zeros(len(frames))
    if seconds[UNFLASHED] > 0:
        dark = np.minimum(level, level[UNFLASHED] * seconds / seconds[UNFLASHED])
    dark[UNFLASHED] = level[UNFLASHED]
    return dark


def _seconds(frame: Frame) -> float:
    return (frame.meta.exposure_s or 0.0) + (frame.meta.flash_s or 0.0)


def _proportional(amount: Array) -> Array:
    """Deficits of something that takes the same part of an amount in each frame, shape (cases, frames)."""
    loss = (np.arange(_LOSSES) + 0.5) / _LOSSES
    deficits: Array = loss[:, None] * amount
    return deficits


def _trapped(level: Array, pixels: int, trap_e: tuple[float, float]) -> Array:
    """Deficits of traps in some of the pixels, shape (cases, frames)."""
    count = min(pixels, _SHARES)
    share = np.round(np.linspace(1, pixels, count)) / pixels
    low, high = np.log(trap_e)
    charge = np.exp(low + (high - low) * (np.arange(_CHARGES) + 0.5) / _CHARGES)
    taken = np.minimum(charge[:, None], level)
    deficits: Array = (share[:, None, None] * taken).reshape(-1, level.size)
    return deficits


def _compare(
    models: tuple[Array, ...], measured: Sequence[Contrast], priors: Priors
) -> tuple[Hypothesis, ...]:
    """Weigh the hypotheses, each given as the equally probable cases of what it takes from each frame."""
    prior = np.array([getattr(priors, name) for name in KINDS], float)
    prior /= prior.sum()
    weighed = [_weigh(cases, measured, priors.tolerance) for cases in models]
    with np.errstate(divide="ignore"):
        posterior = np.log(prior) + [one["log_likelihood"] for one in weighed]
    posterior = np.exp(posterior - posterior.max())
    posterior /= posterior.sum()
    return tuple(
        Hypothesis(name=name, prior=float(before), probability=float(after), **one)
        for name, before, after, one in zip(KINDS, prior, posterior, weighed, strict=True)
    )


def _weigh(cases: Array, measured: Sequence[Contrast], tolerance: float) -> dict[str, Any]:
    """Give what `Hypothesis` says of the frames."""
    deficit = np.array([one.deficit for one in measured])
    own = [
        np.hypot(one.error_for(case), _GRAIN * one.level)
        for one, case in zip(measured, cases.T, strict=True)
    ]
    told_by_flashed = np.arange(len(measured)) != FLASHED
    misfit, density = _gaussian(
        deficit - cases, np.hypot(np.column_stack(own), tolerance * told_by_flashed * cases)
    )
    expected, spread = _moments(cases, density[:, FLASHED])
    whole = density.sum(axis=1)
    best = float(whole.max())
    return {
        "log_likelihood": best + math.log(float(np.exp(whole - best).mean())),
        "chi2": float(misfit.sum(axis=1).min()),
        "expected": expected,
        "expected_error": np.hypot(spread, tolerance * told_by_flashed * expected),
    }


def _gaussian(residual: Array, sigma: Array) -> tuple[Array, Array]:
    """Give square of residual over sigma, and logarithm of the density but for a constant."""
    misfit: Array = (residual / sigma) ** 2
    density: Array = -0.5 * misfit - np.log(sigma)
    return misfit, density


def _moments(cases: Array, log_weight: Array) -> tuple[Array, Array]:
    """Give weighted mean and standard deviation over the cases."""
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean: Array = weight @ cases
    spread: Array = np.sqrt(np.maximum(weight @ cases**2 - mean**2, 0.0))
    return mean, spread
