// The median filter by value bands: any window, any pixel left out.
#pragma once

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>

#include "element.hpp"
#include "fleck/median_filter.hpp"
#include "isa/median_tile.hpp"
#include "median_border.hpp"

namespace fleck {

// --- Keys ------------------------------------------------------------------------------------------------------

template <class E>
using key_of = std::conditional_t<sizeof(E) == 8, std::uint64_t, std::uint32_t>;

// What a median of E is computed in.
template <class E>
using value_of = std::conditional_t<std::is_same_v<E, Half>, float, E>;

// Unsigned integers in the order of the values; -0.0 comes just before +0.0, NaN is no matter.
template <class V, class Key>
Key to_key(V value) {
  constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<V>) {
    const Key bits = std::bit_cast<Key>(value);
    return bits ^ (sign | (Key(0) - (bits >> (8 * sizeof(Key) - 1))));
  } else if constexpr (std::is_signed_v<V>) {
    return static_cast<Key>(static_cast<std::make_signed_t<Key>>(value)) ^ sign;
  } else {
    return value;
  }
}

template <class V, class Key>
V from_key(Key key) {
  constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<V>) {
    return std::bit_cast<V>(static_cast<Key>(key ^ (key & sign ? sign : ~Key(0))));
  } else if constexpr (std::is_signed_v<V>) {
    return static_cast<V>(key ^ sign);
  } else {
    return static_cast<V>(key);
  }
}

template <class Key>
constexpr Key left_out = std::numeric_limits<Key>::max();

// --- Reading ---------------------------------------------------------------------------------------------------

// Reads pixels of E as keys; says in `present` which of them count.
template <class E, bool Swapped>
struct Reader {
  using Key = key_of<E>;
  const Image& image;
  const Mask& mask;

  static void put(value_of<E> value, Key& key, std::uint8_t& present) {
    key = to_key<value_of<E>, Key>(value);
    present = 1;
    if constexpr (std::is_floating_point_v<value_of<E>>) {  // in integers, which the compiler vectorises
      constexpr auto infinity = std::numeric_limits<value_of<E>>::infinity();
      const Key low = to_key<value_of<E>, Key>(-infinity), high = to_key<value_of<E>, Key>(infinity);
      const bool number = static_cast<Key>(key - low) <= static_cast<Key>(high - low);
      present = number;
      key = number ? key : left_out<Key>;
    }
  }

  static void read(const std::byte* p, Key& key, std::uint8_t& present) {
    const E element = read_element<E, Swapped>(p);
    if constexpr (std::is_same_v<E, Half>)
      put(to_float(element), key, present);
    else
      put(element, key, present);
  }

  void pixel(std::int64_t row, std::int64_t col, Key& key, std::uint8_t& present) const {
    read(image.at(row, col), key, present);
    if (mask && mask(row, col)) {
      key = left_out<Key>;
      present = 0;
    }
  }

  void run(std::int64_t row, std::int64_t col, std::int64_t n, Key* __restrict keys,
           std::uint8_t* __restrict present) const {
    const std::byte* __restrict p = image.at(row, col);
    if (image.col_stride == static_cast<std::int64_t>(sizeof(E))) {  // a loop the compiler can vectorise
      for (std::int64_t i = 0; i < n; ++i) read(p + i * sizeof(E), keys[i], present[i]);
    } else {
      for (std::int64_t i = 0; i < n; ++i) read(p + i * image.col_stride, keys[i], present[i]);
    }
    if (!mask) return;
    const std::uint8_t* __restrict masked = mask.row(row) + col * mask.col_stride;
    for (std::int64_t i = 0; i < n; ++i) {
      if (masked[i * mask.col_stride]) {
        keys[i] = left_out<Key>;
        present[i] = 0;
      }
    }
  }
};

// --- Tiles -----------------------------------------------------------------------------------------------------

// One thread's scratch: every plane of a MedianTile, in one piece of memory.
template <class Key>
class BandScratch {
 public:
  MedianTile<Key> tile{};

