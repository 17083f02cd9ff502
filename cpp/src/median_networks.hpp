// The median filter by networks: small windows.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "aligned.hpp"
#include "element.hpp"
#include "fleck/median_filter.hpp"
#include "fleck/tuning.hpp"
#include "isa/median_keys.hpp"
#include "isa/median_network.hpp"
#include "isa/median_nine.hpp"
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

// One line of pixels that go into a strip. Those that are left out stand as the lowest key and as the highest, by
// turns.
template <class Key>
class NetworkLine {
 public:
  static constexpr std::int64_t chunk = 64;  // pixels that are looked through together for one without a key

  NetworkLine(Key* line_keys, Key* line_signs, bool first_low)
      : keys(line_keys), signs(line_signs), flipped_(first_low ? 0 : ~std::uint64_t(0)) {}

  void keep(std::int64_t at, std::int64_t n) {
    if (masked) std::fill_n(signs + at, n, Key(0));
  }

  // Of n <= 64 pixels those that have a bit.
  void leave_out(std::int64_t at, std::int64_t n, std::uint64_t bits) {
    if (bits == 0) return keep(at, n);
    if (!masked) std::fill_n(signs, at, Key(0));
    masked = true;
    std::uint64_t odd = bits;  // whether a bit and those before it are an odd number
    for (int shift = 1; shift < 64; shift *= 2) odd ^= odd << shift;
    const std::uint64_t low = bits & (odd ^ flipped_);
    FLECK_PICK(put_extremes<Key>)(low, bits & ~low, n, keys + at, signs + at);
    if (std::popcount(bits) & 1) flipped_ = ~flipped_;
  }

  Key *keys, *signs;
  bool masked = false;  // some pixel is left out; if none is, signs are not written

