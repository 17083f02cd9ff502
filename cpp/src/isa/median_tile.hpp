// One tile of the median filter: from ordered keys to the two middle keys of every window.
//
// Keys are unsigned integers in the order of the values they stand for. The largest key is also what a pixel that
// is left out carries; `present` says which it is. Planes of outputs have `tile_cols` columns, planes of the
// region (the outputs with their halo) have `pitch` columns. All planes are aligned to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace fleck {

inline constexpr int tile_cols = 64;
inline constexpr int max_tile_rows = 128;

template <class Key>
struct Element {
  Key key;
  std::uint32_t position;  // region row << 16 | region column
};

template <class Key>
struct MedianTile {
  int window_rows, window_cols;
  int rows, cols;              // outputs in use: rows of the planes, and cols <= tile_cols
  int region_rows, pitch;      // region_rows = rows + window_rows - 1; pitch >= tile_cols + window_cols - 1
  bool complete;               // in: nothing is left out

  Key* keys;                   // region, in; the largest key where nothing is
  std::uint8_t* present;       // region, in: 1 where a pixel counts; overwritten
  Key* lower;                  // outputs, out: the two middle keys, equal when the count is odd
  Key* upper;
  std::int32_t* count;         // outputs, out: pixels in the window that count

  // Scratch.
  Element<Key>* band;          // region and 8 more
  Element<Key>* spare;         // region
  std::int32_t* left;          // outputs: rank still to go, counted from the band's lower edge
  std::uint8_t* left_byte;     // outputs: the same, at most 255, during a group of bins
  std::uint8_t* wanted;        // outputs: 1 or 2 keys still to be found
  std::uint8_t* bin;           // region_rows x tile_cols: how many of a bin's pixels a window holds in this row
  std::uint8_t* step;          // 2 * tile_cols + window_cols: zeros, window_cols ones, zeros
  std::uint16_t* row_sums;     // region: ones of `present` in the row of a window that begins here
  std::uint16_t* runs;         // region
  std::uint16_t* spare_runs;   // region
};

#define FLECK_DECLARE_MEDIAN_TILE \
  template <class Key>            \
  void median_tile(MedianTile<Key>& tile);
FLECK_FOR_EACH_ISA(FLECK_DECLARE_MEDIAN_TILE)
#undef FLECK_DECLARE_MEDIAN_TILE

}  // namespace fleck
