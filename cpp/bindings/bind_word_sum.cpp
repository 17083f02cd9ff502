#include "fleck/word_sum.hpp"

#include <pybind11/pybind11.h>

#include "arrays.hpp"
#include "running.hpp"

namespace fleck::bindings {

void bind_word_sum(py::module_& m) {
  m.def("word_sum", [](const py::buffer& data, int threads) {
    const py::buffer_info info = data.request();
    require(info.itemsize == 1 && info.ndim == 1 && info.strides[0] == 1, "expected bytes in a row");
    const Running running;
    return word_sum({static_cast<const std::byte*>(info.ptr), static_cast<std::size_t>(info.size)}, threads);
  });
}

}  // namespace fleck::bindings
