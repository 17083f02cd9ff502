#include <pybind11/pybind11.h>

#include "fleck/limits.hpp"

namespace fleck::bindings {

void bind_limits(pybind11::module_& m) {
  using Release = pybind11::call_guard<pybind11::gil_scoped_release>;
  m.def("compare_float32", &compare_in_registers<float>, pybind11::arg("rounds"), Release());
  m.def("compare_int16", &compare_in_registers<std::int16_t>, pybind11::arg("rounds"), Release());
}

}  // namespace fleck::bindings