  BandScratch(int window_rows, int window_cols, int rows) {
    tile.window_rows = window_rows;
    tile.window_cols = window_cols;
    tile.pitch = (tile_cols + window_cols - 1 + 63) / 64 * 64;
    const std::size_t region_rows = rows + window_rows - 1;
    const std::size_t region = region_rows * tile.pitch, outputs = std::size_t(rows) * tile_cols;
    const auto place_all = [&] {
      size_ = 0;
      place(tile.keys, region);
      place(tile.present, region);
      place(tile.lower, outputs);
      place(tile.upper, outputs);
      place(tile.count, outputs);
      place(tile.band, region + 1);
      place(tile.spare, region + 1);
      place(tile.left, outputs);
      place(tile.left_byte, outputs);
      place(tile.wanted, outputs);
      place(tile.bin, region_rows * tile_cols);
      place(tile.step, 2 * tile_cols + window_cols);
      place(tile.column_sum, tile.pitch);
      place(tile.prefix_sum, tile.pitch + 1);
    };
    place_all();
    memory_.reset(static_cast<std::byte*>(::operator new(size_, alignment)));
    place_all();
    std::fill_n(tile.step, 2 * tile_cols + window_cols, std::uint8_t(0));
    std::fill_n(tile.step + tile_cols - 1, window_cols, std::uint8_t(1));
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, alignment); }
  };

  template <class T>
  void place(T*& plane, std::size_t n) {
    if (memory_) plane = reinterpret_cast<T*>(memory_.get() + size_);
    size_ += (n * sizeof(T) + 63) / 64 * 64;
  }

  std::size_t size_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
};

// Tall tiles for tall windows: the halo costs less, the scratch more.
inline int band_tile_rows(std::int64_t window_rows) { return window_rows <= 41 ? 32 : window_rows <= 101 ? 64 : max_tile_rows; }

// The filter for pixels of E and medians of Out, tile by tile.
template <class E, bool Swapped, class Out>
class BandFilter {
  using Key = key_of<E>;
  using Value = value_of<E>;

 public:
  BandFilter(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
         const std::byte* cval)
      : reader_{image, mask}, out_(out), border_(border), half_rows_(window.rows / 2), half_cols_(window.cols / 2) {
    if (border == Border::constant) {
      constexpr std::byte zero[sizeof(E)] = {};
      Reader<E, false>::read(cval ? cval : zero, outside_, outside_present_);
    }
  }

  // The outputs from (row0, col0) on.
  void operator()(MedianTile<Key>& tile, std::int64_t row0, std::int64_t col0, int rows) const {
    tile.rows = static_cast<int>(std::min<std::int64_t>(rows, out_.rows - row0));
    tile.cols = static_cast<int>(std::min<std::int64_t>(tile_cols, out_.cols - col0));
    tile.region_rows = tile.rows + tile.window_rows - 1;
    load(tile, row0 - half_rows_, col0 - half_cols_);
    FLECK_PICK(median_tile<Key>)(tile);
    store(tile, row0, col0);
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
      std::fill(keys + cols, keys + tile.pitch, left_out<Key>);
      std::fill(present + cols, present + tile.pitch, std::uint8_t(0));
      const std::int64_t row = resolve(row0 + y, out_.rows, border_);
      if (row < 0) {
        std::fill_n(keys, cols, outside_);
        std::fill_n(present, cols, outside_present_);
      } else {
        const auto beyond = [&](std::int64_t x) {
          const std::int64_t col = resolve(col0 + x, out_.cols, border_);
          keys[x] = outside_;
          present[x] = outside_present_;
          if (col >= 0) reader_.pixel(row, col, keys[x], present[x]);
        };
        for (std::int64_t x = 0; x < first; ++x) beyond(x);
        reader_.run(row, col0 + first, last - first, keys + first, present + first);
        for (std::int64_t x = last; x < cols; ++x) beyond(x);
      }
      std::uint8_t all = 1;
      for (std::int64_t x = 0; x < cols; ++x) all &= present[x];
      tile.complete &= all == 1;
    }
  }

  void store(const MedianTile<Key>& tile, std::int64_t row0, std::int64_t col0) const {
    for (int r = 0; r < tile.rows; ++r) {
      for (int c = 0; c < tile.cols; ++c) {
        const int i = r * tile_cols + c;
        out_(row0 + r, col0 + c) = median(tile.lower[i], tile.upper[i], tile.count[i]);
      }
    }
  }

  static Out median(Key lower, Key upper, std::int32_t count) {
    if constexpr (std::is_floating_point_v<Out>) {
      const Out a = static_cast<Out>(from_key<Value>(lower)), b = static_cast<Out>(from_key<Value>(upper));
      if (count == 0) return std::numeric_limits<Out>::quiet_NaN();
      return count & 1 ? a : (a + b) / 2;
    } else {
      return from_key<Value>(lower);  // the count is odd: nothing was left out
    }
  }

  Reader<E, Swapped> reader_;
  View2D<Out> out_;
  Border border_;
  std::int64_t half_rows_, half_cols_;
  Key outside_ = left_out<Key>;
  std::uint8_t outside_present_ = 0;
};

}  // namespace fleck
