#include <pybind11/stl.h>

#include <array>

#include "arrays.hpp"
#include "fleck/shadow_search.hpp"
#include "running.hpp"

namespace fleck::bindings {

void bind_shadow_search(py::module_& m) {
  m.def(
      "shadow_search",
      [](const py::array& data, double radius, bool edge, const std::array<std::int64_t, 3>& rows,
         const std::array<std::int64_t, 2>& cols, const std::optional<py::array>& mask, int threads) {
        require(radius >= 2 && radius <= 1000, "radius must be from 2 to 1000");
        const auto [row, end, step] = rows;
        const auto [col, right] = cols;
        require(row <= end && step >= 1 && col <= right, "places must be in order");
        const Image image = image_of(data);
        const Mask view = mask_of(mask, image);
        const std::int64_t height = (end - row + step - 1) / step, width = right - col;
        py::array out = py::array_t<float>({height, width});
        const auto result = output_of<float>(out, height, width);
        const ShadowPlaces places{row, col, step};
        {
          const Running running;
          shadow_search(image, view, radius, edge ? ShadowPart::edge : ShadowPart::whole, places, result, threads);
        }
        return out;
      },
      py::arg("data"), py::arg("radius"), py::arg("edge"), py::arg("rows"), py::arg("cols"), py::arg("mask"),
      py::arg("threads"));
}

}  // namespace fleck::bindings
