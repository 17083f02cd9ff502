#include <algorithm>

#include "arrays.hpp"
#include "fleck/measure_feature.hpp"

namespace fleck::bindings {
namespace {

using Plane = py::array_t<float, py::array::forcecast>;

View2D<const float> view_of(const Plane& plane) {
  require(plane.ndim() == 2, "expected two-dimensional arrays");
  constexpr py::ssize_t size = sizeof(float);
  require(plane.strides(0) % size == 0 && plane.strides(1) % size == 0, "strides are not whole elements");
  return {plane.data(), plane.shape(0), plane.shape(1), plane.strides(0) / size, plane.strides(1) / size};
}

py::tuple measure_feature_of(const Plane& loss, const Plane& noise, const Plane& level, const py::array& usable,
                             const py::array& free, const py::array& footprint) {
  const Image image = image_of(loss);
  for (const Plane* plane : {&noise, &level})
    require(plane->ndim() == 2 && plane->shape(0) == image.rows && plane->shape(1) == image.cols,
            "planes differ in shape");
  const FeatureCut cut{view_of(loss),          view_of(noise),       view_of(level),
                       mask_of(usable, image), mask_of(free, image), mask_of(footprint, image)};
  bool any = false;
  for (std::int64_t r = 0; r < image.rows && !any; ++r)
    for (std::int64_t c = 0; c < image.cols && !any; ++c) any = cut.footprint(r, c) != 0;
  require(any, "the footprint is empty");
  const FeatureMeasures m = measure_feature(cut);
  return py::make_tuple(m.x_centroid, m.y_centroid, m.x_peak, m.y_peak, m.radius, m.radius_inner, m.area, m.area_50,
                        m.semimajor_axis, m.semiminor_axis, m.orientation, m.loss_mean, m.loss_mean_err, m.loss_max,
                        m.loss_max_err, m.lost_flux, m.lost_flux_err);
}

}  // namespace

void bind_measure_feature(py::module_& m) { m.def("measure_feature", &measure_feature_of); }

}  // namespace fleck::bindings
