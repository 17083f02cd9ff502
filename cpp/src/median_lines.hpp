// The median filter in windows of one row or one column and 2^k - 1 pixels: lines, 16 side by side.
//
// Pixels that are left out become, in turn along a line, the smallest and the largest key. The middle key of a window
// is then that of its pixels when their number is odd; when it is even, it is one of the two middle ones, and with
// smallest and largest exchanged it is the other.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "aligned.hpp"
#include "element.hpp"
#include "fleck/median_filter.hpp"
#include "isa/median_lines.hpp"
#include "isa/ordered_keys.hpp"
#include "median_border.hpp"
#include "threads.hpp"

namespace fleck {

// Whether a window is served.
inline bool has_lines(MedianWindow window) {
  const std::int64_t length = std::max(window.rows, window.cols);
  return std::min(window.rows, window.cols) == 1 && length >= 15 && length <= 255 && ((length + 1) & length) == 0;
}

template <class E, bool Swapped, class Out>
class LineFilter {
  using Key = ordered_key<E>;
  using Signed = std::make_signed_t<Key>;
  static constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);

  // What is known of the pixels of one block.
  struct Pixels {
    Aligned<Signed> pieces, exchanged;  // the same where nothing is left out, and then only `pieces` are made
    Aligned<std::int32_t> known;        // how many count, up to each pixel
    bool complete;

    const Signed* other() const { return (complete ? pieces : exchanged).data(); }
  };

  // One thread's scratch.
  struct Work {
    Pixels pixels[3];
    Aligned<Key> keys, turned, lower, upper;
    Aligned<std::uint8_t> present, turned_present;
    Aligned<Signed> middle, other_middle;
    Aligned<std::int32_t> count, turned_count;
    Signed side[lines];

    explicit Work(int block)
        : keys(block * lines), turned(keys), lower(keys), upper(keys), present(block * lines),
          turned_present(present), middle(block * lines), other_middle(middle), count(block * lines), turned_count(count) {
      for (Pixels& p : pixels) {
        p.pieces.resize(piece_planes(block) * block * lines);
        p.exchanged = p.pieces;
        p.known = count;
      }
    }
  };

 public:
  LineFilter(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
             const std::byte* cval)
      : image_(image), mask_(mask), out_(out), border_(border), down_(window.cols == 1),
        length_(down_ ? out.rows : out.cols), across_(down_ ? out.cols : out.rows),
        half_(static_cast<int>(std::max(window.rows, window.cols) / 2)) {
    switch (block_) {
      case 8: choose<8>(); break;
      case 16: choose<16>(); break;
      case 32: choose<32>(); break;
      case 64: choose<64>(); break;
      default: choose<128>();
    }
    if (border == Border::constant) {
      constexpr std::byte zero[sizeof(E)] = {};
      FLECK_PICK(read_ordered<E, false>)({cval ? cval : zero, 0, nullptr, 0}, 1, &outside_, &outside_present_);
    }
  }

  void run(int threads) const {
    const std::int64_t strips = (across_ - 1) / lines + 1, blocks = (length_ - 1) / block_ + 1;
    std::vector<std::unique_ptr<Work>> scratch(resolve_threads(threads));
    parallel_for(strips, threads, [&](std::int64_t strip, int worker) {
      if (!scratch[worker]) scratch[worker] = std::make_unique<Work>(block_);
      Work& work = *scratch[worker];
      std::fill_n(work.side, lines, std::numeric_limits<Signed>::min());
      const auto pixels = [&](std::int64_t i) -> Pixels& { return work.pixels[(i + 3) % 3]; };
      load(work, strip * lines, -1, pixels(-1));
      load(work, strip * lines, 0, pixels(0));
      for (std::int64_t i = 0; i < blocks; ++i) {
        load(work, strip * lines, i + 1, pixels(i + 1));
        fetch(strip * lines, i + 2);
        find(work, pixels(i - 1), pixels(i), pixels(i + 1));
        store(work, strip * lines, i * block_);
      }
    });
  }

 private:
  template <int Block>
  void choose() {
    sort_ = FLECK_PICK(sort_pieces<Signed, Block>);
    middle_ = FLECK_PICK(middle_keys<Signed, Block>);
  }

  // Calls for the pixels of a block of columns, and for where its medians go.
  void fetch(std::int64_t first, std::int64_t i) const {
    if (!down_) return;
    for (std::int64_t row = i * block_, last = std::min(row + block_, length_); row < last; ++row) {
      __builtin_prefetch(image_.at(row, first), 0, 2);
      __builtin_prefetch(&out_(row, first), 1, 2);
      if (mask_) __builtin_prefetch(&mask_(row, first), 0, 2);
    }
  }

  // Reads block number i of the lines from `first` on; a line that is not there repeats the last one.
  void load(Work& work, std::int64_t first, std::int64_t i, Pixels& pixels) const {
    const std::int64_t start = i * block_;
    const int n = static_cast<int>(std::min<std::int64_t>(lines, across_ - first));
    pixels.complete = true;
    if (down_) {
      for (int k = 0; k < block_; ++k) {
        Key* const keys = work.keys.data() + k * lines;
        std::uint8_t* const present = work.present.data() + k * lines;
        const std::int64_t row = place(start + k);
        if (row < 0)
          fill(row, keys, present, n, pixels);
        else
          pixels.complete &= read_(run_at(row, first), n, keys, present);
        std::fill(keys + n, keys + lines, keys[n - 1]);
        std::fill(present + n, present + lines, present[n - 1]);
      }
    } else {
      for (int line = 0; line < lines; ++line)
        load_row(work, first + std::min(line, n - 1), start, line, pixels);
      turn(work.turned, work.keys);
      if (!pixels.complete) turn(work.turned_present, work.present);
    }
    hide(work, pixels);
    sort_(pixels.pieces.data());
    if (!pixels.complete) sort_(pixels.exchanged.data());
  }

