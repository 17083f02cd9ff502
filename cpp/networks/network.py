"""Straight-line programs of minimum and maximum: sorting, merging and selection without a branch."""

from __future__ import annotations

from collections.abc import Sequence

# Sorting networks with the fewest known comparators (Knuth, The Art of Computer Programming 3, 5.3.4, and the list
# of B. Dobbelaere), two hexadecimal digits each; longer inputs are cut in two and merged.
BEST_SORTS = {
    4: "02 13 01 23 12",
    5: "03 14 02 13 01 24 12 34 23",
    6: "05 13 24 12 34 03 25 01 23 45 12 34",
    7: "06 23 45 02 14 36 01 25 34 12 46 23 45 12 34 56",
    8: "02 13 46 57 04 15 26 37 01 23 45 67 24 35 14 36 12 34 56",
    12: "08 17 26 3b 4a 59 01 25 34 69 78 ab 02 16 5a 9b 03 12 46 57 8b 9a 14 35 68 7a 13 25 69 8a 23 45 67 89 46 57"
    " 34 56 78",
}

# Merges of up to this many values are written whole, one after another: their values fit the registers. The layers
# that combine them are written as the results need them, lowest first. Depth first throughout is the worst order.
WHOLE = 20


class Network:
    """Values are numbers; `steps[v]` says how value v comes about: ("in", text) or ("min" or "max", a, b)."""

    def __init__(self) -> None:
        self.steps: list[tuple] = []
        self.known: dict[tuple, int] = {}
        self.whole: list[
            int
        ] = []  # steps of short merges and sorts, to be written first and in this order

    def input(self, text: str) -> int:
        self.steps.append(("in", text))
        return len(self.steps) - 1

    def inputs(self, name: str, n: int) -> list[int]:
        return [self.input(f"L::load({name}, {i})") for i in range(n)]

    def _step(self, name: str, a: int, b: int) -> int:
        if a == b:
            return a
        step = (name, min(a, b), max(a, b))
        if step not in self.known:
            self.steps.append(step)
            self.known[step] = len(self.steps) - 1
        return self.known[step]

    def minimum(self, a: int, b: int) -> int:
        return self._step("min", a, b)

    def maximum(self, a: int, b: int) -> int:
        return self._step("max", a, b)

    def exchange(self, a: int, b: int) -> list[int]:
        return [self.minimum(a, b), self.maximum(a, b)]

    def sort(self, values: Sequence[int]) -> list[int]:
        n = len(values)
        if n in BEST_SORTS:
            first = len(self.steps)
            x = list(values)
            for pair in BEST_SORTS[n].split():
                i, j = (int(digit, 16) for digit in pair)
                x[i], x[j] = self.exchange(x[i], x[j])
            self.whole += range(first, len(self.steps))
            return x
        if n < 2:
            return list(values)
        half = 8 if 8 < n < 16 else 12 if 16 < n <= 24 else (n + 1) // 2
        return self.merge(self.sort(values[:half]), self.sort(values[half:]))

    def merge(self, a: Sequence[int], b: Sequence[int]) -> list[int]:
        """Two sorted lists of any lengths into one: Batcher's odd-even merge."""
        if not a or not b:
            return [*a, *b]
        if len(a) == len(b) == 1:
            return self.exchange(a[0], b[0])
        first = len(self.steps)
        out = self._combine(self.merge(a[0::2], b[0::2]), self.merge(a[1::2], b[1::2]))
        if len(a) + len(b) <= WHOLE:
            self.whole += range(first, len(self.steps))
        return out

    def _combine(self, even: Sequence[int], odd: Sequence[int]) -> list[int]:
        out = [even[0]]
        for i in range(max(len(odd), len(even) - 1)):
            if i < len(odd) and i + 1 < len(even):
                out += self.exchange(odd[i], even[i + 1])
            else:
                out.append(odd[i] if i < len(odd) else even[i + 1])
        return out

    def write(self, groups: Sequence[Sequence[tuple[int, Sequence[str]]]]) -> list[str]:
        """The program's lines: group by group of results, what they need, they, and the lines that use them."""
        lines: list[str] = []
        written: set[int] = set()

        def value(v: int) -> None:
            if v in written:
                return
            written.add(v)
            step = self.steps[v]
            if step[0] == "in":
                lines.append(f"const V v{v} = {step[1]};")
                return
            value(step[1])
            value(step[2])
            lines.append(f"const V v{v} = L::{step[0]}(v{step[1]}, v{step[2]});")

        for group in groups:
            needed = self.needed([v for v, _ in group])
            for v in self.whole:
                if v in needed:
                    value(v)
            for v, uses in group:
                value(v)
                lines += uses
        return lines

    def needed(self, results: Sequence[int]) -> set[int]:
        needed: set[int] = set()
        stack = list(results)
        while stack:
            v = stack.pop()
            if v not in needed:
                needed.add(v)
                stack += self.steps[v][1:] if self.steps[v][0] != "in" else ()
        return needed
