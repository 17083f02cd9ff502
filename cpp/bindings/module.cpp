#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "fleck/runtime.hpp"

namespace fleck::bindings {
// One per kernel, each in its own bind_<kernel>.cpp.
void bind_combine_stack(pybind11::module_& m);
void bind_cte_readout(pybind11::module_& m);
void bind_gaussian_filter(pybind11::module_& m);
void bind_mesh_statistics(pybind11::module_& m);
void bind_label_components(pybind11::module_&);
void bind_limits(pybind11::module_& m);
void bind_literal_search(pybind11::module_& m);
void bind_measure_feature(pybind11::module_& m);
void bind_median_filter(pybind11::module_& m);
void bind_peak_search(pybind11::module_& m);
void bind_photon_noise(pybind11::module_& m);
void bind_profile_fit(pybind11::module_& m);
void bind_shadow_search(pybind11::module_& m);
void bind_streak_search(pybind11::module_& m);
void bind_trail_scan(pybind11::module_& m);
void bind_tuning(pybind11::module_& m);
void bind_word_sum(pybind11::module_& m);
}  // namespace fleck::bindings

PYBIND11_MODULE(_core, m) {
  m.doc() = "Compiled kernels of fleckcore. Import fleckcore.kernels instead.";
  m.def("default_threads", &fleck::default_threads);
  m.def("active_isa", [] { return fleck::isa_name(fleck::active_isa()); });
  m.def("available_isas", &fleck::available_isas);
  fleck::bindings::bind_combine_stack(m);
  fleck::bindings::bind_cte_readout(m);
  fleck::bindings::bind_gaussian_filter(m);
  fleck::bindings::bind_mesh_statistics(m);
  fleck::bindings::bind_label_components(m);
  fleck::bindings::bind_limits(m);
  fleck::bindings::bind_literal_search(m);
  fleck::bindings::bind_measure_feature(m);
  fleck::bindings::bind_median_filter(m);
  fleck::bindings::bind_peak_search(m);
  fleck::bindings::bind_photon_noise(m);
  fleck::bindings::bind_profile_fit(m);
  fleck::bindings::bind_shadow_search(m);
  fleck::bindings::bind_streak_search(m);
  fleck::bindings::bind_trail_scan(m);
  fleck::bindings::bind_tuning(m);
  fleck::bindings::bind_word_sum(m);
}