  void load_row(Work& work, std::int64_t row, std::int64_t start, int line, Pixels& pixels) const {
    Key* const keys = work.turned.data() + line * block_;
    std::uint8_t* const present = work.turned_present.data() + line * block_;
    const auto read = [&](std::int64_t col, std::int64_t k, std::int64_t n) {
      pixels.complete &= read_(run_at(row, col), n, keys + k, present + k);
    };
    if (start >= 0 && start + block_ <= length_) {
      read(start, 0, block_);
      return;
    }
    for (int k = 0; k < block_; ++k) {
      const std::int64_t col = place(start + k);
      col < 0 ? fill(col, keys + k, present + k, 1, pixels) : read(col, k, 1);
    }
  }

  static constexpr std::int64_t nowhere = -2;  // in no window

  std::int64_t place(std::int64_t i) const {
    return i < -half_ || i >= length_ + half_ ? nowhere : resolve(i, length_, border_);
  }

  void fill(std::int64_t at, Key* keys, std::uint8_t* present, int n, Pixels& pixels) const {
    std::fill_n(keys, n, outside_);
    std::fill_n(present, n, at == nowhere ? std::uint8_t(1) : outside_present_);
    pixels.complete &= present[0] == 1;
  }

  PixelRun run_at(std::int64_t row, std::int64_t col) const {
    return {image_.at(row, col), image_.col_stride, mask_ ? &mask_(row, col) : nullptr, mask_.col_stride};
  }

  template <class T>
  void turn(const Aligned<T>& from, Aligned<T>& to) const {
    for (int k = 0; k < block_; ++k)
      for (int line = 0; line < lines; ++line) to[k * lines + line] = from[line * block_ + k];
  }

  template <class T>
  void turn_back(const Aligned<T>& from, Aligned<T>& to) const {
    for (int line = 0; line < lines; ++line)
      for (int k = 0; k < block_; ++k) to[line * block_ + k] = from[k * lines + line];
  }

  // The first pieces; what is left out is hidden on either side in turn.
  void hide(Work& work, Pixels& pixels) const {
    const int size = block_ * lines;
    if (pixels.complete) {
      for (int i = 0; i < size; ++i) {
        pixels.pieces[i] = static_cast<Signed>(work.keys[i] ^ sign);
        pixels.known[i] = i / lines + 1;
      }
      return;
    }
    std::int32_t known[lines] = {};
    for (int k = 0; k < size; k += lines)
      for (int line = 0; line < lines; ++line) {
        const Signed key = static_cast<Signed>(work.keys[k + line] ^ sign), side = work.side[line];
        const bool counts = work.present[k + line] != 0;
        pixels.pieces[k + line] = counts ? key : side;
        pixels.exchanged[k + line] = counts ? key : ~side;
        work.side[line] = counts ? side : ~side;
        pixels.known[k + line] = known[line] += counts;
      }
  }

  void find(Work& work, const Pixels& before, const Pixels& own, const Pixels& after) const {
    const int size = block_ * lines, last = size - lines;
    middle_(before.pieces.data(), own.pieces.data(), after.pieces.data(), work.middle.data());
    if (before.complete && own.complete && after.complete) {
      for (int i = 0; i < size; ++i) work.lower[i] = static_cast<Key>(work.middle[i]) ^ sign;
      work.upper = work.lower;
      std::fill(work.count.begin(), work.count.end(), 2 * half_ + 1);
      return;
    }
    middle_(before.other(), own.other(), after.other(), work.other_middle.data());
    for (int i = 0; i < size; ++i) {
      const Signed a = work.middle[i], b = work.other_middle[i];
      const int line = i % lines;
      work.lower[i] = static_cast<Key>(std::min(a, b)) ^ sign;
      work.upper[i] = static_cast<Key>(std::max(a, b)) ^ sign;
      work.count[i] = before.known[last + line] - before.known[i] + own.known[last + line] +
                      (i < lines ? 0 : after.known[i - lines]);
    }
  }

  void store(Work& work, std::int64_t first, std::int64_t start) const {
    const int n = static_cast<int>(std::min<std::int64_t>(lines, across_ - first));
    const int size = static_cast<int>(std::min<std::int64_t>(block_, length_ - start));
    const auto write = FLECK_PICK(write_medians<E, Out>);
    if (down_) {
      for (int k = 0; k < size; ++k) {
        const int at = k * lines;
        write(&work.lower[at], &work.upper[at], &work.count[at], n, &out_(start + k, first), out_.col_stride);
      }
    } else {
      turn_back(work.lower, work.keys);
      turn_back(work.upper, work.turned);
      turn_back(work.count, work.turned_count);
      for (int line = 0; line < n; ++line) {
        const int at = line * block_;
        write(&work.keys[at], &work.turned[at], &work.turned_count[at], size, &out_(first + line, start),
              out_.col_stride);
      }
    }
  }

  const Image& image_;
  const Mask& mask_;
  View2D<Out> out_;
  Border border_;
  bool down_;  // lines are columns
  std::int64_t length_, across_;
  int half_, block_ = half_ + 1;
  // Chosen once: they are called for a few pixels each.
  decltype(&baseline::read_ordered<E, Swapped>) read_ = FLECK_PICK(read_ordered<E, Swapped>);
  decltype(&baseline::sort_pieces<Signed, 8>) sort_;
  decltype(&baseline::middle_keys<Signed, 8>) middle_;
  Key outside_ = left_out<Key>;
  std::uint8_t outside_present_ = 0;
};

}  // namespace fleck
