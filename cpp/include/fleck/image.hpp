// What every kernel reads: a two-dimensional image of any real type, where it lies.
//
// Nothing here owns memory. Strides are in bytes and may be negative or zero, so transposed, reversed, sliced,
// big-endian and read-only arrays are read in place. `load_row` is the only door from foreign memory into a
// kernel's scratch: it undoes stride, byte order and type in one pass over the values that are needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

namespace fleck {

enum class DType : std::uint8_t { u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64 };

constexpr bool exact_in_float(DType dtype) {
  switch (dtype) {
    case DType::u8:
    case DType::i8:
    case DType::u16:
    case DType::i16:
    case DType::f16:
    case DType::f32: return true;
    default: return false;
  }
}

// A typed view with strides in elements; for outputs and for scratch.
template <class T>
struct View2D {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;
  std::int64_t col_stride = 1;

  T* row(std::int64_t r) const { return data + r * row_stride; }
  T& operator()(std::int64_t r, std::int64_t c) const { return data[r * row_stride + c * col_stride]; }
  explicit operator bool() const { return data != nullptr; }
  operator View2D<const T>() const requires(!std::is_const_v<T>) {
    return {data, rows, cols, row_stride, col_stride};
  }
};

// An input image of run-time type.
struct Image {
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;  // bytes
  std::int64_t col_stride = 0;  // bytes
  DType dtype = DType::f32;
  bool swapped = false;  // stored in the other byte order

  const std::byte* at(std::int64_t r, std::int64_t c) const { return data + r * row_stride + c * col_stride; }
};

// True where a pixel is left out; strides in elements, may be empty (no mask).
using Mask = View2D<const std::uint8_t>;

inline Image transposed(const Image& image) {
  return {image.data, image.cols, image.rows, image.col_stride, image.row_stride, image.dtype, image.swapped};
}

inline Mask transposed(const Mask& mask) {
  return {mask.data, mask.cols, mask.rows, mask.col_stride, mask.row_stride};
}

// Whether the pixels of a column lie closer in memory than those of a row.
inline bool turned(const Image& image) { return std::abs(image.col_stride) > std::abs(image.row_stride); }

// Copies image[row, col0 : col0 + n] into out, converted to T (float or double). Every type of up to 16 bits and
// float32 is exact in float; every type of up to 32 bits is exact in double; 64-bit integers round to nearest.
template <class T>
void load_row(const Image& image, std::int64_t row, std::int64_t col0, std::int64_t n, T* out);

// The same of quality bits, whose type is an integer of up to 32 bits.
void load_bits(const Image& image, std::int64_t row, std::int64_t col0, std::int64_t n, std::int32_t* out);

// Copies the pixels from (row0, col0) on, as many as `room` has, converted as by load_row, NaN where the mask says
// so; along whichever axis lies closer in memory, so that a transposed image costs little more. room.col_stride is 1.
template <class T>
void copy_block(const Image& image, const Mask& mask, std::int64_t row0, std::int64_t col0, View2D<T> room);

// The same pixels where they are if nothing is to be changed, else in `room`. The result's col_stride is 1.
template <class T>
View2D<const T> read_block(const Image& image, const Mask& mask, std::int64_t row0, std::int64_t col0,
                           View2D<T> room);

extern template void load_row<float>(const Image&, std::int64_t, std::int64_t, std::int64_t, float*);
extern template void load_row<double>(const Image&, std::int64_t, std::int64_t, std::int64_t, double*);
extern template void copy_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<float>);
extern template void copy_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<double>);
extern template View2D<const float> read_block(const Image&, const Mask&, std::int64_t, std::int64_t, View2D<float>);
extern template View2D<const double> read_block(const Image&, const Mask&, std::int64_t, std::int64_t,
                                                View2D<double>);

}  // namespace fleck
