#include "fleck/peak_search.hpp"

#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.hpp"
#include "fleck/mesh_statistics.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

Image plane_of(const std::optional<py::array>& array, const Image& image) {
  if (!array) return {};
  const Image plane = image_of(*array);
  require(plane.rows == image.rows && plane.cols == image.cols, "planes differ in shape");
  return plane;
}

py::tuple peak_search_of(const py::array& data, const py::array& mesh, std::int64_t box_rows, std::int64_t box_cols,
                         double least, const std::optional<py::array>& error, double white,
                         const std::optional<py::array>& doubt, const std::optional<py::array>& mask, double limit,
                         double opposite_floor, int threads) {
  const Image image = image_of(data);
  const Mask left_out = mask_of(mask, image);
  require(image.rows > 0 && image.cols > 0 && box_rows > 0 && box_cols > 0, "data or box is empty");
  const View2D<const double> nodes = mesh_of(mesh);
  require(nodes.rows == mesh_size(image.rows, box_rows) && nodes.cols == mesh_size(image.cols, box_cols),
          "mesh and image do not belong together");
  const PeakNoise noise{nodes, box_rows, box_cols, static_cast<float>(least), plane_of(error, image),
                        static_cast<float>(white), plane_of(doubt, image)};
  Peaks found;
  {
    const Running running;
    found = peak_search(image, left_out, noise, static_cast<float>(limit), static_cast<float>(opposite_floor), threads);
  }
  const auto n = static_cast<py::ssize_t>(found.peaks.size());
  py::array_t<std::int64_t> places({n, py::ssize_t{2}});
  py::array_t<float> significance(n), opposite(static_cast<py::ssize_t>(found.opposite.size()));
  for (py::ssize_t i = 0; i < n; ++i) {
    const Peak& peak = found.peaks[i];
    places.mutable_at(i, 0) = peak.row;
    places.mutable_at(i, 1) = peak.col;
    significance.mutable_at(i) = peak.significance;
  }
  std::copy(found.opposite.begin(), found.opposite.end(), opposite.mutable_data());
  return py::make_tuple(places, significance, opposite, found.sampled);
}

}  // namespace

void bind_peak_search(py::module_& m) { m.def("peak_search", &peak_search_of); }

}  // namespace fleck::bindings
