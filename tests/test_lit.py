"""Particles, traps and dead pixels: told apart where frames can, and honestly not where they can't."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from exposed import SIDE, exposed, square
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.measure import Nature, Priors, nature

FLASH_E, FLAT_E = 64.0, 60_000.0
RATE_E_S, LONG_S, SHORT_S = 0.0115, 1040.0, 5.1
KINDS = ("particle", "trap", "dead")
PRIORS = Priors()


def planted(kind: str, side: int, random: np.random.Generator, **more: float) -> list[np.ndarray]:
    """Expected electrons of a flashed and an unflashed dark and of a flat, with a feature as the priors say."""
    aperture = square(side)
    flash, lamp = np.full((2, SIDE, SIDE), 1.0)
    dark = np.full((SIDE, SIDE), RATE_E_S)
    if kind in ("particle", "dead"):
        loss = more.get("loss", random.random())
        for plane in (flash, lamp, dark) if kind == "dead" else (flash, lamp):
            wrong = 0.0 if plane is flash else PRIORS.tolerance * random.standard_normal()
            plane[aperture] *= max(0.0, 1 - loss * (1 + wrong))
    charge = [FLASH_E * flash + SHORT_S * dark, LONG_S * dark, FLAT_E * lamp]
    if kind == "trap":
        traps = random.permutation(np.flatnonzero(aperture))[: random.integers(1, side**2 + 1)]
        taken = more.get("taken", np.exp(random.uniform(*np.log(PRIORS.trap_e))))
        for plane in charge:
            plane.flat[traps] = np.maximum(plane.flat[traps] - taken, 0)
    return charge


def seen(
    kind: str,
    side: int,
    seed: int,
    *,
    flat: bool = True,
    darks: int = 1,
    unflashed: int = 1,
    priors: Priors | None = None,
    **more: float,
) -> Nature:
    random = np.random.default_rng(seed)
    charge = planted(kind, side, random, **more)
    short = {"kind": "short_dark", "exposure_s": 0.5, "flash_s": 4.6}
    return nature(
        exposed(charge[0], darks, random, **short),
        exposed(charge[1], unflashed, random, kind="unflashed_dark", exposure_s=LONG_S),
        exposed(charge[2], 1, random, kind="flat", exposure_s=3.0) if flat else None,
        aperture=square(side),
        priors=priors,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_feature_is_told(kind):
    found = seen(kind, 12, 1, darks=10, unflashed=4, loss=0.5, taken=40.0)
    assert found.verdict == found.best.name == kind
    assert found.probability(kind) > 0.99
    assert found.frames == ("flashed", "unflashed", "flat")
    assert sum(one.probability for one in found.hypotheses) == pytest.approx(1)
    assert sum(one.prior for one in found.hypotheses) == pytest.approx(1)
    assert found.best.chi2 < 9


def test_the_numbers_behind_a_particle():
    found = seen("particle", 12, 2, darks=10, unflashed=4, loss=0.5)
    flashed, unflashed, flat = found.measured
    assert flashed.deficit == pytest.approx(32, abs=1)
    assert abs(unflashed.deficit) < 4 * unflashed.deficit_error
    particle, trap, dead = found.hypotheses
    assert particle.expected == pytest.approx([32, 0, 30_000], rel=0.05, abs=1e-9)
    assert dead.expected == pytest.approx([32, 6, 30_000], rel=0.05)
    assert trap.expected[2] == pytest.approx(32, rel=0.1)
    assert 6 <= trap.expected[1] <= 12
    assert particle.chi2 < 9 < dead.chi2 < trap.chi2
    assert particle.log_likelihood > dead.log_likelihood > trap.log_likelihood
    assert found.dark_sigma > 5
    assert flat.depth == pytest.approx(0.5, abs=0.15)


def test_among_features_of_probability_p_the_part_p_is_what_is_said():
    """Reliability: natures drawn from the priors, of sizes and depths that are often too little to tell."""
    said, true = [], []
    random = np.random.default_rng(11)
    for seed in range(600):
        kind = KINDS[random.integers(3)]
        found = seen(kind, (1, 2, 3, 5)[seed % 4], seed, flat=seed % 8 < 4)
        said += [one.probability for one in found.hypotheses]
        true += [one.name == kind for one in found.hypotheses]
    probability, truth = np.array(said), np.array(true)
    edges = [0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.000001]
    counts = np.histogram(probability, edges)[0]
    assert np.all(counts > 30)
    for low, high in itertools.pairwise(edges):
        chosen = (probability >= low) & (probability < high)
        p = probability[chosen]
        expected, spread = p.sum(), np.sqrt((p * (1 - p)).sum())
        assert abs(truth[chosen].sum() - expected) < 3 * spread + 1, (low, high)


def test_noise_leaves_it_undecided():
    found = seen("particle", 1, 3, flat=False, darks=9, loss=0.3)
    assert found.verdict == "undecided"
    assert found.measured[0].snr > 4
    assert found.dark_sigma < 2
    assert max(one.probability for one in found.hypotheses) < 0.9


def test_darkness_without_current_cannot_tell_dead_from_particle():
    random = np.random.default_rng(4)
    charge = planted("particle", 12, random, loss=0.5)
    dark = exposed(np.zeros((SIDE, SIDE)), 4, random)
    found = nature(
        exposed(charge[0], 10, random), dark, exposed(charge[2], 1, random), aperture=square(12)
    )
    assert found.verdict == "undecided"
    assert found.probability("trap") < 1e-6
    assert found.probability("particle") == pytest.approx(0.5, abs=0.1)
    assert abs(found.dark_sigma) < 2


def test_an_empty_place_is_nothing():
    found = seen("particle", 5, 5, loss=0.0)
    assert found.verdict == "unseen"
    assert abs(found.measured[0].snr) < 3


def test_what_none_of_the_three_does():
    """Much less in the dark, little less in the flash."""
    random = np.random.default_rng(6)
    dark = np.full((SIDE, SIDE), 200.0)
    dark[square(12)] *= 0.5
    light = np.full((SIDE, SIDE), 264.0)
    light[square(12)] -= 20
    found = nature(exposed(light, 4, random), exposed(dark, 4, random), aperture=square(12))
    assert found.verdict == "none"


def test_priors_count():
    even = seen("particle", 1, 3, flat=False, darks=9, loss=0.3)
    sure = seen("particle", 1, 3, flat=False, darks=9, loss=0.3, priors=Priors(trap=0, dead=0))
    assert sure.verdict == "particle"
    assert sure.probability("particle") == 1
    twice = seen("particle", 1, 3, flat=False, darks=9, loss=0.3, priors=Priors(particle=2))
    odds = [one.probability("particle") / one.probability("dead") for one in (even, twice)]
    assert odds[1] == pytest.approx(2 * odds[0])


def test_a_prior_of_nothing_for_what_fits():
    found = seen("particle", 12, 2, darks=10, unflashed=4, loss=0.5, priors=Priors(particle=0))
    assert found.probability("particle") == 0
    assert found.best.name == "dead"
    assert found.verdict == "none"


def test_a_long_flashed_dark_has_dark_current_that_a_particle_leaves():
    random = np.random.default_rng(8)
    flash, dark, _ = planted("particle", 12, random, loss=0.5)
    long = exposed(flash + 5 * dark, 4, random, exposure_s=5 * LONG_S)
    unflashed = exposed(dark, 4, random, exposure_s=LONG_S)
    particle = nature(long, unflashed, aperture=square(12)).hypotheses[0]
    assert particle.expected[0] == pytest.approx(32, abs=2)
    assert particle.chi2 < 9


def test_refusals():
    frame = exposed(np.full((SIDE, SIDE), 64.0), 1, np.random.default_rng(9))
    small = Frame(frame.data[:50], frame.error[:50], meta=frame.meta)
    with pytest.raises(ArrayError, match="A12"):
        nature(frame, small, aperture=square(3))
    for unit in ("DN", "electron/s"):
        other = frame.replace(meta=FrameMeta(unit=unit))
        with pytest.raises(MetadataError, match="M07"):
            nature(frame, other, aperture=square(3))
    for wrong in ({"trap": -1}, {"tolerance": 0}, {"trap_e": (9, 3)}):
        with pytest.raises(ArrayError, match="A09"):
            Priors(**wrong)
    with pytest.raises(ArrayError, match="A09"):
        Priors(particle=0, trap=0, dead=0)
