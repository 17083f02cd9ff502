#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/trail_scan.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

using Positions = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

TrailOptions options_of(std::int64_t background_width, std::int64_t gap, std::int64_t max_length, double n_sigma) {
  constexpr std::int64_t limit = std::int64_t{1} << 40;  // far beyond any image, and sums of it do not overflow
  require(background_width > 0 && background_width < limit && gap >= 0 && gap < limit && max_length > 0,
          "background_width, gap or max_length is out of range");
  return {background_width, gap, max_length, n_sigma};
}

}  // namespace

void bind_trail_scan(py::module_& m) {
  m.def("find_seeds", [](const py::array& data, const std::optional<py::array>& mask, bool along_rows,
                         double threshold, std::int64_t background_width, std::int64_t gap, int threads) {
    const Image image = image_of(data);
    const Mask left_out = mask_of(mask, image);
    const TrailOptions options = options_of(background_width, gap, 1, 0.0);
    std::vector<Seed> seeds;
    {
      const Running running;
      seeds = find_seeds(image, left_out, along_rows, threshold, options, threads);
    }
    Positions positions({static_cast<py::ssize_t>(seeds.size()), py::ssize_t{2}});
    std::int64_t* out = positions.mutable_data();
    for (const Seed& seed : seeds) *out++ = seed.row, *out++ = seed.col;
    return positions;
  });
  m.def("trail_scan", [](const py::array& data, const std::optional<py::array>& mask, const py::array& noise,
                         const Positions& positions, std::int64_t background_width, std::int64_t gap,
                         std::int64_t max_length, double n_sigma, py::array length, py::array sums, py::array profile,
                         int threads) {
    const Image image = image_of(data), sigma = image_of(noise);
    const Mask left_out = mask_of(mask, image);
    require(sigma.rows == image.rows && sigma.cols == image.cols, "noise and data differ in shape");
    require(positions.ndim() == 2 && positions.shape(1) == 2, "seeds are rows of (row, col)");
    const TrailOptions options = options_of(background_width, gap, max_length, n_sigma);
    const auto n = static_cast<std::int64_t>(positions.shape(0));
    std::vector<Seed> seeds(n);
    for (std::int64_t i = 0; i < n; ++i) {
      seeds[i] = {positions.at(i, 0), positions.at(i, 1)};
      require(seeds[i].row >= 0 && seeds[i].row < image.rows && seeds[i].col >= 0 && seeds[i].col < image.cols,
              "a seed lies outside the data");
    }
    const auto out_length = output_of<std::int64_t>(length, n, 1);
    const auto out_sums = output_of<double>(sums, n, 3);
    const auto out_profile = output_of<double>(profile, n, profile.ndim() == 2 ? profile.shape(1) : 0);
    const Running running;
    std::vector<Trail> trails(n);
    trail_scan(image, left_out, sigma, seeds, options, trails.data(), out_profile, threads);
    for (std::int64_t i = 0; i < n; ++i) {
      out_length(i, 0) = trails[i].length;
      out_sums(i, 0) = trails[i].seed_value;
      out_sums(i, 1) = trails[i].excess;
      out_sums(i, 2) = trails[i].variance;
    }
  });
}

}  // namespace fleck::bindings
