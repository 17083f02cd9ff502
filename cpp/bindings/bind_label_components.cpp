#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/label_components.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

// An array that owns the vector.
template <class T>
py::array_t<T> array_owning(std::vector<T>&& values) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  const auto* data = owned->data();
  const auto size = static_cast<py::ssize_t>(owned->size());
  const py::capsule owner(owned.release(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
  return py::array_t<T>(size, data, owner);
}

py::tuple label_components_of(const py::array& data, const std::optional<py::array>& mask, double threshold,
                              int connectivity, std::int64_t min_area, double deblend, std::vector<double> levels,
                              std::optional<py::array> labels, int threads) {
  const Image image = image_of(data);
  const Mask masked = mask_of(mask, image);
  View2D<std::int32_t> painted;
  if (labels) {
    painted = output_of<std::int32_t>(*labels, image.rows, image.cols);
    require(painted.col_stride == 1 || image.cols == 1, "rows of labels must be contiguous");
  }
  const LabelParameters parameters{threshold, connectivity, min_area, deblend, std::move(levels)};
  Components found;
  {
    const Running running;
    found = label_components(image, masked, parameters, painted, threads);
  }
  return py::make_tuple(array_owning(std::move(found.objects)), array_owning(std::move(found.level_counts)));
}

}  // namespace

void bind_label_components(py::module_& m) {
  PYBIND11_NUMPY_DTYPE(Component, area, ymin, ymax, xmin, xmax, sum, peak, peak_y, peak_x, centroid_y, centroid_x,
                       moment_yy, moment_xx, moment_xy);
  m.def("label_components", &label_components_of);
}

}  // namespace fleck::bindings
