"""Which sorted lists the medians of a tile are made of, and how they follow from each other.

All windows of a tile of outputs share their middle, the core. It is sorted once. Then the tile is halved, again and
again: the windows of a half share more pixels than those of the whole, and the sorted list of these joins the core.
At the end each output has a tile of its own, whose core is its window. Of every list only those ranks are kept that
can still be the median. (Adams, ACM TOG 40, 2021, for the idea of separable sorting with such cores.)

A list is the sorted pixels of a rectangle of the input. Rectangles that repeat from tile to tile are sorted once:
a list belongs to the tile in which its rectangle begins, and other tiles fetch it from there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rectangle:
    """Rows and columns of the input, [first, last); output (0, 0) of the tile has the window from (0, 0) on."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> list[tuple[int, int]]:
        return [(r, c) for r in range(self.top, self.bottom) for c in range(self.left, self.right)]

    @property
    def size(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def moved(self, cols: int) -> Rectangle:
        return Rectangle(self.top, self.bottom, self.left + cols, self.right + cols)


@dataclass(eq=False)
class SortedList:
    """Ranks [first, last) of the sorted pixels of a rectangle: of two lists, of a list and pixels, or of pixels."""

    rectangle: Rectangle
    first: int
    last: int
    lists: list[tuple[SortedList, int]]  # with the number of tiles further on to which it belongs
    pixels: list[tuple[int, int]]
    trimmed: bool  # ranks were left out that could be the median
    lead: int = 0  # tiles ahead of the one whose outputs are computed
    slot: int | None = (
        None  # where it is kept for later tiles, in vectors; None when only this tile uses it
    )
    users: list[tuple[SortedList, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.last - self.first

    @property
    def bounded(self) -> bool:
        """It carries the bounds within which a median is proven."""
        return self.trimmed or any(part.bounded for part, _ in self.lists)


@dataclass(frozen=True)
class Output:
    """The median of a core, a list, and perhaps one pixel."""

    row: int
    col: int
    piece: tuple[SortedList, int]
    corner: tuple[int, int] | None
    rank: int  # of the middle one, among what is kept of all three


@dataclass(eq=False)
class Outputs:
    """The two outputs that share a core."""

    core: SortedList
    outputs: list[Output]

    @property
    def lists(self) -> list[tuple[SortedList, int]]:
        return [(self.core, 0), *(output.piece for output in self.outputs)]


class Plan:
    """The lists of a tile of `tile_rows` x `tile_cols` outputs, halved by `halvings`, a word of H and V.

    With `spread`, a list of n of the window's N pixels keeps only `spread` standard deviations of the rank that the
    median has in it, sqrt(n (1 - n / N)) / 2, on each side.

    With `margin`, not the middle rank alone is wanted but as many more on each side of it.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        tile_rows: int,
        tile_cols: int,
        halvings: str,
        spread: float | None = None,
        margin: int = 0,
    ) -> None:
        self.rows, self.cols, self.tile_rows, self.tile_cols = rows, cols, tile_rows, tile_cols
        self.spread, self.margin = spread, margin
        self.known: dict[Rectangle, SortedList] = {}
        self.lists: list[SortedList] = []  # each after those that it is made of
        self.outputs: list[Outputs] = []
        self._halve(halvings)
        self._place()

    # --- Lists ---------------------------------------------------------------------------------------------------

    def kept(self, n: int) -> tuple[int, int, bool]:
        """The ranks of n sorted pixels that are kept, and whether some are left out that can be wanted."""
        window = self.rows * self.cols
        lowest, highest = window // 2 - self.margin, window // 2 + self.margin
        first, last = max(0, lowest - (window - n)), min(n, highest + 1)
        if self.spread is None or n < 2 * self.rows:
            return first, last, False
        half = self.spread * math.sqrt(n * (1 - n / window)) / 2 + self.margin
        low, high = max(first, round(n / 2 - half)), min(last, round(n / 2 + half))
        return low, high, (low, high) != (first, last)

    def tile_of(self, rectangle: Rectangle) -> int:
        return rectangle.left // self.tile_cols

    def find(self, rectangle: Rectangle) -> tuple[SortedList, int] | None:
        tile = self.tile_of(rectangle)
        known = self.known.get(rectangle.moved(-tile * self.tile_cols))
        return (known, tile) if known else None

    def make(
        self, whole: Rectangle, parts: list[Rectangle], loose: list[tuple[int, int]]
    ) -> tuple[SortedList, int]:
        tile = self.tile_of(whole)
        shift = tile * self.tile_cols
        lists = []
        for part in parts:
            made = self.find(part)
            assert made is not None
            lists.append((made[0], made[1] - tile))
        first, last, trimmed = self.kept(whole.size)
        pixels = [(r, c - shift) for r, c in loose]
        made = SortedList(whole.moved(-shift), first, last, lists, pixels, trimmed)
        self.known[made.rectangle] = made
        self.lists.append(made)
        return made, tile

    def merged(self, whole: Rectangle, a: Rectangle, b: Rectangle) -> tuple[SortedList, int]:
        return self.find(whole) or self.make(whole, [a, b], [])

    def block(self, r: Rectangle, height: int) -> tuple[SortedList, int]:
        """A few full columns of a core that is `height` outputs high, or a few of its rows."""
        if found := self.find(r):
            return found
        if r.bottom - r.top == 1:
            return self.row(r)
        if r.right - r.left == 1:
            return self.column(r, height)
        tall = r.bottom - r.top == self.rows - height + 1
        if tall:
            cut = self.cut(r.left, r.right)
            a, b = Rectangle(r.top, r.bottom, r.left, cut), Rectangle(r.top, r.bottom, cut, r.right)
        else:
            cut = (r.top + r.bottom) // 2
            a, b = Rectangle(r.top, cut, r.left, r.right), Rectangle(cut, r.bottom, r.left, r.right)
        self.block(a, height)
        self.block(b, height)
        return self.merged(r, a, b)

    def cut(self, left: int, right: int) -> int:
        """Where to cut columns in two, so that the same pieces come again: at the largest power of two."""
        n, step = right - left, 1
        while step * 2 < n:
            step *= 2
        anchor = self.tile_cols - 1
        places = [c for c in range(left + 1, right) if (c - anchor) % step == 0] or [left + step]
        return min(places, key=lambda c: abs(2 * c - left - right))

    def column(self, r: Rectangle, height: int) -> tuple[SortedList, int]:
        """One column: that of the next larger core, lengthened."""
        if height == self.tile_rows:
            return self.find(r) or self.make(r, [], r.pixels)
        above = r.bottom - self.rows  # the upper output of the tile it belongs to
        top = above - above % (2 * height) + 2 * height - 1
        inner = Rectangle(top, top + self.rows - 2 * height + 1, r.left, r.right)
        self.block(inner, 2 * height)
        return self.make(r, [inner], [p for p in r.pixels if p not in set(inner.pixels)])

    def row(self, r: Rectangle) -> tuple[SortedList, int]:
        """A piece of one row: the longest known part of it, lengthened, or else two pieces."""
        if found := self.find(r):
            return found
        n = r.right - r.left
        if n <= 4:
            return self.make(r, [], r.pixels)
        part = self.longest_part(r)
        if part and n - part.size <= 4:
            return self.make(r, [part], [p for p in r.pixels if p not in set(part.pixels)])
        cut = (
            self.cut(r.left, r.right)
            if not part
            else part.right
            if part.right < r.right
            else part.left
        )
        a, b = Rectangle(r.top, r.bottom, r.left, cut), Rectangle(r.top, r.bottom, cut, r.right)
        self.row(a)
        self.row(b)
        return self.make(r, [a, b], [])

    def longest_part(self, r: Rectangle) -> Rectangle | None:
        best = None
        for left in range(r.left, r.right):
            for right in range(left + 4, r.right + 1):
                part = Rectangle(r.top, r.bottom, left, right)
                if part != r and self.find(part) and (best is None or part.size > best.size):
                    best = part
        return best if best and 2 * best.size >= r.size else None

    # --- The tile ------------------------------------------------------------------------------------------------

    def _halve(self, halvings: str) -> None:
        """Level by level, so that the pieces of larger cores are known when those of smaller ones are made."""
        core = Rectangle(self.tile_rows - 1, self.rows, self.tile_cols - 1, self.cols)
        self.block(core, self.tile_rows)
        tiles = [(0, 0, self.tile_rows, self.tile_cols, core)]
        for halving in halvings:
            halves = []
            for row, col, height, width, whole in tiles:
                for side in (0, 1):
                    if halving == "H":
                        half = width // 2
                        left = col + half - 1 if side == 0 else col + self.cols
                        piece = Rectangle(whole.top, whole.bottom, left, left + half)
                        tile = (row, col + side * half, height, half)
                    else:
                        half = height // 2
                        top = row + half - 1 if side == 0 else row + self.rows
                        piece = Rectangle(top, top + half, whole.left, whole.right)
                        tile = (row + side * half, col, half, width)
                    halves.append(self._join(tile, whole, piece))
            tiles = halves

    def _join(
        self, tile: tuple[int, int, int, int], core: Rectangle, piece: Rectangle
    ) -> tuple[int, int, int, int, Rectangle]:
        row, col, height, width = tile
        whole = Rectangle(
            min(core.top, piece.top),
            max(core.bottom, piece.bottom),
            min(core.left, piece.left),
            max(core.right, piece.right),
        )
        if (height, width) == (1, 1):
            self._output(row, col, core, piece)
        else:
            self.block(piece, height)
            self.merged(whole, core, piece)
        return (*tile, whole)

    def _output(self, row: int, col: int, core: Rectangle, piece: Rectangle) -> None:
        """The last piece is a whole row or column; most of it is known, and one pixel is left."""
        corner = None
        if piece.size > 2:
            parts = (
                [
                    Rectangle(piece.top, piece.bottom, piece.left + i, piece.right - 1 + i)
                    for i in (0, 1)
                ]
                if piece.bottom - piece.top == 1
                else [
                    Rectangle(piece.top + i, piece.bottom - 1 + i, piece.left, piece.right)
                    for i in (0, 1)
                ]
            )
            for part in parts:
                if self.find(part) or self._shared(part):
                    corner = next(p for p in piece.pixels if p not in set(part.pixels))
                    piece = part
                    break
        self.block(piece, 1)
        made, found = self.find(core), self.find(piece)
        assert made is not None
        assert found is not None
        rank = self.rows * self.cols // 2 - made[0].first - found[0].first
        output = Output(row, col, found, corner, rank)
        if self.outputs and self.outputs[-1].core is made[0]:
            self.outputs[-1].outputs.append(output)
        else:
            self.outputs.append(Outputs(made[0], [output]))

    def _shared(self, part: Rectangle) -> bool:
        """A piece of a row that two neighbouring outputs share."""
        return part.bottom - part.top == 1 and part.left % 2 == 1

    # --- Where lists are kept ------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Lists that a later tile uses again get a place in the slot of their tile."""
        for made in self.lists:
            for part, tile in made.lists:
                part.users.append((made, tile))
        reach: dict[SortedList, list[int]] = {made: [] for made in self.lists}
        for outputs in self.outputs:
            for part, tile in outputs.lists:
                reach[part].append(tile)
        self.slot_size = 0
        self.depth = 1
        for made in reversed(self.lists):
            tiles = reach[made] + [user.lead + tile for user, tile in made.users]
            made.lead = max(tiles)
            if min(tiles) < made.lead:
                made.slot = self.slot_size
                self.slot_size += made.size + 2 * made.bounded
                self.depth = max(self.depth, made.lead - min(tiles) + 1)
        self.lead = max(made.lead for made in self.lists)
