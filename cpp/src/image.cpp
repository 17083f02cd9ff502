#include "fleck/image.hpp"

#include <algorithm>
#include <limits>

#include "element.hpp"
#include "isa/load_row.hpp"

namespace fleck {
namespace {

template <class E, bool Swapped, class T>
void load_line(const std::byte* p, std::int64_t stride, std::int64_t n, T* out) {
  constexpr std::int64_t size = sizeof(E);
  if (stride == size) return FLECK_PICK(load_neighbours<E, Swapped, T>)(p, n, out);
  for (std::int64_t i = 0; i < n; ++i) out[i] = to_number<T>(read_element<E, Swapped>(p + i * stride));
}

template <class T>
void mask_line(const std::uint8_t* mask, std::int64_t stride, std::int64_t n, T* out) {
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  if (stride == 1) return FLECK_PICK(mask_neighbours<T>)(mask, n, out);
  for (std::int64_t i = 0; i < n; ++i) out[i] = mask[i * stride] ? nan : out[i];
}

// Whether rows are T already.
template <class T>
bool readable_as(const Image& image) {
  constexpr std::int64_t size = sizeof(T);
  return image.dtype == (size == 4 ? DType::f32 : DType::f64) && !image.swapped && image.col_stride == size &&
         image.row_stride % size == 0 && reinterpret_cast<std::uintptr_t>(image.data) % alignof(T) == 0;
}

// Calls line(r, c, n, to) for every line of pixels to be copied: n of them, from (r, c) of the block on.
template <class T, class Line>
void copy_lines(View2D<T> out, Line&& line) {
  for (std::int64_t r = 0; r < out.rows; ++r) line(r, 0, out.cols, out.row(r));
}

// The same where columns are the lines in memory: tile by tile, which stay near while they are turned.
template <class T, class Line>
void copy_turned(View2D<T> out, Line&& line) {
  constexpr std::int64_t most_rows = 64, most_cols = 16;
  T tile[most_cols][most_rows];
  for (std::int64_t top = 0; top < out.rows; top += most_rows)
    for (std::int64_t left = 0; left < out.cols; left += most_cols) {
      const std::int64_t rows = std::min(most_rows, out.rows - top), cols = std::min(most_cols, out.cols - left);
      for (std::int64_t c = 0; c < cols; ++c) line(top, left + c, rows, tile[c]);
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c) out(top + r, left + c) = tile[c][r];
    }
}

}  // namespace

template <class T>
void load_row(const Image& image, std::int64_t row, std::int64_t col0, std::int64_t n, T* out) {
  visit_type(image.dtype, image.swapped, [&]<class E, bool Swapped>() {
    load_line<E, Swapped>(image.at(row, col0), image.col_stride, n, out);
  });
}

void load_bits(const Image& image, std::int64_t row, std::int64_t col0, std::int64_t n, std::int32_t* out) {
  visit_type(image.dtype, image.swapped, [&]<class E, bool Swapped>() {
    if constexpr (std::is_integral_v<E> && sizeof(E) <= 4) {
      const std::byte* p = image.at(row, col0);
      if (image.col_stride == sizeof(E)) return FLECK_PICK(bits_of_neighbours<E, Swapped>)(p, n, out);
      for (std::int64_t i = 0; i < n; ++i) out[i] = to_bits(read_element<E, Swapped>(p + i * image.col_stride));
    }
  });
}

template <class T>
void copy_block(const Image& image, const Mask& mask, std::int64_t row0, std::int64_t col0, View2D<T> room) {
  const bool turn = turned(image);
  const std::int64_t stride = turn ? image.row_stride : image.col_stride;
  const std::int64_t mask_stride = turn ? mask.row_stride : mask.col_stride;
  visit_type(image.dtype, image.swapped, [&]<class E, bool Swapped>() {
    const auto line = [&](std::int64_t r, std::int64_t c, std::int64_t n, T* to) {
      load_line<E, Swapped>(image.at(row0 + r, col0 + c), stride, n, to);
      if (mask) mask_line(&mask(row0 + r, col0 + c), mask_stride, n, to);
    };
    turn ? copy_turned(room, line) : copy_lines(room, line);
  });
}

template <class T>
View2D<const T> read_block(const Image& image, const Mask& mask, std::int64_t row0, std::int64_t col0,
                           View2D<T> room) {
  if (!mask && readable_as<T>(image))
    return {reinterpret_cast<const T*>(image.at(row0, col0)), room.rows, room.cols,
            image.row_stride / static_cast<std::int64_t>(sizeof(T)), 1};
  copy_block(image, mask, row0, col0, room);
  return room;
}

template void load_row<float>(const Image&, std::int64_t, std::int64_t, std::int64_t, float*);
template void load_row<double>(const Image&, std::int64_t, std::int64_t, std::int64_t, double*);
template void copy_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<float>);
template void copy_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<double>);
template View2D<const float> read_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<float>);
template View2D<const double> read_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<double>);

}  // namespace fleck
