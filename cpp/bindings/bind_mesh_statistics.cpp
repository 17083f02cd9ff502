#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.hpp"
#include "fleck/mesh_statistics.hpp"
#include "running.hpp"

namespace fleck::bindings {
void bind_mesh_statistics(py::module_& m) {
  m.def("mesh_statistics", [](const py::array& data, const std::optional<py::array>& mask, std::int64_t box_rows,
                              std::int64_t box_cols, double clip, int max_iterations, double min_valid,
                              py::array level, py::array noise, py::array count, int threads) {
    const Image image = image_of(data);
    const Mask left_out = mask_of(mask, image);
    require(image.rows > 0 && image.cols > 0, "data is empty");
    require(box_rows > 0 && box_cols > 0 && clip >= 1.5, "box or clip is out of range");
    require(std::min(box_rows, image.rows) * std::min(box_cols, image.cols) < std::int64_t{1} << 32,
            "a box has 2^32 pixels or more: make it smaller");
    const std::int64_t ny = mesh_size(image.rows, box_rows), nx = mesh_size(image.cols, box_cols);
    const auto out_level = output_of<double>(level, ny, nx);
    const auto out_noise = output_of<double>(noise, ny, nx);
    const auto out_count = output_of<std::int64_t>(count, ny, nx);
    const Running running;
    mesh_statistics(image, left_out, {box_rows, box_cols, clip, max_iterations, min_valid}, out_level, out_noise,
                    out_count, threads);
  });
  m.def("fill_mesh", [](const py::array& mesh, py::array out, int threads) {
    const auto from = mesh_of(mesh);
    const auto to = output_of<double>(out, from.rows, from.cols);
    const Running running;
    fill_mesh(from, to, threads);
  });
  m.def("median_mesh", [](const py::array& mesh, std::int64_t size, py::array out) {
    const auto from = mesh_of(mesh);
    require(size > 0 && size % 2 == 1, "size is not odd");
    const auto to = output_of<double>(out, from.rows, from.cols);
    const Running running;
    median_mesh(from, size, to);
  });
  m.def("interpolate_mesh", [](const py::array& mesh, std::int64_t box_rows, std::int64_t box_cols,
                               std::pair<std::int64_t, std::int64_t> shape,
                               std::pair<std::int64_t, std::int64_t> first, py::array out, int threads) {
    const auto from = mesh_of(mesh);
    require(out.ndim() == 2 && box_rows > 0 && box_cols > 0, "output or box is out of range");
    const auto to = output_of<float>(out, out.shape(0), out.shape(1));
    require(shape.first > 0 && shape.second > 0 && from.rows == mesh_size(shape.first, box_rows) &&
                from.cols == mesh_size(shape.second, box_cols),
            "mesh and image do not belong together");
    require(first.first >= 0 && first.second >= 0 && to.rows <= shape.first - first.first &&
                to.cols <= shape.second - first.second,
            "part lies beyond the image");
    const Running running;
    interpolate_mesh(from, box_rows, box_cols, {shape.first, shape.second, first.first, first.second}, to, threads);
  });
}

}  // namespace fleck::bindings
