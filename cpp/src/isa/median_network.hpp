// Medians of small windows by networks of minimum and maximum: a strip of tiles at a time.
//
// A block of the frame is cut into `lanes` parts side by side, one for each lane of a vector, and each part into
// `tiles` tiles of tile_rows x tile_cols outputs. A strip is one row of such tiles. Pixels are floating-point or
// 16-bit keys (median_keys.hpp), which minimum and maximum order completely.
//
// A pixel that is left out stands as the lowest key (its sign is 1) or as the highest (-1). The sum of the signs in a
// window says by how many halves of a rank the median of the others lies above the middle.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace fleck {

// What a network needs; tile_rows = 0 when there is none for the window.
struct NetworkSizes {
  int window_rows = 0, window_cols = 0;
  int tile_rows = 0, tile_cols = 0;
  int lanes = 0;
  int margin = 0;                // ranks that signs may shift the median by
  int lead = 0;                  // tiles that are prepared ahead of the one whose medians are taken
  int reach = 0;                 // input columns that a tile reads, those of the tiles ahead included
  std::ptrdiff_t workspace = 0;  // elements
};

inline constexpr int max_fetch_rows = 16;

template <class T>
struct MedianStrip {
  NetworkSizes sizes;
  int tiles;               // in each lane
  std::ptrdiff_t line_stride;  // elements from the first column of a lane to that of the next, in a line
  T* pixels = nullptr;               // ring of `ring_rows` rows of row_size() elements, aligned to 64 bytes, initialised
  T* signs = nullptr;                // like pixels
  bool masked = false;               // some sign in the strip is not 0
  T* medians = nullptr;              // medians_size() elements, aligned; of two, the lower ones
  T* uppers = nullptr;               // like medians, when the strip is masked
  T* shifts = nullptr;               // like medians: sums of signs, no_pixel where every pixel is left out
  T* workspace = nullptr;            // aligned, initialised
  T* sums = nullptr;                 // 3 * row_size() elements, aligned
  int fetch_rows = 0;      // memory that will be wanted after this strip, and is called for while it is computed:
  std::ptrdiff_t fetch_bytes = 0;
  const std::byte* fetch[max_fetch_rows] = {};
  int untrimmed = 0;       // strips to come that take the full network at once, because trimmed ones failed
  int* unproven = nullptr;           // room for lanes * tiles; tiles whose medians may be wrong, numbered from left to right
  int unproven_count = 0;
  int* shifted = nullptr;            // the same for tiles that signs shift farther than the margin
  int shifted_count = 0;

  int ring_rows() const { return sizes.window_rows - 1 + sizes.tile_rows; }
  int lane_cols() const { return tiles * sizes.tile_cols; }
  // Vectors of one row: `lead` empty tiles, the columns that the tiles read, and the last transposition's rest.
  int row_vectors() const { return (sizes.lead + tiles - 1) * sizes.tile_cols + sizes.reach + sizes.lanes; }
  std::ptrdiff_t row_size() const { return std::ptrdiff_t(row_vectors()) * sizes.lanes; }
  std::ptrdiff_t medians_size() const {
    return (std::ptrdiff_t(sizes.tile_rows) * lane_cols() + sizes.lanes) * sizes.lanes;
  }
  // Elements of a line, the row as it stands in the frame: the columns of all lanes.
  std::ptrdiff_t line_size() const {
    return (sizes.lanes - 1) * line_stride + row_vectors();
  }
};

// Fits every type of key, and no sum of signs is so large.
inline constexpr int no_pixel = 1000;

#define FLECK_DECLARE_MEDIAN_NETWORK                                                                           \
  template <class T>                                                                                           \
  NetworkSizes network_sizes(int window_rows, int window_cols);                                                \
  /* Puts line (line_size() elements, the first that of the strip's first output's window) into row y of the   \
     ring, which is that of pixels or of signs. */                                                             \
  template <class T>                                                                                           \
  void put_line(const MedianStrip<T>& strip, T* ring, std::int64_t y, const T* line);                          \
  /* Medians of the outputs whose windows begin in rows y .. y + tile_rows - 1. */                             \
  template <class T>                                                                                           \
  void median_strip(MedianStrip<T>& strip, std::int64_t y);                                                    \
  /* Row r of the medians (or uppers, or shifts) as a line of lanes * lane_cols() elements; up to `lanes` more  \
     are overwritten. */                                                                                       \
  template <class T>                                                                                           \
  void take_line(const MedianStrip<T>& strip, const T* medians, int r, T* line);
FLECK_FOR_EACH_ISA(FLECK_DECLARE_MEDIAN_NETWORK)
#undef FLECK_DECLARE_MEDIAN_NETWORK

}  // namespace fleck
