#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/cte_readout.hpp"
#include "fleck/smooth_noise.hpp"
#include "running.hpp"

namespace fleck::bindings {

namespace {

using Numbers = py::array_t<double, py::array::c_style>;

std::span<const double> numbers_of(const Numbers& array) {
  require(array.ndim() == 1, "expected one row of numbers");
  return {array.data(), static_cast<std::size_t>(array.size())};
}

TrapTable table_of(const Numbers& level, const Numbers& capture, const Numbers& release, const Numbers& remaining,
                   int substeps) {
  const TrapTable table{numbers_of(level), numbers_of(capture), mesh_of(release), mesh_of(remaining), substeps};
  const std::int64_t levels = level.size();
  require(capture.size() == levels && table.release.rows == levels && table.remaining.rows == levels,
          "the tables differ in levels");
  require(table.release.cols == table.remaining.cols && table.release.cols > 0, "the profiles differ in length");
  return table;
}

TrapMap map_of(const std::optional<py::array>& nodes, double date, std::int64_t rows, std::int64_t first,
               const Image& image) {
  require(rows > 0 && first >= 0, "impossible place in the column");
  TrapMap map{{}, date, rows, first};
  if (nodes) map.nodes = mesh_of(*nodes);
  require(!nodes || (map.nodes.rows == image.cols && map.nodes.cols == 4), "expected four nodes for each column");
  return map;
}

template <class T>
void run(const Image& image, const TrapTable& traps, const TrapMap& map,
         const std::optional<std::tuple<int, double, bool, double>>& restoring, py::array& out, int threads) {
  const auto result = output_of<T>(out, image.rows, image.cols);
  const Running running;
  if (!restoring) return cte_readout(image, traps, map, result, threads);
  const auto [iterations, read_noise, repair, threshold] = *restoring;
  cte_restore(image, traps, map, {iterations, read_noise, repair, threshold}, result, threads);
}

}  // namespace

void bind_cte_readout(py::module_& m) {
  m.def(
      "cte_readout",
      [](const py::array& data, const Numbers& level, const Numbers& capture, const Numbers& release,
         const Numbers& remaining, int substeps, const std::optional<py::array>& nodes, double date,
         std::int64_t rows, std::int64_t first,
         const std::optional<std::tuple<int, double, bool, double>>& restoring, py::array& out, int threads) {
        const Image image = image_of(data);
        const TrapTable traps = table_of(level, capture, release, remaining, substeps);
        const TrapMap map = map_of(nodes, date, rows, first, image);
        if (py::isinstance<py::array_t<float>>(out))
          run<float>(image, traps, map, restoring, out, threads);
        else
          run<double>(image, traps, map, restoring, out, threads);
      },
      py::arg("data"), py::arg("level"), py::arg("capture"), py::arg("release"), py::arg("remaining"),
      py::arg("substeps"), py::arg("nodes"), py::arg("date"), py::arg("rows"), py::arg("first"), py::arg("restoring"),
      py::arg("out"), py::arg("threads"));

  m.def(
      "smooth_noise",
      [](const py::array& data, double read_noise, py::array& out, int threads) {
        const Image image = image_of(data);
        const auto result = output_of<float>(out, image.rows, image.cols);
        const Running running;
        return smooth_noise(image, read_noise, result, threads);
      },
      py::arg("data"), py::arg("read_noise"), py::arg("out"), py::arg("threads"));
}

}  // namespace fleck::bindings
