// The median filter by value bands: any window, any pixel left out.
#pragma once

#include <algorithm>
#include <utility>

#include "aligned.hpp"
#include "element.hpp"
#include "fleck/median_filter.hpp"
#include "fleck/tuning.hpp"
#include "isa/median_tile.hpp"
#include "isa/ordered_keys.hpp"
#include "median_border.hpp"

namespace fleck {

// One thread's scratch: every plane of a MedianTile, in one piece of memory.
template <class Key>
class BandScratch {
 public:
  MedianTile<Key> tile{};

  BandScratch(int window_rows, int window_cols, int rows) {
    tile.window_rows = window_rows;
    tile.window_cols = window_cols;
    tile.pitch = (tile_cols + window_cols - 1 + 15) / 16 * 16;
    const std::size_t region_rows = rows + window_rows - 1;
    const std::size_t region = region_rows * tile.pitch, outputs = std::size_t(rows) * tile_cols;
    const auto place_all = [&] {
      size_ = 0;
      place(tile.keys, region);
      place(tile.present, region);
      place(tile.lower, outputs);
      place(tile.upper, outputs);
      place(tile.count, outputs);
      place(tile.band, region + 8);
      place(tile.spare, region + 8);
      place(tile.left, outputs);
      place(tile.left_byte, outputs);
      place(tile.wanted, outputs);
      place(tile.bin, region_rows * tile_cols);
      place(tile.step, 2 * tile_cols + window_cols);
      place(tile.row_sums, region);
      place(tile.runs, region);
      place(tile.spare_runs, region);
    };
    place_all();
    memory_.resize(size_);
    place_all();
    std::fill_n(tile.step + tile_cols - 1, window_cols, std::uint8_t(1));
  }

 private:
  template <class T>
  void place(T*& plane, std::size_t n) {
    if (!memory_.empty()) plane = reinterpret_cast<T*>(memory_.data() + size_);
    size_ += (n * sizeof(T) + 63) / 64 * 64;
  }

  std::size_t size_ = 0;
  Aligned<std::byte> memory_;
};

// Tall tiles for tall windows: the halo costs less, the scratch more.
inline int band_tile_rows(std::int64_t window_rows) {
  const Tuning& choice = tuning();
  return window_rows <= 21    ? choice.band_rows_21
         : window_rows <= 63  ? choice.band_rows_63
         : window_rows <= 101 ? choice.band_rows_101
                              : choice.band_rows_any;
}

// The filter for pixels of E and medians of Out, tile by tile.
template <class E, bool Swapped, class Out>
class BandFilter {
  using Key = ordered_key<E>;

 public:
  BandFilter(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
             const std::byte* cval)
      : image_(image), mask_(mask), out_(out), border_(border), half_rows_(window.rows / 2), half_cols_(window.cols / 2) {
    if (border == Border::constant) {
      constexpr std::byte zero[sizeof(E)] = {};
      FLECK_PICK(read_ordered<E, false>)({cval ? cval : zero, 0, nullptr, 0}, 1, &outside_, &outside_present_);
    }
  }

  using Place = std::pair<std::int64_t, std::int64_t>;  // row and column of a tile's first output

  void load(MedianTile<Key>& tile, Place at, int rows) const {
    tile.rows = static_cast<int>(std::min<std::int64_t>(rows, out_.rows - at.first));
    tile.cols = static_cast<int>(std::min<std::int64_t>(tile_cols, out_.cols - at.second));
    tile.region_rows = tile.rows + tile.window_rows - 1;
    load(tile, at.first - half_rows_, at.second - half_cols_);
  }

  // Calls for the pixels of another tile, while this one is at work.
  void fetch(const MedianTile<Key>& tile, Place at) const {
    const std::int64_t first = std::max<std::int64_t>(0, at.second - half_cols_);
    const std::int64_t last = std::min(out_.cols, at.second + tile_cols + half_cols_);
    for (std::int64_t y = 0; y < tile.region_rows; ++y) {
      const std::int64_t row = at.first - half_rows_ + y;
      if (row < 0 || row >= out_.rows) continue;
      for (std::int64_t x = first; x < last; x += 64 / static_cast<std::int64_t>(sizeof(E)))
        __builtin_prefetch(image_.at(row, x), 0, 2);
      if (mask_) __builtin_prefetch(&mask_(row, last - 1), 0, 2);
    }
    asm volatile("");  // gcc leaves out functions that only prefetch
  }

  void find(MedianTile<Key>& tile, Place at) const {
    FLECK_PICK(median_tile<Key>)(tile);
    store(tile, at.first, at.second);
  }

 private:
  // Fills the region, whose first pixel stands at (row0, col0) of the extended frame.
  void load(MedianTile<Key>& tile, std::int64_t row0, std::int64_t col0) const {
    const std::int64_t cols = tile.cols + tile.window_cols - 1;
    const std::int64_t first = std::clamp<std::int64_t>(-col0, 0, cols);
    const std::int64_t last = std::clamp<std::int64_t>(out_.cols - col0, first, cols);
    tile.complete = true;
    for (std::int64_t y = 0; y < tile.region_rows; ++y) {
      Key* const keys = tile.keys + y * tile.pitch;
      std::uint8_t* const present = tile.present + y * tile.pitch;
      const auto outside = [&](std::int64_t x, std::int64_t n) {
        std::fill_n(keys + x, n, outside_);
        std::fill_n(present + x, n, outside_present_);
        tile.complete &= outside_present_ == 1;
      };
      const auto read = [&](std::int64_t row, std::int64_t x, std::int64_t col, std::int64_t n) {
        tile.complete &= read_(run(row, col), n, keys + x, present + x);
      };
      const auto beyond = [&](std::int64_t row, std::int64_t x) {
        const std::int64_t col = resolve(col0 + x, out_.cols, border_);
        col < 0 ? outside(x, 1) : read(row, x, col, 1);
      };
      const std::int64_t row = resolve(row0 + y, out_.rows, border_);
      if (row < 0) {
        outside(0, cols);
      } else {
        for (std::int64_t x = 0; x < first; ++x) beyond(row, x);
        if (first < last) read(row, first, col0 + first, last - first);
        for (std::int64_t x = last; x < cols; ++x) beyond(row, x);
      }
      std::fill(keys + cols, keys + tile.pitch, left_out<Key>);
      std::fill(present + cols, present + tile.pitch, std::uint8_t(0));
    }
  }

  PixelRun run(std::int64_t row, std::int64_t col) const {
    return {image_.at(row, col), image_.col_stride, mask_ ? &mask_(row, col) : nullptr, mask_.col_stride};
  }

  void store(const MedianTile<Key>& tile, std::int64_t row0, std::int64_t col0) const {
    for (int r = 0; r < tile.rows; ++r) {
      const int i = r * tile_cols;
      write_(tile.lower + i, tile.upper + i, tile.count + i, tile.cols, &out_(row0 + r, col0), out_.col_stride);
    }
  }

  const Image& image_;
  const Mask& mask_;
  View2D<Out> out_;
  Border border_;
  std::int64_t half_rows_, half_cols_;
  // Chosen once: they are called for a few pixels each.
  decltype(&baseline::read_ordered<E, Swapped>) read_ = FLECK_PICK(read_ordered<E, Swapped>);
  decltype(&baseline::write_medians<E, Out>) write_ = FLECK_PICK(write_medians<E, Out>);
  Key outside_ = left_out<Key>;
  std::uint8_t outside_present_ = 0;
};

}  // namespace fleck
