#include <pybind11/stl.h>

#include <string>

#include "arrays.hpp"
#include "fleck/median_filter.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

Border border_of(const std::string& mode) {
  if (mode == "reflect") return Border::reflect;
  if (mode == "constant") return Border::constant;
  if (mode == "nearest") return Border::nearest;
  if (mode == "mirror") return Border::mirror;
  if (mode == "wrap") return Border::wrap;
  require(mode == "shrink", "unknown mode");
  return Border::shrink;
}

void median_filter(const py::array& data, const std::optional<py::array>& mask, py::array out, std::int64_t rows,
                   std::int64_t cols, const std::string& mode, const py::array& cval, int threads) {
  const Image image = image_of(data);
  const Mask masked = mask_of(mask, image);
  const Border border = border_of(mode);
  require(cval.size() == 1 && dtype_of(cval) == image.dtype && cval.dtype().byteorder() != '>',
          "cval must be one value of the data's type in native byte order");
  const auto* outside = static_cast<const std::byte*>(cval.data());
  const auto filter = [&]<class Out>(Out) {
    const View2D<Out> view = output_of<Out>(out, image.rows, image.cols);
    const Running running;
    fleck::median_filter<Out>(image, masked, view, {rows, cols}, border, outside, threads);
  };
  switch (median_dtype(image.dtype, may_exclude(masked, border))) {
    case DType::u8: return filter(std::uint8_t{});
    case DType::i8: return filter(std::int8_t{});
    case DType::u16: return filter(std::uint16_t{});
    case DType::i16: return filter(std::int16_t{});
    case DType::u32: return filter(std::uint32_t{});
    case DType::i32: return filter(std::int32_t{});
    case DType::u64: return filter(std::uint64_t{});
    case DType::i64: return filter(std::int64_t{});
    case DType::f64: return filter(double{});
    case DType::f16:  // never a result
    case DType::f32: return filter(float{});
  }
}

}  // namespace

void bind_median_filter(py::module_& m) {
  m.def("median_filter", &median_filter, py::arg("data"), py::arg("mask").none(true), py::arg("out"), py::arg("rows"),
        py::arg("cols"), py::arg("mode"), py::arg("cval"), py::arg("threads"));
}

}  // namespace fleck::bindings
