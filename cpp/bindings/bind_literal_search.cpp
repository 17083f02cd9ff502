#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.hpp"
#include "fleck/literal_search.hpp"
#include "fleck/mesh_statistics.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

py::tuple literal_search_of(const py::array& data, const std::optional<py::array>& quality, std::uint64_t bits,
                            std::int64_t level_box, std::int64_t noise_box, std::int64_t window_rows,
                            std::int64_t window_cols, double sigma, std::int64_t min_area, double deviation,
                            double least_noise, double few_valid, bool without_deviants, py::array level, py::array loss_noise,
                            py::array state, int threads) {
  const Image image = image_of(data);
  require(image.rows > 0 && image.cols > 0, "data is empty");
  const Image flags = quality ? image_of(*quality) : Image{};
  require(!quality || (flags.rows == image.rows && flags.cols == image.cols), "quality and data differ in shape");
  const auto fits = [](std::int64_t side, std::int64_t frame) { return side % 2 == 1 && side >= 1 && side <= frame; };
  require(fits(window_rows, image.rows) && fits(window_cols, image.cols), "window is out of range");
  require(level_box > 0 && noise_box > 0, "box is out of range");
  for (const std::int64_t box : {level_box, noise_box})
    require(std::min(box, image.rows) * std::min(box, image.cols) < std::int64_t{1} << 32,
            "a box has 2^32 pixels or more: make it smaller");
  const LiteralRecipe recipe{level_box, noise_box, window_rows, window_cols, sigma,
                             min_area,  deviation, least_noise, few_valid,   without_deviants};
  const auto mesh_of = [&](py::array& out, std::int64_t box) {
    return output_of<double>(out, mesh_size(image.rows, box), mesh_size(image.cols, box));
  };
  const auto out_level = mesh_of(level, level_box), out_noise = mesh_of(loss_noise, noise_box);
  const auto out_state = output_of<std::uint8_t>(state, image.rows, image.cols);
  require(out_state.col_stride == 1 || image.cols == 1, "rows of state must be contiguous");
  LiteralObjects found;
  {
    const Running running;
    found = literal_search(image, flags, bits, recipe, out_level, out_noise, out_state, threads);
  }
  py::array_t<std::int64_t> runs({static_cast<py::ssize_t>(found.runs.size()), py::ssize_t{4}});
  auto rows = runs.mutable_unchecked<2>();
  for (py::ssize_t i = 0; i < rows.shape(0); ++i) {
    const auto& run = found.runs[static_cast<std::size_t>(i)];
    rows(i, 0) = run.row, rows(i, 1) = run.begin, rows(i, 2) = run.end, rows(i, 3) = run.object;
  }
  const py::array_t<double> peaks(static_cast<py::ssize_t>(found.peaks.size()), found.peaks.data());
  return py::make_tuple(found.noise, py::make_tuple(found.counts[0], found.counts[1], found.counts[2]), peaks, runs);
}

}  // namespace

void bind_literal_search(py::module_& m) { m.def("literal_search", &literal_search_of); }

}  // namespace fleck::bindings
