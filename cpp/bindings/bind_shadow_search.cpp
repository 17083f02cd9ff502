#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/shadow_search.hpp"

namespace fleck::bindings {

void bind_shadow_search(py::module_& m) {
  m.def(
      "shadow_search",
      [](const py::array& data, double radius, bool edge, std::int64_t margin,
         const std::optional<py::array>& mask, int threads) {
        require(radius >= 2 && radius <= 1000, "radius must be from 2 to 1000");
        require(margin >= 0 && margin <= 2000, "margin must be from 0 to 2000");
        const Image image = image_of(data);
        const Mask view = mask_of(mask, image);
        const std::int64_t rows = image.rows + 2 * margin, cols = image.cols + 2 * margin;
        py::array out = py::array_t<float>({rows, cols});
        const auto result = output_of<float>(out, rows, cols);
        {
          const py::gil_scoped_release release;
          shadow_search(image, view, radius, edge ? ShadowPart::edge : ShadowPart::whole, margin, result, threads);
        }
        return out;
      },
      py::arg("data"), py::arg("radius"), py::arg("edge"), py::arg("margin"), py::arg("mask"), py::arg("threads"));
}

}  // namespace fleck::bindings
