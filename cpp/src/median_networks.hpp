// The median filter by networks: small windows, nothing left out but a few tiles that it names.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "aligned.hpp"
#include "element.hpp"
#include "fleck/median_filter.hpp"
#include "isa/median_keys.hpp"
#include "isa/median_network.hpp"
#include "median_border.hpp"
#include "threads.hpp"

namespace fleck {

// While it lives, subnormal numbers are numbers: a library that has told the processor to take them for zero would
// make a minimum lose one.
class KeepSubnormals {
 public:
#if defined(__SSE__)
  KeepSubnormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ & ~0x8040u); }  // DAZ and FTZ
  ~KeepSubnormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  KeepSubnormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(saved_ & ~(std::uint64_t(1) << 24)));  // FZ
  }
  ~KeepSubnormals() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  std::uint64_t saved_;
#endif
};

// Tiles of the frame that still have to be filtered; any thread may add to them.
class TileSet {
 public:
  TileSet(std::int64_t rows, std::int64_t cols, std::int64_t side_rows, std::int64_t side_cols)
      : frame_rows_(rows), frame_cols_(cols), side_rows_(side_rows), side_cols_(side_cols),
        across_((cols - 1) / side_cols + 1), marks_(across_ * ((rows - 1) / side_rows + 1)) {}

  // All tiles with a pixel in rows [row0, row1) and columns [col0, col1), what is beyond the frame aside.
  void add(std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) {
    row0 = std::max<std::int64_t>(row0, 0), row1 = std::min(row1, frame_rows_);
    col0 = std::max<std::int64_t>(col0, 0), col1 = std::min(col1, frame_cols_);
    if (row0 >= row1 || col0 >= col1) return;
    for (std::int64_t r = row0 / side_rows_; r <= (row1 - 1) / side_rows_; ++r)
      for (std::int64_t c = col0 / side_cols_; c <= (col1 - 1) / side_cols_; ++c)
        marks_[r * across_ + c].store(1, std::memory_order_relaxed);
  }

  std::vector<std::int64_t> numbers() const {
    std::vector<std::int64_t> out;
    for (std::size_t i = 0; i < marks_.size(); ++i)
      if (marks_[i].load(std::memory_order_relaxed)) out.push_back(static_cast<std::int64_t>(i));
    return out;
  }

 private:
  std::int64_t frame_rows_, frame_cols_, side_rows_, side_cols_, across_;
  std::vector<std::atomic<std::uint8_t>> marks_;
};

template <class E, bool Swapped, class Out>
class NetworkFilter {
  using Key = network_key<E>;

 public:
  NetworkFilter(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
                const std::byte* cval)
      : image_(image), mask_(mask), out_(out), border_(border), half_rows_(window.rows / 2),
        half_cols_(window.cols / 2),
        sizes_(FLECK_PICK(network_sizes<Key>)(static_cast<int>(window.rows), static_cast<int>(window.cols))) {
    if (border == Border::constant) {
      constexpr std::byte zero[sizeof(E)] = {};
      outside_known_ = FLECK_PICK(read_keys<E, false>)(cval ? cval : zero, sizeof(E), 1, &outside_);
    }
  }

  // Whether there is a network for this window.
  bool exists() const { return sizes_.tile_rows > 0; }

  // Writes every output, and adds to `left` the tiles whose outputs are wrong: a pixel in a window has no key.
  void run(TileSet& left, int threads) const {
    const std::int64_t per_tile = std::int64_t(sizes_.lanes) * sizes_.tile_cols;
    const std::int64_t blocks = (out_.cols - 1) / (std::int64_t(sizes_.lanes) * max_lane_cols) + 1;
    const int tiles = static_cast<int>((out_.cols - 1) / (per_tile * blocks) + 1);
    const std::int64_t bands = (out_.rows - 1) / band_rows + 1;
    std::vector<std::unique_ptr<Work>> work(resolve_threads(threads));
    parallel_for(blocks * bands, threads, [&](std::int64_t job, int worker) {
      [[maybe_unused]] KeepSubnormals guard;
      if (!work[worker]) work[worker] = std::make_unique<Work>(sizes_, tiles);
      const std::int64_t row0 = job / blocks * band_rows;
      band(*work[worker], row0, std::min(row0 + band_rows, out_.rows), job % blocks * per_tile * tiles, left);
    });
  }

