"""Claims of a report beside measurements: what agrees, what does not, what was not measured."""

from __future__ import annotations

import math

import pytest

from fleckcore.errors import MetadataError
from fleckcore.reproduce.claims import Check, Claim, Measured, judge, load_claims


@pytest.mark.parametrize(
    ("check", "value", "error", "holds"),
    [
        (Check("a", value=10), 10, 0, True),
        (Check("a", value=10), 10.1, 0, False),
        (Check("a", value=10), 10.1, 0.04, True),
        (Check("a", value=10), 10.1, 0.03, False),
        (Check("a", value=10, within=0.2), 10.1, 0, True),
        (Check("a", at_least=3), 2.9, 0, False),
        (Check("a", at_least=3), 2.9, 0.05, True),
        (Check("a", at_least=3), 300, 0, True),
        (Check("a", at_most=3), 3.1, 0.01, False),
        (Check("a", at_least=-3, at_most=3), -3.5, 0.0, False),
        (Check("a", at_least=-3, at_most=3), 1.0, 0.0, True),
        (Check("a", value=10), math.nan, 100, False),
        (Check("a", value=10), 10, math.inf, False),
        (Check("a", value=10, precision=0.1), 10, 0.1, True),
        (Check("a", value=10, precision=0.1), 10, 0.2, False),
    ],
)
def test_agreement(check, value, error, holds):
    assert check.holds(Measured(value, error)) is holds


def test_all_checks_must_hold_and_be_measured():
    claim = Claim(1, "2", "three and two", (Check("a", value=3), Check("b", value=2)))
    for measured, agrees in (
        ({"a": Measured(3), "b": Measured(2)}, True),
        ({"a": Measured(3), "b": Measured(1)}, False),
        ({"a": Measured(3)}, False),
    ):
        (verdict,) = judge((claim,), measured)
        assert verdict.agrees is agrees
        assert verdict.measured == (measured["a"], measured.get("b"))


def test_numbers_are_written_to_the_digits_that_they_have():
    assert str(Measured(1.23456, 0.0123, "pix")) == "1.235 ± 0.012 pix"
    assert str(Measured(-190.34, 8)) == "-190.3 ± 8.0"
    assert str(Measured(178312.4, 230, "e-")) == "178312 ± 230 e-"
    assert str(Measured(3)) == "3"
    assert str(Check("a", at_least=0.97, at_most=1.04)) == "0.97 or more and 1.04 or less"


def test_the_packaged_claims():
    claims = load_claims()
    assert [claim.number for claim in claims] == list(range(1, 28))
    assert all(claim.checks and claim.text and claim.section for claim in claims)


@pytest.mark.parametrize(
    "text",
    [
        "claims = 3",
        "[[claims]]\nnumber = 1",
        "[[claims",
        "[[claims]]\nnumber = 1\nchecks = [{ x = 1 }]",
    ],
)
def test_a_fault_is_named(tmp_path, text):
    path = tmp_path / "claims.toml"
    path.write_text(text)
    with pytest.raises(MetadataError, match=r"M08.*claims"):
        load_claims(path)
