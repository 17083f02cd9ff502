#include <tuple>
#include <vector>

#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/profile_fit.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

using Patch = std::tuple<std::int64_t, std::int64_t, py::array, py::array, std::optional<py::array>, std::int64_t>;

py::tuple profile_fit_of(const std::vector<Patch>& patches, const py::array_t<ProfileStart, py::array::c_style>& starts, int threads) {
  std::vector<ProfilePatch> views;
  std::int64_t features = 0;
  for (const auto& [row, col, transmission, noise, mask, n] : patches) {
    require(n >= 1 && n <= most_profiles, "a patch has 1 to 64 features");
    const Image image = image_of(transmission), deviation = image_of(noise);
    require(deviation.rows == image.rows && deviation.cols == image.cols, "noise and transmission differ in shape");
    views.push_back({row, col, n, image, deviation, mask_of(mask, image)});
    features += n;
  }
  require(starts.ndim() == 1 && starts.shape(0) == features,
          "the patches have another number of features");
  const std::span<const ProfileStart> from(starts.data(), static_cast<std::size_t>(features));
  for (const ProfileStart& start : from) require(start.nodes >= 1 && start.nodes <= 3, "nodes must be from 1 to 3");
  py::array_t<FittedProfile> fitted(features);
  py::array_t<double> misfit(static_cast<py::ssize_t>(patches.size()));
  const std::span<FittedProfile> to(fitted.mutable_data(), static_cast<std::size_t>(features));
  const std::span<double> left(misfit.mutable_data(), patches.size());
  {
    const Running running;
    profile_fit(views, from, to, left, threads);
  }
  return py::make_tuple(fitted, misfit);
}

}  // namespace

void bind_profile_fit(py::module_& m) {
  PYBIND11_NUMPY_DTYPE(ProfileStart, value, expected, low, high, reach, own, nodes, holed);
  PYBIND11_NUMPY_DTYPE(FittedProfile, value, covariance, rms);
  m.attr("profile_start") = py::dtype::of<ProfileStart>();
  m.def("profile_fit", &profile_fit_of);
}

}  // namespace fleck::bindings