 private:
  static constexpr int max_lane_cols = 256;       // outputs of a lane: the ring of rows should fit the L2 cache
  static constexpr std::int64_t band_rows = 128;  // outputs of one job; a multiple of every tile's rows
  static constexpr std::size_t late_groups = 8;   // of lanes, so that the full network comes into the cache for many
  static constexpr std::int64_t chunk = 64;       // pixels that are looked through for one without a key

  // A strip and the line that goes into it and comes out of it.
  struct Strip : MedianStrip<Key> {
    Key* line;

    Strip(const NetworkSizes& network, int tiles_in_a_lane, std::ptrdiff_t stride, int untrimmed_strips)
        : MedianStrip<Key>{network, tiles_in_a_lane, stride}, unproven_tiles_(std::size_t(network.lanes) * this->tiles) {
      this->untrimmed = untrimmed_strips;
      this->unproven = unproven_tiles_.data();
      const std::ptrdiff_t ring = this->row_size() * this->ring_rows(), medians_size = this->medians_size();
      memory_.resize(ring + medians_size + network.workspace + this->line_size() + network.lanes);
      this->pixels = memory_.data();
      this->medians = this->pixels + ring;
      this->workspace = this->medians + medians_size;
      line = this->workspace + network.workspace;
    }

   private:
    std::vector<int> unproven_tiles_;
    Aligned<Key> memory_;
  };

  struct LateTile {
    std::int64_t row, col;  // its first output
  };

  // One thread's memory.
  struct Work {
    Strip strip;
    Strip late;  // tiles from anywhere, one in each lane, that take the full network
    std::vector<LateTile> late_tiles;

    Work(const NetworkSizes& sizes, int tiles)
        : strip(sizes, tiles, std::int64_t(tiles) * sizes.tile_cols, 0),
          late(sizes, 1, sizes.tile_cols + sizes.window_cols - 1, std::numeric_limits<int>::max()) {}
  };

  // Outputs of rows [row0, row1) in the columns from col0 on that a strip covers.
  void band(Work& work, std::int64_t row0, std::int64_t row1, std::int64_t col0, TileSet& left) const {
    Strip& strip = work.strip;
    strip.untrimmed = 0;
    const std::int64_t cols = std::min<std::int64_t>(std::int64_t(sizes_.lanes) * strip.lane_cols(), out_.cols - col0);
    const auto load = [&](std::int64_t y) {
      const std::int64_t row = row0 + y - half_rows_;
      if (row >= row1 + half_rows_) return;  // no output needs it
      read_line(row, col0 - half_cols_, cols + 2 * half_cols_, strip.line, [&](std::int64_t col, std::int64_t n) {
        left.add(row - half_rows_, row + half_rows_ + 1, col - half_cols_, col + n + half_cols_);
      });
      FLECK_PICK(put_line<Key>)(strip, y, strip.line);
    };
    for (std::int64_t y = 0; y < sizes_.window_rows - 1; ++y) load(y);
    for (std::int64_t y = 0; row0 + y < row1; y += sizes_.tile_rows) {
      for (int r = 0; r < sizes_.tile_rows; ++r) load(y + sizes_.window_rows - 1 + r);
      fetch(strip, row0 + y, col0, cols);
      FLECK_PICK(median_strip<Key>)(strip, y);
      for (std::int64_t r = 0; r < std::min<std::int64_t>(sizes_.tile_rows, row1 - row0 - y); ++r) {
        FLECK_PICK(take_line<Key>)(strip, static_cast<int>(r), strip.line);
        FLECK_PICK(write_values<E, Out>)(strip.line, cols, &out_(row0 + y + r, col0), out_.col_stride);
      }
      for (int i = 0; i < strip.unproven_count; ++i) {
        const std::int64_t col = col0 + std::int64_t(strip.unproven[i]) * sizes_.tile_cols;
        if (col < out_.cols) work.late_tiles.push_back({row0 + y, col});
      }
      if (work.late_tiles.size() >= late_groups * std::size_t(sizes_.lanes)) finish_late(work, sizes_.lanes);
    }
    finish_late(work, 1);
  }

  // Takes late tiles, a lane for each, until fewer than `enough` are left.
  void finish_late(Work& work, int enough) const {
    std::vector<LateTile>& tiles = work.late_tiles;
    while (static_cast<int>(tiles.size()) >= enough) {
      const std::size_t n = std::min<std::size_t>(tiles.size(), sizes_.lanes);
      finish(work.late, {tiles.end() - n, tiles.end()});
      tiles.resize(tiles.size() - n);
    }
  }

