// Running medians along 16 lines side by side, by merging what is sorted.
//
// A line is cut into blocks of `Block` = 2^k pixels, and a window has 2 Block - 1 of them. A plane of a block holds a
// row of 16 lines for each of its pixels; all planes are aligned to 64 bytes. Keys are signed integers in the order of
// the values they stand for.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

inline constexpr int lines = 16;

// Planes of a block's pieces: its pixels, and those sorted by twos, fours, ... up to the whole block.
constexpr int piece_planes(int block) { return block == 1 ? 1 : 1 + piece_planes(block / 2); }

#define FLECK_DECLARE_MEDIAN_LINES                                                                            \
  /* Sorts `piece_planes` planes, each from the one before; the first is given. */                            \
  template <class Key, int Block>                                                                             \
  void sort_pieces(Key* pieces) noexcept;                                                                     \
  /* The middle keys of the windows centred on a block, from its pieces and those of its neighbours. */       \
  template <class Key, int Block>                                                                             \
  void middle_keys(const Key* before, const Key* own, const Key* after, Key* out) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_MEDIAN_LINES)
#undef FLECK_DECLARE_MEDIAN_LINES

}  // namespace fleck
