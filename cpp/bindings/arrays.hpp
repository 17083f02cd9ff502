// The one place where NumPy arrays become views. Python has already checked shape and type with good messages
// (fleckcore.kernels); the checks here keep a direct caller of _core from corrupting memory.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>

#include "fleck/image.hpp"

namespace fleck::bindings {

namespace py = pybind11;

inline void require(bool ok, const char* what) {
  if (!ok) throw py::value_error(what);
}

inline DType dtype_of(const py::array& array) {
  const py::dtype dtype = array.dtype();
  const char kind = dtype.kind();
  switch (kind) {
    case 'b': return DType::u8;
    case 'u':
    case 'i': {
      const bool is_signed = kind == 'i';
      switch (dtype.itemsize()) {
        case 1: return is_signed ? DType::i8 : DType::u8;
        case 2: return is_signed ? DType::i16 : DType::u16;
        case 4: return is_signed ? DType::i32 : DType::u32;
        case 8: return is_signed ? DType::i64 : DType::u64;
      }
      break;
    }
    case 'f':
      switch (dtype.itemsize()) {
        case 2: return DType::f16;
        case 4: return DType::f32;
        case 8: return DType::f64;
      }
  }
  throw py::type_error("unsupported dtype " + std::string(py::str(dtype)));
}

inline Image image_of(const py::array& array) {
  require(array.ndim() == 2, "expected a two-dimensional array");
  const char order = array.dtype().byteorder();
  return {static_cast<const std::byte*>(array.data()),
          array.shape(0),
          array.shape(1),
          array.strides(0),
          array.strides(1),
          dtype_of(array),
          order == '>'};
}

// A boolean or uint8 mask of the image's shape; None is no mask.
inline Mask mask_of(const std::optional<py::array>& array, const Image& image) {
  if (!array) return {};
  require(array->ndim() == 2 && array->shape(0) == image.rows && array->shape(1) == image.cols,
          "mask and data differ in shape");
  require(array->dtype().itemsize() == 1, "mask must be boolean");
  return {static_cast<const std::uint8_t*>(array->data()), image.rows, image.cols, array->strides(0),
          array->strides(1)};
}

// A mesh of boxes, any strides.
inline View2D<const double> mesh_of(const py::array& array) {
  require(py::isinstance<py::array_t<double>>(array) && array.ndim() == 2, "mesh must be a float64 plane");
  constexpr py::ssize_t size = sizeof(double);
  require(array.strides(0) % size == 0 && array.strides(1) % size == 0, "mesh strides are not whole elements");
  return {static_cast<const double*>(array.data()), array.shape(0), array.shape(1), array.strides(0) / size,
          array.strides(1) / size};
}

// A writable output of exactly this type and shape, any strides.
template <class T>
View2D<T> output_of(py::array& array, std::int64_t rows, std::int64_t cols) {
  require(py::isinstance<py::array_t<T>>(array) && array.ndim() == 2 && array.shape(0) == rows &&
              array.shape(1) == cols,
          "output has the wrong dtype or shape");
  constexpr py::ssize_t size = sizeof(T);
  require(array.strides(0) % size == 0 && array.strides(1) % size == 0, "output strides are not whole elements");
  return {static_cast<T*>(array.mutable_data()), rows, cols, array.strides(0) / size, array.strides(1) / size};
}

}  // namespace fleck::bindings
