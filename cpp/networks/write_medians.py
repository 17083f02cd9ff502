"""Writes the C++ of the median networks: python write_medians.py OUTPUT.hpp

For every window up to four classes: Median15x15, MaskedMedian15x15 and both trimmed. They compute the medians of a
tile in all lanes of `L` at once, from lists that the step before has left in `slots` and from the pixels themselves.
Trimmed ones leave out ranks that are hardly ever the median, and say when a median is not proven by what they have
kept. Masked ones know pixels that do not count: these stand as the lowest number and as the highest by turns, and
`shifts` says how many more as the lowest than as the highest in each window. They give the two middle ones of the
rest.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from network import Network
from plan import Outputs, Plan, SortedList

# Standard deviations of a rank that a trimmed list keeps on each side.
SPREAD = 4.2
# Functions of at most so many lines are written into the tile, and all that windows of up to so many rows need first:
# calling them would cost too much.
INLINED = 40
WHOLLY_INLINED_TO = 9
# Below, trimming saves nothing.
TRIMMED_FROM = 9
# How many ranks pixels that do not count may shift the middle, over the root of the window's rows. By turns, those
# of a row shift it by a half or not at all: a standard deviation of .35.
MARGIN = 1.55


def halvings(rows: int, cols: int) -> tuple[int, int, str]:
    """Tile rows and columns, and how the tile is halved: the fewest steps of those tried, from 3x3 to 21x21."""
    side = min(rows, cols)
    if side <= 5:
        return 2, 2, "HV"
    if side <= 11:
        return 2, 4, "HHV"
    return 4, 8, "HVHHV"


class Functions:
    """One function for lists of the same shape, however many plans ask for it."""

    def __init__(self) -> None:
        self.text: dict[str, list[str]] = {}
        self.inlined: float = INLINED

    def for_list(self, made: SortedList) -> str:
        parts = [part for part, _ in made.lists]
        offset = sum(part.first for part in parts)
        name = "_".join(
            [
                "merge" if len(parts) == 2 else "extend" if parts else "sort",
                *(f"{part.size}{'b' * part.bounded}" for part in parts),
                *([self.layout(made.pixels)] if made.pixels else []),
                f"from{made.first - offset}to{made.last - offset}{'t' * made.trimmed}",
            ]
        )
        if name not in self.text:
            network = Network()
            runs = [network.inputs("ab"[i], part.size) for i, part in enumerate(parts)]
            if made.pixels:
                runs.append(network.sort(self.inputs(network, made.pixels)))
            merged = runs[0] if len(runs) == 1 else network.merge(*runs)
            results = merged[made.first - offset : made.last - offset]
            lines = network.write(
                [[(v, [f"L::store(out, {i}, v{v});"]) for i, v in enumerate(results)]]
            )
            if made.bounded:
                lines += self.bounds(made, parts)
            self.add(
                name,
                [*self.operands(parts), *(PIXELS if made.pixels else []), "T* __restrict out"],
                lines,
            )
        return name

    def for_outputs(self, made: Outputs, margin: int) -> str:
        core, outputs = made.core, made.outputs
        parts = [
            f"{output.piece[0].size}{'c' * (output.corner is not None)}at{output.rank}"
            for output in outputs
        ]
        name = "_".join([f"medians{margin or ''}", f"{core.size}{'b' * core.bounded}", *parts])
        if name not in self.text:
            network = Network()
            a = network.inputs("a", core.size)
            arguments, results = ["const T* a"], []
            for i, output in enumerate(outputs):
                assert not output.piece[0].bounded
                merged = network.merge(a, network.inputs(f"b{i}", output.piece[0].size))
                arguments.append(f"const T* b{i}")
                corner = None
                if output.corner is not None:
                    corner = network.input(f"L::load(rows{i}[0], at{i})")
                    arguments += [f"const T* const* rows{i}", f"std::ptrdiff_t at{i}"]
                ranks = range(output.rank - margin, output.rank + margin + 1)
                values = [self.with_one_more(network, merged, corner, rank) for rank in ranks]
                results.append(list(zip(values, self.choose(values, i), strict=True)))
                arguments += [f"const T* shifts{i}", f"T* __restrict uppers{i}"] if margin else []
                arguments.append(f"T* __restrict out{i}")
            lines = network.write(results)
            if core.bounded:
                arguments.append("typename L::Doubt& unproven")
                lines += self.proof(core, len(outputs))
            self.add(name, arguments, lines)
        return name

    def with_one_more(self, network: Network, merged: list[int], one: int | None, rank: int) -> int:
        """The value of a rank when one more has joined a sorted list."""
        if one is None:
            return merged[rank]
        value = network.minimum(merged[rank], one) if rank < len(merged) else one
        return network.maximum(merged[rank - 1], value) if rank > 0 else value

    def choose(self, values: list[int], i: int) -> list[list[str]]:
        """After each of some middle ranks the lines that make the lower and the upper median of output i of it."""
        margin = len(values) // 2
        lines = [[f"[[maybe_unused]] V lower{i} = v{values[0]}, upper{i} = v{values[0]};"]]
        for k, v in enumerate(values[1:], start=1 - margin):
            lines.append([f"lower{i} = L::from(s{i}, {2 * k}, v{v}, lower{i});"])
            lines[-1].append(f"upper{i} = L::from(s{i}, {2 * k - 1}, v{v}, upper{i});")
        if margin:
            lines[0].insert(0, f"const V s{i} = L::load(shifts{i}, 0);")
            lines[-1].append(f"L::store(uppers{i}, 0, upper{i});")
        lines[-1].append(f"L::store(out{i}, 0, lower{i});")
        return lines

    def proof(self, core: SortedList, outputs: int) -> list[str]:
        """Marks the lanes where a median is below or above all that was kept."""
        lines = []
        for which, better in (("lower", "min"), ("upper", "max")):
            value = f"{which}0"
            for i in range(1, outputs):
                value = f"L::{better}({value}, {which}{i})"
            low, high = f"L::load(a, {core.size})", f"L::load(a, {core.size + 1})"
            order = f"{value}, {low}" if which == "lower" else f"{high}, {value}"
            lines.append(f"unproven |= L::less({order});")
        return lines

    def add(self, name: str, arguments: list[str], lines: list[str]) -> None:
        inlined = "FLECK_SHORT_NETWORK" if len(lines) <= self.inlined else "FLECK_NETWORK"
        head = f"template <class L, class T = typename L::T>\n{inlined} void {name}({', '.join(arguments)}) {{"
        self.text[name] = [
            head,
            "  using V = typename L::V;",
            *(f"  {line}" for line in lines),
            "}",
        ]

    def operands(self, parts: list[SortedList]) -> list[str]:
        return [f"const T* {'ab'[i]}" for i in range(len(parts))]

    def layout(self, pixels: list[tuple[int, int]]) -> str:
        """How pixels lie to the first of them: part of a function's name."""
        top, left = pixels[0]
        rows, cols = [r - top for r, _ in pixels], [c - left for _, c in pixels]
        if not any(cols):
            return "rows" + "_".join(map(str, rows))
        return (
            "cols"
            + "_".join(map(str, cols))
            + ("" if not any(rows) else "rows" + "_".join(map(str, rows)))
        )

    def inputs(self, network: Network, pixels: list[tuple[int, int]]) -> list[int]:
        top, left = pixels[0]
        return [network.input(f"L::load(rows[{r - top}], at + {c - left})") for r, c in pixels]

    def bounds(self, made: SortedList, parts: list[SortedList]) -> list[str]:
        """The highest of all lowest values kept, and the lowest of all highest."""
        lines = []
        for name, better, own, place in (("low", "max", 0, 0), ("high", "min", made.size - 1, 1)):
            values = [
                f"L::load({'ab'[i]}, {part.size + place})"
                for i, part in enumerate(parts)
                if part.bounded
            ]
            values += [f"L::load(out, {own})"] * made.trimmed
            text = values[0]
            for value in values[1:]:
                text = f"L::{better}({text}, {value})"
            lines.append(f"L::store(out, {made.size + place}, {text});  // {name}")
        return lines


