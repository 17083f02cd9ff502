"""What `combine_stack` must give, pixel by pixel in float32, slow and plain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F = np.float32
HIT, SPILL, EXCLUDED = 8, 2, 4


@dataclass
class Stack:
    """Frames of one shape; times and skies are float32."""

    data: NDArray[np.float32]
    error: NDArray[np.float32]
    quality: NDArray[np.int32]
    time: list[Any]
    sky: list[Any]


def combine(
    stack: Stack, method: str, *, bad: int = 0, low: float = 3, high: float = 3, rounds: int = 5
) -> tuple[NDArray[Any], ...]:
    """Mean, median or clipped mean: data, error, quality, how many were used."""
    _, rows, cols = stack.data.shape
    data, error = np.zeros((2, rows, cols), np.float32)
    quality, used = np.zeros((2, rows, cols), np.int32)
    for y, x in np.ndindex(rows, cols):
        good = _good(stack, y, x, bad)
        values = {n: _scaled(stack, n, y, x) for n in good}
        if method == "clipped":
            values = clip(values, low, high, rounds)
        if not values:
            quality[y, x] = np.bitwise_or.reduce(stack.quality[:, y, x])
            continue
        count = len(values)
        if method == "median":
            data[y, x] = _median(list(values.values()))
        else:
            data[y, x] = F(_sum(values.values()) / count)
        variance = _sum(
            F(F(stack.error[n, y, x] * stack.error[n, y, x]) / F(stack.time[n] * stack.time[n]))
            for n in values
        )
        wider = math.pi / 2 if method == "median" and count > 2 else 1.0
        error[y, x] = F(math.sqrt(variance * wider) / count)
        quality[y, x] = np.bitwise_or.reduce([stack.quality[n, y, x] for n in values])
        used[y, x] = count
    return data, error, quality, used


def clip(values: dict[int, Any], low: float, high: float, rounds: int) -> dict[int, Any]:
    """Leave out what is further from the median than so many standard deviations of what is left."""
    for _ in range(rounds):
        if not values:
            break
        numbers = [float(value) for value in values.values()]
        mean = _sum(numbers) / len(numbers)
        squares = _sum((number - mean) * (number - mean) for number in numbers)
        deviation = math.sqrt(squares / len(numbers))
        middle = float(_median(list(values.values())))
        kept = {
            n: value
            for n, value in values.items()
            if middle - low * deviation <= float(value) <= middle + high * deviation
        }
        if len(kept) == len(values):
            break
        values = kept
    return values


def _sum(values: Any) -> float:
    """From left to right in float64 (`sum` corrects its rounding in newer Pythons)."""
    total = 0.0
    for value in values:
        total += float(value)
    return total


def _good(stack: Stack, y: int, x: int, bad: int) -> list[int]:
    return [
        n
        for n in range(len(stack.data))
        if not stack.quality[n, y, x] & bad
        and np.isfinite(stack.data[n, y, x])
        and np.isfinite(stack.error[n, y, x])
    ]


def _scaled(stack: Stack, n: int, y: int, x: int) -> Any:
    return F(F(stack.data[n, y, x] - stack.sky[n]) / stack.time[n])


def _median(values: list[Any]) -> Any:
    values, half = sorted(values), len(values) // 2
    return values[half] if len(values) % 2 else F(F(values[half - 1] + values[half]) / F(2))


@dataclass
class Rules:
    """As `CosmicRays`, of float32."""

    sigmas: tuple[float, ...]
    radius: float = 2.1
    spill: float = 0.5555
    scale_noise: float = 0.3
    median: bool = False
    bad: int = 0
    exempt: bool = False
    accidents: bool = True
    rejected_bit: int = 8192


def reject_cosmic_rays(stack: Stack, rules: Rules) -> tuple[NDArray[Any], ...]:
    """The algorithm of ACSREJ: data, error, quality, and which pixels of which frame were rejected."""
    guess = _first_guess(stack, rules)
    for sigma in rules.sigmas:
        marks, wiped = _mark(stack, guess, F(sigma), rules)
        summed = ~np.isin(marks, _left_out(rules)) & ~_blank(stack)
        if rules.accidents:
            summed &= ((marks | stack.quality * _untouched(marks)) & _left_out_bits(rules)) == 0
        guess, exposure, variance = _average(stack, summed, guess)
    rejected = (marks == HIT) | (marks == SPILL)
    nothing = exposure == 0
    total = F(0)
    for time in stack.time:
        total = F(total + time)
    sky = F(0)
    for level in stack.sky:
        sky = F(sky + level)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (total / exposure).astype(np.float32)
        error = (share.astype(float) * np.sqrt(variance.astype(float))).astype(np.float32)
    data = F(np.where(nothing, F(0), guess) * total) + max(sky, F(0))
    kept = stack.quality.copy()
    if rules.accidents:
        kept[wiped] = 0
        kept &= ~SPILL
    quality = np.bitwise_or.reduce(kept & ~rules.rejected_bit, axis=0)
    quality[rejected.all(axis=0)] |= rules.rejected_bit
    return data.astype(np.float32), np.where(nothing, F(0), error), quality, rejected


def _blank(stack: Stack) -> NDArray[np.bool_]:
    return ~(np.isfinite(stack.data) & np.isfinite(stack.error))


def _left_out(rules: Rules) -> list[int]:
    excluded = [] if rules.exempt and rules.accidents else [EXCLUDED]
    return [HIT, SPILL, *excluded]


def _left_out_bits(rules: Rules) -> int:
    return sum(_left_out(rules))


def _untouched(marks: NDArray[np.int32]) -> NDArray[np.int32]:
    """1 where a pixel keeps the quality that it came with."""
    return (marks == 0).astype(np.int32)


def _bad(rules: Rules) -> int:
    return rules.bad & ~EXCLUDED if rules.exempt else rules.bad


def _first_guess(stack: Stack, rules: Rules) -> NDArray[np.float32]:
    count, rows, cols = stack.data.shape
    guess = np.zeros((rows, cols), np.float32)
    for y, x in np.ndindex(rows, cols):
        good = _good(stack, y, x, rules.bad)
        values = [_scaled(stack, n, y, x) for n in good]
        if rules.median or not rules.accidents:
            if values:
                guess[y, x] = _median(values) if rules.median else min(values)
            continue
        least = F(0)
        for n in range(count):
            value = _scaled(stack, n, y, x) if not _blank(stack)[n, y, x] else F(0)
            if n == 0 or value < least:
                least = value if n in good else F(0)
        guess[y, x] = least
    return guess


def _mark(
    stack: Stack, guess: NDArray[np.float32], sigma: Any, rules: Rules
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """HIT, SPILL or EXCLUDED of every pixel of every frame; which were wiped by an earlier row before their own."""
    marks = np.zeros(stack.data.shape, np.int32)
    wiped = np.zeros(stack.data.shape, bool)
    for n in range(len(stack.data)):
        _mark_frame(stack, n, guess, sigma, rules, marks[n], wiped[n])
    return marks, wiped


def _mark_frame(
    stack: Stack,
    n: int,
    guess: NDArray[np.float32],
    sigma: Any,
    rules: Rules,
    marks: NDArray[np.int32],
    wiped: NDArray[np.bool_],
) -> None:
    rows, cols = marks.shape
    quality, blank = stack.quality[n], _blank(stack)[n]
    excluded = (quality & _bad(rules)) != 0
    if rules.accidents:
        excluded &= quality != SPILL
        for mark in (HIT, SPILL, EXCLUDED):
            marks[(quality == mark) & ~blank] = mark
    else:
        marks[excluded] = EXCLUDED
    width = math.ceil(rules.radius)
    time, sky = stack.time[n], stack.sky[n]
    spill = F(rules.spill) * F(rules.spill) if rules.spill > 0 else F(-1)
    for y in range(rows):
        if rules.accidents:
            wiped[y] = (marks[y] == SPILL) & (quality[y] != SPILL)
            marks[y][excluded[y] & ~wiped[y] & ~blank[y]] = EXCLUDED
        for x in range(cols):
            if blank[y, x] or marks[y, x] == EXCLUDED:
                continue
            level = max(F(guess[y, x] * time), F(0))
            variance = F(stack.error[n, y, x] * stack.error[n, y, x])
            noise = F(F(rules.scale_noise) * level)
            limit = F(F(F(sigma * sigma) * F(variance + F(noise * noise))) / F(time * time))
            off = F(F(F(stack.data[n, y, x] - sky) / time) - guess[y, x])
            if not F(off * off) > limit:
                continue
            marks[y, x] = HIT
            if width == 0:
                continue
            for j in range(y, min(rows, y + width + 1)):
                for i in range(max(0, x - width), min(cols, x + width + 1)):
                    if F((i - x) ** 2 + (j - y) ** 2) > F(F(rules.radius) * F(rules.radius)):
                        continue
                    if blank[j, i] or marks[j, i] == HIT:
                        continue
                    if marks[j, i] == EXCLUDED and not rules.accidents:
                        continue
                    variance = F(stack.error[n, j, i] * stack.error[n, j, i])
                    limit = F(F(F(sigma * sigma) * variance) / F(time * time))
                    off = F(F(F(stack.data[n, j, i] - sky) / time) - guess[j, i])
                    if F(off * off) <= F(spill * limit):
                        continue
                    marks[j, i] = SPILL


def _average(
    stack: Stack, summed: NDArray[np.bool_], guess: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    total, exposure, variance = np.zeros((3, *guess.shape), np.float32)
    for n, (time, sky) in enumerate(zip(stack.time, stack.sky, strict=True)):
        value = ((stack.data[n] - sky).astype(np.float32) / time).astype(np.float32)
        counts = (value * time).astype(np.float32)
        total = np.where(summed[n], (total + counts).astype(np.float32), total)
        exposure = np.where(summed[n], (exposure + time).astype(np.float32), exposure)
        squared = (stack.error[n] * stack.error[n]).astype(np.float32)
        variance = np.where(summed[n], (variance + squared).astype(np.float32), variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total / exposure).astype(np.float32)
    return np.where(exposure > 0, mean, guess), exposure, variance