  // The medians of tiles from anywhere, by the full network.
  void finish(Strip& strip, std::span<const LateTile> tiles) const {
    const std::int64_t cols = strip.line_stride;
    const std::int64_t last_row = out_.rows + half_rows_ - 1, last_col = out_.cols + half_cols_;
    for (int y = 0; y < strip.ring_rows(); ++y) {
      Key* line = strip.line;
      for (const auto& [row, col] : tiles) {
        const std::int64_t first = col - half_cols_;
        read_line(std::min(row - half_rows_ + y, last_row), first, std::min(cols, last_col - first), line,
                  [](std::int64_t, std::int64_t) {});
        line += cols;
      }
      FLECK_PICK(put_line<Key>)(strip, y, strip.line);
    }
    FLECK_PICK(median_strip<Key>)(strip, 0);
    for (int r = 0; r < sizes_.tile_rows; ++r) {
      FLECK_PICK(take_line<Key>)(strip, r, strip.line);
      const Key* line = strip.line;
      for (const auto& [row, col] : tiles) {
        if (row + r < out_.rows)
          FLECK_PICK(write_values<E, Out>)(line, std::min<std::int64_t>(sizes_.tile_cols, out_.cols - col),
                                           &out_(row + r, col), out_.col_stride);
        line += sizes_.tile_cols;
      }
    }
  }

  // Names the rows that are read for the next strip, and those of the outputs of this one.
  void fetch(MedianStrip<Key>& strip, std::int64_t row, std::int64_t col, std::int64_t cols) const {
    const bool in_a_row = image_.col_stride == sizeof(E) && out_.col_stride == 1;
    const std::int64_t below = row + half_rows_ + sizes_.tile_rows;
    strip.fetch_bytes = cols * static_cast<std::int64_t>(sizeof(E));
    strip.fetch_rows = 0;
    for (int r = 0; r < sizes_.tile_rows && in_a_row; ++r) {
      if (row + r < out_.rows)
        strip.fetch[strip.fetch_rows++] = reinterpret_cast<const std::byte*>(&out_(row + r, col));
      if (below + r < out_.rows) strip.fetch[strip.fetch_rows++] = image_.at(below + r, col);
    }
  }

  // Keys of n pixels from (row, col) on, what is beyond the frame included. Calls missed(first column, number) where
  // some pixel has none.
  template <class Missed>
  void read_line(std::int64_t row, std::int64_t col, std::int64_t n, Key* keys, Missed missed) const {
    const std::int64_t inner = resolve(row, out_.rows, border_);
    const std::int64_t inside0 = inner < 0 ? n : std::clamp<std::int64_t>(-col, 0, n);
    const std::int64_t inside1 = std::clamp<std::int64_t>(out_.cols - col, inside0, n);
    const auto beyond = [&](std::int64_t i) {
      const std::int64_t from = inner < 0 ? -1 : resolve(col + i, out_.cols, border_);
      if (from < 0) keys[i] = outside_;
      if (from < 0 ? !outside_known_ : !read_key(inner, from, keys[i])) missed(col + i, 1);
    };
    for (std::int64_t i = 0; i < inside0; ++i) beyond(i);
    for (std::int64_t i = inside0; i < inside1; i += chunk) {
      const std::int64_t count = std::min(chunk, inside1 - i);
      const bool known = FLECK_PICK(read_keys<E, Swapped>)(image_.at(inner, col + i), image_.col_stride, count, keys + i);
      if (!known || masked(inner, col + i, count)) missed(col + i, count);
    }
    for (std::int64_t i = inside1; i < n; ++i) beyond(i);
  }

  bool read_key(std::int64_t row, std::int64_t col, Key& out) const {
    return FLECK_PICK(read_keys<E, Swapped>)(image_.at(row, col), sizeof(E), 1, &out) && !masked(row, col, 1);
  }

  bool masked(std::int64_t row, std::int64_t col, std::int64_t n) const {
    if (!mask_) return false;
    std::uint8_t any = 0;
    const std::uint8_t* p = mask_.row(row) + col * mask_.col_stride;
    for (std::int64_t i = 0; i < n; ++i) any |= p[i * mask_.col_stride];
    return any != 0;
  }

  const Image& image_;
  const Mask& mask_;
  View2D<Out> out_;
  Border border_;
  std::int64_t half_rows_, half_cols_;
  NetworkSizes sizes_;
  Key outside_{};
  bool outside_known_ = false;
};

}  // namespace fleck
