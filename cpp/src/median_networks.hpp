// The median filter by networks: small windows, nothing left out but a few tiles that it names.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

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
    const std::int64_t blocks = (out_.cols - 1) / (per_tile * max_tiles) + 1;
    const int tiles = static_cast<int>((out_.cols - 1) / (per_tile * blocks) + 1);
    const std::int64_t bands = (out_.rows - 1) / band_rows + 1;
    std::vector<std::unique_ptr<Work>> work(resolve_threads(threads));
    parallel_for(blocks * bands, threads, [&](std::int64_t job, int worker) {
      const KeepSubnormals guard;
      if (!work[worker]) work[worker] = std::make_unique<Work>(sizes_, tiles);
      const std::int64_t row0 = job / blocks * band_rows;
      band(*work[worker], row0, std::min(row0 + band_rows, out_.rows), job % blocks * per_tile * tiles, left);
    });
  }

 private:
  static constexpr int max_tiles = 32;           // side by side in a lane: the ring of rows should fit the L2 cache
  static constexpr std::int64_t band_rows = 128;  // outputs of one job; a multiple of every tile's rows
  static constexpr std::int64_t chunk = 64;       // pixels that are looked through for one without a key

  // One thread's memory.
  struct Work {
    MedianStrip<Key> strip{};
    Key* line;

    Work(const NetworkSizes& sizes, int tiles) {
      strip.sizes = sizes;
      strip.tiles = tiles;
      const std::ptrdiff_t pixels = strip.row_size() * strip.ring_rows(), medians = strip.medians_size();
      const std::ptrdiff_t lines = strip.line_size() + sizes.lanes;
      const std::ptrdiff_t all = pixels + medians + sizes.workspace + lines;
      memory_.reset(static_cast<Key*>(::operator new(all * sizeof(Key), alignment)));
      std::memset(memory_.get(), 0, all * sizeof(Key));
      strip.pixels = memory_.get();
      strip.medians = strip.pixels + pixels;
      strip.workspace = strip.medians + medians;
      line = strip.workspace + sizes.workspace;
    }

   private:
    static constexpr std::align_val_t alignment{64};
    struct Free {
      void operator()(Key* p) const { ::operator delete(p, alignment); }
    };
    std::unique_ptr<Key, Free> memory_;
  };

  // Outputs of rows [row0, row1) in the columns from col0 on that a strip covers.
  void band(Work& work, std::int64_t row0, std::int64_t row1, std::int64_t col0, TileSet& left) const {
    MedianStrip<Key>& strip = work.strip;
    strip.untrimmed = 0;
    const std::int64_t cols = std::min<std::int64_t>(std::int64_t(sizes_.lanes) * strip.lane_cols(), out_.cols - col0);
    for (std::int64_t y = 0; y < sizes_.window_rows - 1; ++y) load(work, row0, y, col0, cols, left);
    for (std::int64_t y = 0; row0 + y < row1; y += sizes_.tile_rows) {
      for (int r = 0; r < sizes_.tile_rows; ++r) load(work, row0, y + sizes_.window_rows - 1 + r, col0, cols, left);
      FLECK_PICK(median_strip<Key>)(strip, y);
      for (std::int64_t r = 0; r < std::min<std::int64_t>(sizes_.tile_rows, row1 - row0 - y); ++r) {
        FLECK_PICK(take_line<Key>)(strip, static_cast<int>(r), work.line);
        FLECK_PICK(write_values<E, Out>)(work.line, cols, &out_(row0 + y + r, col0), out_.col_stride);
      }
    }
  }

  // Puts the row that stands half a window above output row0 + y into the ring; `cols` outputs need it.
  void load(Work& work, std::int64_t row0, std::int64_t y, std::int64_t col0, std::int64_t cols, TileSet& left) const {
    const std::int64_t at = row0 + y - half_rows_, first = col0 - half_cols_, n = cols + 2 * half_cols_;
    const std::int64_t row = at < out_.rows + half_rows_ ? resolve(at, out_.rows, border_) : -1;
    if (row < 0 && at >= out_.rows + half_rows_) return;  // no output needs it
    const auto miss = [&](std::int64_t i, std::int64_t count) {
      left.add(at - half_rows_, at + half_rows_ + 1, first + i - half_cols_, first + i + count + half_cols_);
    };
    const auto beyond = [&](std::int64_t i) {
      const std::int64_t col = row < 0 ? -1 : resolve(first + i, out_.cols, border_);
      const bool known = col < 0 ? outside_known_ : key(row, col, work.line[i]);
      if (col < 0) work.line[i] = outside_;
      if (!known) miss(i, 1);
    };
    const std::int64_t inside0 = row < 0 ? n : std::clamp<std::int64_t>(-first, 0, n);
    const std::int64_t inside1 = std::clamp<std::int64_t>(out_.cols - first, inside0, n);
    for (std::int64_t i = 0; i < inside0; ++i) beyond(i);
    for (std::int64_t i = inside0; i < inside1; i += chunk) {
      const std::int64_t count = std::min(chunk, inside1 - i);
      const bool known =
          FLECK_PICK(read_keys<E, Swapped>)(image_.at(row, first + i), image_.col_stride, count, work.line + i);
      if (!known || masked(row, first + i, count)) miss(i, count);
    }
    for (std::int64_t i = inside1; i < n; ++i) beyond(i);
    FLECK_PICK(put_line<Key>)(work.strip, y, work.line);
  }

  bool key(std::int64_t row, std::int64_t col, Key& out) const {
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
