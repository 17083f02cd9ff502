#include "fleck/image.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "element.hpp"

namespace fleck {
namespace {

Image transposed(Image image) {
  std::swap(image.rows, image.cols);
  std::swap(image.row_stride, image.col_stride);
  return image;
}

template <class T>
View2D<T> transposed(const View2D<T>& view) {
  return {view.data, view.cols, view.rows, view.col_stride, view.row_stride};
}

template <class T>
void mask_row(const std::uint8_t* mask, std::int64_t stride, std::int64_t n, T* row) {
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  if (stride == 1) {  // a loop the compiler can vectorise
    for (std::int64_t i = 0; i < n; ++i) row[i] = mask[i] ? nan : row[i];
  } else {
    for (std::int64_t i = 0; i < n; ++i) row[i] = mask[i * stride] ? nan : row[i];
  }
}

template <class T>
void load_valid(const Image& image, const Mask& mask, std::int64_t row, std::int64_t col0, std::int64_t n, T* out) {
  load_row(image, row, col0, n, out);
  if (mask) mask_row(&mask(row, col0), mask.col_stride, n, out);
}

// Whether rows are T already.
template <class T>
bool readable_as(const Image& image) {
  constexpr std::int64_t size = sizeof(T);
  return image.dtype == (size == 4 ? DType::f32 : DType::f64) && !image.swapped && image.col_stride == size &&
         image.row_stride % size == 0 && reinterpret_cast<std::uintptr_t>(image.data) % alignof(T) == 0;
}

// Reads columns of the image, which are rows of `turned`, and turns them back.
template <class T>
void load_turned(const Image& turned, const Mask& mask, std::int64_t row0, std::int64_t col0, View2D<T> out) {
  constexpr std::int64_t side = 16;  // a tile stays near while it is turned
  T tile[side][side];
  for (std::int64_t top = 0; top < out.rows; top += side)
    for (std::int64_t left = 0; left < out.cols; left += side) {
      const std::int64_t rows = std::min(side, out.rows - top), cols = std::min(side, out.cols - left);
      for (std::int64_t c = 0; c < cols; ++c) load_valid(turned, mask, col0 + left + c, row0 + top, rows, tile[c]);
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c) out(top + r, left + c) = tile[c][r];
    }
}

}  // namespace

template <class T>
void load_row(const Image& image, std::int64_t row, std::int64_t col0, std::int64_t n, T* out) {
  const std::byte* p = image.at(row, col0);
  const std::int64_t stride = image.col_stride;
  visit_type(image.dtype, image.swapped, [&]<class E, bool Swapped>() {
    const auto convert = [](const std::byte* q) {
      if constexpr (std::is_same_v<E, Half>)
        return static_cast<T>(to_float(read_element<E, Swapped>(q)));
      else
        return static_cast<T>(read_element<E, Swapped>(q));
    };
    if (stride == static_cast<std::int64_t>(sizeof(E))) {  // a loop the compiler can vectorise
      for (std::int64_t i = 0; i < n; ++i) out[i] = convert(p + i * sizeof(E));
    } else {
      for (std::int64_t i = 0; i < n; ++i) out[i] = convert(p + i * stride);
    }
  });
}

template <class T>
View2D<const T> read_block(const Image& image, const Mask& mask, std::int64_t row0, std::int64_t col0, View2D<T> room) {
  if (!mask && readable_as<T>(image))
    return {reinterpret_cast<const T*>(image.at(row0, col0)), room.rows, room.cols,
            image.row_stride / static_cast<std::int64_t>(sizeof(T)), 1};
  if (std::abs(image.col_stride) <= std::abs(image.row_stride))
    for (std::int64_t r = 0; r < room.rows; ++r) load_valid(image, mask, row0 + r, col0, room.cols, room.row(r));
  else
    load_turned(transposed(image), transposed(mask), row0, col0, room);
  return room;
}

template void load_row<float>(const Image&, std::int64_t, std::int64_t, std::int64_t, float*);
template void load_row<double>(const Image&, std::int64_t, std::int64_t, std::int64_t, double*);
template View2D<const float> read_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<float>);
template View2D<const double> read_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<double>);

}  // namespace fleck