 private:
  std::uint64_t flipped_;
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
    if (border != Border::constant) return;
    constexpr std::byte zero[sizeof(E)] = {};
    const std::byte* value = cval ? cval : zero;
    outside_known_ = FLECK_PICK(read_keys<E, false>)(value, sizeof(E), 1, &outside_);
    outside_left_out_ = FLECK_PICK(find_keyless<E, false>)(value, sizeof(E), 1).nan != 0;
  }

  // Whether there is a network for this window.
  bool exists() const { return sizes_.tile_rows > 0; }

  // Writes every output, and adds to `left` the tiles whose outputs are wrong: a pixel in a window has no key and is
  // not left out, or those that are left out shift a median too far.
  void run(TileSet& left, int threads) const {
    const std::int64_t per_tile = std::int64_t(sizes_.lanes) * sizes_.tile_cols;
    const std::int64_t blocks = (out_.cols - 1) / (std::int64_t(sizes_.lanes) * tuning().network_cols) + 1;
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
  static constexpr std::int64_t band_rows = 128;  // outputs of one job; a multiple of every tile's rows
  static constexpr std::size_t late_groups = 8;   // of lanes, so that the full network comes into the cache for many

  // A strip and the lines that go into it and come out of it.
  struct Strip : MedianStrip<Key> {
    Key *line, *signs_line, *uppers_line, *shifts_line;

    Strip(const NetworkSizes& network, int tiles_in_a_lane, std::ptrdiff_t stride, int untrimmed_strips)
        : MedianStrip<Key>{network, tiles_in_a_lane, stride}, tiles_(2 * std::size_t(network.lanes) * this->tiles),
          masked_rows_(this->ring_rows()) {
      this->untrimmed = untrimmed_strips;
      this->unproven = tiles_.data();
      this->shifted = tiles_.data() + tiles_.size() / 2;
      const std::ptrdiff_t ring = this->row_size() * this->ring_rows(), outputs = this->medians_size();
      const std::ptrdiff_t line_size = this->line_size() + network.lanes;
      memory_.resize(2 * ring + 3 * outputs + 3 * this->row_size() + network.workspace + 4 * line_size);
      Key* free = memory_.data();
      const auto take = [&](std::ptrdiff_t n) { return std::exchange(free, free + n); };
      this->pixels = take(ring);
      this->signs = take(ring);
      this->medians = take(outputs);
      this->uppers = take(outputs);
      this->shifts = take(outputs);
      this->sums = take(3 * this->row_size());
      this->workspace = take(network.workspace);
      line = take(line_size);
      signs_line = take(line_size);  // never anything but signs, beyond the frame too
      uppers_line = take(line_size);
      shifts_line = take(line_size);
    }

    // Puts the lines into row y of the rings.
    void put(std::int64_t y, bool masked_line) {
      FLECK_PICK(put_line<Key>)(*this, this->pixels, y, line);
      const std::int64_t row = y % this->ring_rows();
      if (masked_line)
        FLECK_PICK(put_line<Key>)(*this, this->signs, y, signs_line);
      else if (masked_rows_[row])
        std::fill_n(this->signs + row * this->row_size(), this->row_size(), Key(0));
      masked_rows_[row] = masked_line;
    }

    void find(std::int64_t y) {
      this->masked = std::find(masked_rows_.begin(), masked_rows_.end(), true) != masked_rows_.end();
      FLECK_PICK(median_strip<Key>)(*this, y);
      if (!this->masked) this->shifted_count = 0;
    }

    // Row r of the results into the lines.
    void take(int r) {
      FLECK_PICK(take_line<Key>)(*this, this->medians, r, line);
      if (!this->masked) return;
      FLECK_PICK(take_line<Key>)(*this, this->uppers, r, uppers_line);
      FLECK_PICK(take_line<Key>)(*this, this->shifts, r, shifts_line);
    }

    // n outputs of the lines from `at` on.
    void write(std::ptrdiff_t at, std::int64_t n, Out* out, std::ptrdiff_t stride) const {
      if (this->masked)
        FLECK_PICK(write_means<E, Out>)(line + at, uppers_line + at, shifts_line + at, n, out, stride);
      else
        FLECK_PICK(write_values<E, Out>)(line + at, n, out, stride);
    }

   private:
    std::vector<int> tiles_;
    std::vector<char> masked_rows_;  // of the ring: some sign is not 0
    Aligned<Key> memory_;
  };

  struct LateTile {
    std::int64_t row, col;  // its first output
    bool masked;
    std::vector<Key> pixels, signs;  // of its windows, row by row
  };

  // Rows of keys, and of medians, of windows of 3 x 3.
  struct NineRows {
    static constexpr std::int64_t cols = 1024;  // that all of them stay near

    NineRows() : memory_(7 * size) {
      for (int r = 0; r < 2; ++r) medians[r] = memory_.data() + (4 + r) * size;
      signs = memory_.data() + 6 * size;
    }

    Key* line(std::int64_t y) { return memory_.data() + y % 4 * size; }

    Key *medians[2], *signs;

   private:
    static constexpr std::int64_t size = cols + 2 + nine_slack;
    Aligned<Key> memory_;
  };

  // One thread's memory.
  struct Work {
    Strip strip;
    Strip late;  // tiles from anywhere, one in each lane, that take the full network
    std::vector<LateTile> late_tiles;
    std::size_t late_count = 0;  // of them in use

    Work(const NetworkSizes& sizes, int tiles)
        : strip(sizes, tiles, std::int64_t(tiles) * sizes.tile_cols, 0),
          late(sizes, 1, sizes.tile_cols + sizes.window_cols - 1, std::numeric_limits<int>::max()) {}
  };

  // Outputs of rows [row0, row1) in the columns from col0 on that a strip covers.
  void band(Work& work, std::int64_t row0, std::int64_t row1, std::int64_t col0, TileSet& left) const {
    Strip& strip = work.strip;
    strip.untrimmed = tuning().network_trimmed ? 0 : std::numeric_limits<int>::max();
    const std::int64_t cols = std::min<std::int64_t>(std::int64_t(sizes_.lanes) * strip.lane_cols(), out_.cols - col0);
    if (half_rows_ == 1 && half_cols_ == 1 && rows_of_nine({row0, row1, col0, col0 + cols}, left)) return;
    const auto load = [&](std::int64_t y) {
      const std::int64_t row = row0 + y - half_rows_;
      if (row >= row1 + half_rows_) return;  // no output needs it
      strip.put(y, read_line(row, col0 - half_cols_, cols + 2 * half_cols_, strip.line, strip.signs_line, left));
    };
    for (std::int64_t y = 0; y < sizes_.window_rows - 1; ++y) load(y);
    for (std::int64_t y = 0; row0 + y < row1; y += sizes_.tile_rows) {
      for (int r = 0; r < sizes_.tile_rows; ++r) load(y + sizes_.window_rows - 1 + r);
      fetch(strip, row0 + y, col0, cols);
      strip.find(y);
      for (std::int64_t r = 0; r < std::min<std::int64_t>(sizes_.tile_rows, row1 - row0 - y); ++r) {
        strip.take(static_cast<int>(r));
        strip.write(0, cols, &out_(row0 + y + r, col0), out_.col_stride);
      }
      const auto col_of = [&](int tile) { return col0 + std::int64_t(tile) * sizes_.tile_cols; };
      for (int i = 0; i < strip.unproven_count; ++i) {
        const int tile = strip.unproven[i];
        if (col_of(tile) < out_.cols) put_aside(work, y, tile, row0 + y, col_of(tile));
      }
      for (int i = 0; i < strip.shifted_count; ++i) give_up(row0 + y, col_of(strip.shifted[i]), left);
      if (work.late_count >= late_groups * std::size_t(sizes_.lanes)) finish_late(work, sizes_.lanes);
    }
    finish_late(work, 1);
  }

  // ---- Windows of 3 x 3, row by row

  struct Block {
    std::int64_t row0, row1, col0, col1;

    std::int64_t cols() const { return col1 - col0; }
  };

  // As band(); false, and anything may stand in the outputs, where some pixel is left out.
  bool rows_of_nine(const Block& block, TileSet& left) const {
    NineRows nine;
    const auto [row0, row1, col0, col1] = block;
    if constexpr (std::is_same_v<E, Key> && std::is_same_v<Out, Key> && !Swapped) {
      const std::int64_t first = std::min(col0 > 0 ? col0 : nine_step<Key>, col1);
      const std::int64_t room = std::min(col1, out_.cols - 1 - nine_slack) - first;
      const std::int64_t last = first + std::max<std::int64_t>(0, room) / nine_step<Key> * nine_step<Key>;
      if (first < last && vectors_fit() && in_place({row0, row1, first, last}))
        return by_keys(nine, {row0, row1, col0, first}, left) && by_keys(nine, {row0, row1, last, col1}, left);
    }
    return by_keys(nine, block, left);
  }

  // Whether vectors of pixels can be loaded from the image and stored to the output, and none is masked.
  bool vectors_fit() const {
    const auto aligned = [](std::int64_t address) { return address % static_cast<std::int64_t>(alignof(Key)) == 0; };
    return !mask_ && image_.col_stride == sizeof(E) && out_.col_stride == 1 && aligned(image_.row_stride) &&
           aligned(std::bit_cast<std::intptr_t>(image_.data));
  }

  // Pixels and medians where they are. There are pixels around the block, nine_slack of them behind it.
  bool in_place(const Block& block) const {
    const auto line = [&](std::int64_t row) {
      const std::int64_t inner = resolve(row, out_.rows, border_);
      return inner < 0 ? nullptr : reinterpret_cast<const Key*>(image_.at(inner, block.col0 - 1));
    };
    const auto out = [&](std::int64_t row) { return &out_(row, block.col0); };
    return two_by_two(block, line, out, [](std::int64_t) {});
  }

  bool by_keys(NineRows& nine, const Block& block, TileSet& left) const {
    for (Block part = block; part.col0 < block.col1; part.col0 = part.col1) {
      part.col1 = std::min(part.col0 + NineRows::cols, block.col1);
      const auto line = [&](std::int64_t row) -> const Key* {
        Key* const keys = nine.line(row - block.row0 + 1);
        return read_line(row, part.col0 - 1, part.cols() + 2, keys, nine.signs, left) ? nullptr : keys;
      };
      const auto out = [&](std::int64_t row) { return nine.medians[(row - block.row0) % 2]; };
      const auto write = [&](std::int64_t row) {
        FLECK_PICK(write_values<E, Out>)(out(row), part.cols(), &out_(row, part.col0), out_.col_stride);
      };
      if (!two_by_two(part, line, out, write)) return false;
    }
    return true;
  }

  // Takes each row of pixels from line(row), until that is null, and puts its medians into out(row), then write(row).
  template <class Line, class Row, class Write>
  bool two_by_two(const Block& block, Line line, Row out, Write write) const {
    const auto below = [&](std::int64_t row) { return std::min(row, out_.rows - 1); };
    const auto input = [&](std::int64_t row) { return Ahead{image_.at(below(row), block.col0), sizeof(E)}; };
    const auto output = [&](std::int64_t row) {
      return Ahead{reinterpret_cast<const std::byte*>(&out_(below(row), block.col0)), sizeof(Out)};
    };
    const Key* rows[] = {nullptr, nullptr, line(block.row0 - 1), line(block.row0)};
    for (std::int64_t row = block.row0; row < block.row1; row += 2) {
      rows[0] = rows[2], rows[1] = rows[3];
      const bool two = row + 1 < block.row1;  // else the same row twice
      rows[2] = line(row + 1), rows[3] = two ? line(row + 2) : rows[0];
      if (std::find(rows, rows + 4, nullptr) != rows + 4) return false;
      Key* const medians[] = {out(row), out(row + two)};
      if (!medians_(rows, block.cols(), medians, {input(row + 3), input(row + 4), output(row + 2), output(row + 3)}))
        return false;
      for (std::int64_t r = row; r <= row + two; ++r) write(r);
    }
    return true;
  }

  void give_up(std::int64_t row, std::int64_t col, TileSet& left) const {
    left.add(row, row + sizes_.tile_rows, col, col + sizes_.tile_cols);
  }

  // Keeps the pixels of a tile of the strip that begins in row y of the ring.
  void put_aside(Work& work, std::int64_t y, int number, std::int64_t row, std::int64_t col) const {
    const Strip& strip = work.strip;
    const int cols = static_cast<int>(work.late.line_stride), ring = strip.ring_rows();
    if (work.late_tiles.size() == work.late_count) {
      const std::vector<Key> room(std::size_t(ring) * cols);
      work.late_tiles.push_back({0, 0, false, room, room});
    }
    LateTile& tile = work.late_tiles[work.late_count++];
    tile.row = row, tile.col = col, tile.masked = strip.masked;
    const int lane = number / strip.tiles, first = (sizes_.lead + number % strip.tiles) * sizes_.tile_cols;
    const auto copy = [&](const Key* rows, Key* to) {
      for (int r = 0; r < ring; ++r, to += cols) {
        const Key* from = rows + (y + r) % ring * strip.row_size() + std::ptrdiff_t(first) * sizes_.lanes + lane;
        for (int c = 0; c < cols; ++c) to[c] = from[std::ptrdiff_t(c) * sizes_.lanes];
      }
    };
    copy(strip.pixels, tile.pixels.data());
    if (strip.masked) copy(strip.signs, tile.signs.data());
  }

  // Takes late tiles, a lane for each, until fewer than `enough` are left.
  void finish_late(Work& work, int enough) const {
    while (static_cast<int>(work.late_count) >= enough) {
      const std::size_t n = std::min<std::size_t>(work.late_count, sizes_.lanes);
      work.late_count -= n;
      finish(work.late, std::span(work.late_tiles).subspan(work.late_count, n));
    }
  }

  // The medians of tiles from anywhere, by the full network.
  void finish(Strip& strip, std::span<const LateTile> tiles) const {
    const std::ptrdiff_t cols = strip.line_stride;
    const bool masked = std::any_of(tiles.begin(), tiles.end(), [](const LateTile& tile) { return tile.masked; });
    for (int y = 0; y < strip.ring_rows(); ++y) {
      std::ptrdiff_t at = 0;
      for (const LateTile& tile : tiles) {
        std::copy_n(tile.pixels.data() + y * cols, cols, strip.line + at);
        if (tile.masked)
          std::copy_n(tile.signs.data() + y * cols, cols, strip.signs_line + at);
        else
          std::fill_n(strip.signs_line + at, cols, Key(0));
        at += cols;
      }
      strip.put(y, masked);
    }
    strip.find(0);
    for (int r = 0; r < sizes_.tile_rows; ++r) {
      strip.take(r);
      std::ptrdiff_t at = 0;
      for (const LateTile& tile : tiles) {
        if (tile.row + r < out_.rows)
          strip.write(at, std::min<std::int64_t>(sizes_.tile_cols, out_.cols - tile.col), &out_(tile.row + r, tile.col),
                      out_.col_stride);
        at += sizes_.tile_cols;
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

  // Keys and signs of n pixels from (row, col) on, what is beyond the frame included; gives whether some pixel is left
  // out. Adds to `left` the windows of those that have no key for another reason.
  bool read_line(std::int64_t row, std::int64_t col, std::int64_t n, Key* keys, Key* signs, TileSet& left) const {
    constexpr std::int64_t chunk = NetworkLine<Key>::chunk;
    const std::int64_t inner = resolve(row, out_.rows, border_);
    const std::int64_t inside0 = inner < 0 ? n : std::clamp<std::int64_t>(-col, 0, n);
    const std::int64_t inside1 = std::clamp<std::int64_t>(out_.cols - col, inside0, n);
    // Rows begin with either extreme as in the sequence of Thue and Morse, which keeps any period from adding up.
    const bool odd = std::popcount(static_cast<std::uint64_t>(inner < 0 ? row : inner)) & 1;
    NetworkLine<Key> line(keys, signs, odd == (row == inner));
    const auto missed = [&](std::int64_t first, std::int64_t count) {
      left.add(row - half_rows_, row + half_rows_ + 1, first - half_cols_, first + count + half_cols_);
    };
    const auto read = [&](std::int64_t at, std::int64_t from, std::int64_t count) {
      const std::byte* pixels = image_.at(inner, from);
      std::uint64_t left_out = mask_ ? mask_bits_(&mask_(inner, from), mask_.col_stride, count) : 0;
      if (!read_keys_(pixels, image_.col_stride, count, keys + at)) {
        const KeylessPixels found = FLECK_PICK(find_keyless<E, Swapped>)(pixels, image_.col_stride, count);
        if (found.other & ~left_out) missed(col + at, count);
        left_out |= found.nan;
      }
      line.leave_out(at, count, left_out);
    };
    const auto outside = [&](std::int64_t at, std::int64_t count) {
      std::fill_n(keys + at, count, outside_);
      if (outside_left_out_) return line.leave_out(at, count, ~std::uint64_t(0) >> (chunk - count));
      if (!outside_known_) missed(col + at, count);
      line.keep(at, count);
    };
    const auto beyond = [&](std::int64_t first, std::int64_t last) {
      if (inner < 0 || resolve(-1, out_.cols, border_) < 0)
        for (std::int64_t i = first; i < last; i += chunk) outside(i, std::min(chunk, last - i));
      else
        for (std::int64_t i = first; i < last; ++i) read(i, resolve(col + i, out_.cols, border_), 1);
    };
    beyond(0, inside0);
    const bool all = !mask_ && inside1 > inside0 &&
                     read_keys_(image_.at(inner, col + inside0), image_.col_stride, inside1 - inside0, keys + inside0);
    if (all)
      line.keep(inside0, inside1 - inside0);
    else
      for (std::int64_t i = inside0; i < inside1; i += chunk) read(i, col + i, std::min(chunk, inside1 - i));
    beyond(inside1, n);
    return line.masked;
  }

  const Image& image_;
  const Mask& mask_;
  View2D<Out> out_;
  Border border_;
  std::int64_t half_rows_, half_cols_;
  NetworkSizes sizes_;
  // Chosen once: they are called for a few pixels each.
  decltype(&baseline::read_keys<E, Swapped>) read_keys_ = FLECK_PICK(read_keys<E, Swapped>);
  decltype(&baseline::medians_of_nine<Key>) medians_ = FLECK_PICK(medians_of_nine<Key>);
  decltype(&baseline::mask_bits) mask_bits_ = FLECK_PICK(mask_bits);
  Key outside_{};
  bool outside_known_ = false;
  bool outside_left_out_ = true;
};

}  // namespace fleck