PIXELS = ["const T* const* rows", "std::ptrdiff_t at"]


class Scratch:
    """Places for the lists that only one tile uses; a place is free again after the last use."""

    def __init__(self) -> None:
        self.used: list[tuple[int, int]] = []
        self.size = 0

    def take(self, n: int) -> int:
        at = 0
        for first, last in sorted(self.used):
            if first - at >= n:
                break
            at = max(at, last)
        self.used.append((at, at + n))
        self.size = max(self.size, at + n)
        return at

    def free(self, at: int, n: int) -> None:
        self.used.remove((at, at + n))


def storage(made: SortedList) -> int:
    return made.size + 2 * made.bounded


class Writer:
    def __init__(self, plan: Plan, name: str, functions: Functions) -> None:
        self.plan, self.name, self.functions = plan, name, functions
        self.scratch = Scratch()
        self.places: dict[SortedList, int] = {}

    def text(self) -> list[str]:
        calls, ahead = self.calls()
        plan = self.plan
        bounded = any(outputs.core.bounded for outputs in plan.outputs)
        return [
            "template <class L>",
            f"struct {self.name} {{",
            "  using T = typename L::T;",
            f"  static constexpr int window_rows = {plan.rows}, window_cols = {plan.cols};",
            f"  static constexpr int tile_rows = {plan.tile_rows}, tile_cols = {plan.tile_cols};",
            f"  static constexpr int lead = {plan.lead}, slots = {plan.depth}, reach = {self.reach()};",
            f"  static constexpr int slot_size = {plan.slot_size}, scratch_size = {self.scratch.size};",
            f"  static constexpr int margin = {plan.margin};",
            "  static void ahead(const T* const* rows, T* const* slots, [[maybe_unused]] T* scratch) {",
            *(f"    {line}" for line in calls[:ahead]),
            "  }",
            "  static auto tile(const T* const* rows, T* const* slots, [[maybe_unused]] T* scratch, T* const* out,",
            "                   [[maybe_unused]] const T* const* shifts, [[maybe_unused]] T* const* uppers) {",
            *(["    typename L::Doubt unproven{};"] if bounded else []),
            *(f"    {line}" for line in calls[ahead:]),
            f"    return {'L::bits(unproven)' if bounded else 'std::uint64_t(0)'};",
            "  }",
            "};",
        ]

    def calls(self) -> tuple[list[str], int]:
        """The calls in order, and how many of them belong to the tiles ahead."""
        order: list[SortedList | Outputs] = [made for made in self.plan.lists if made.lead > 0]
        ahead = len(order)
        done = set(order)

        def visit(made: SortedList) -> None:
            if made not in done:
                done.add(made)
                for part, _ in made.lists:
                    visit(part)
                order.append(made)

        for outputs in self.plan.outputs:
            for part, _ in outputs.lists:
                visit(part)
            order.append(outputs)
        last_use = {}
        for i, item in enumerate(order):
            for part, _ in item.lists:
                last_use[part] = i
        lines = []
        for i, item in enumerate(order):
            lines.append(self.call(item))
            for part in {part for part, _ in item.lists}:
                if part.slot is None and last_use[part] == i:
                    self.scratch.free(self.places[part], storage(part))
        return lines, ahead

    def reach(self) -> int:
        """Columns from the first of a tile to the last that it, or a list ahead of it, reads."""
        plan = self.plan
        last = [(made.lead * plan.tile_cols, made.pixels) for made in plan.lists]
        last += [
            (0, [output.corner])
            for pair in plan.outputs
            for output in pair.outputs
            if output.corner
        ]
        return 1 + max(ahead + col for ahead, pixels in last for _, col in pixels)

    def call(self, item: SortedList | Outputs) -> str:
        return self.list_call(item) if isinstance(item, SortedList) else self.outputs_call(item)

    def list_call(self, made: SortedList) -> str:
        function, lead = self.functions.for_list(made), made.lead
        if made.slot is None:
            self.places[made] = self.scratch.take(storage(made))
        arguments = [self.place(part, lead + tile) for part, tile in made.lists]
        if made.pixels:
            row, col = made.pixels[0]
            arguments += [f"rows + {row}", str(col + lead * self.plan.tile_cols)]
        return f"{function}<L>({', '.join([*arguments, self.place(made, lead)])});"

    def outputs_call(self, made: Outputs) -> str:
        arguments = [self.place(made.core, 0)]
        for output in made.outputs:
            arguments.append(self.place(*output.piece))
            if output.corner is not None:
                arguments += [f"rows + {output.corner[0]}", str(output.corner[1])]
            planes = ["shifts", "uppers", "out"] if self.plan.margin else ["out"]
            arguments += [f"{plane}[{output.row}] + {output.col} * L::lanes" for plane in planes]
        arguments += ["unproven"] * made.core.bounded
        return f"{self.functions.for_outputs(made, self.plan.margin)}<L>({', '.join(arguments)});"

    def place(self, made: SortedList, tile: int) -> str:
        if made.slot is None:
            return f"scratch + {self.places[made]} * L::lanes"
        return f"slots[{tile}] + {made.slot} * L::lanes"


def main(output: str, windows: list[str]) -> None:
    functions = Functions()
    classes: list[str] = []
    entries: list[str] = []
    for window in windows:
        rows, cols = map(int, window.split("x"))
        functions.inlined = math.inf if rows <= WHOLLY_INLINED_TO else INLINED
        margin = min(round(MARGIN * rows**0.5), rows * cols // 2)
        names = []
        for kind, wanted in (("", 0), ("Masked", margin)):
            names += [f"{kind}Median{window}"] * 2
            plan = Plan(rows, cols, *halvings(rows, cols), margin=wanted)
            classes += Writer(plan, names[-1], functions).text()
            if min(rows, cols) >= TRIMMED_FROM:
                names[-1] = f"Trimmed{kind}Median{window}"
                plan = Plan(rows, cols, *halvings(rows, cols), spread=SPREAD, margin=wanted)
                classes += Writer(plan, names[-1], functions).text()
        entries.append(f"X({', '.join(names)})")
    text = [line for lines in functions.text.values() for line in lines]
    macro = f"#define FLECK_MEDIAN_NETWORKS(X) {' '.join(entries)}"
    Path(output).write_text("\n".join([*text, *classes, macro, ""]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
