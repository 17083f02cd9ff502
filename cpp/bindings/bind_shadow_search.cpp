#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/shadow_search.hpp"

namespace fleck::bindings {

void bind_shadow_search(py::module_& m) {
  m.def(
      "shadow_search",
      [](const py::array& data, double radius, std::int64_t margin, const std::optional<py::array>& mask,
         int threads) {
        require(radius >= 2 && margin >= 0, "radius must be at least 2 and margin not negative");
        const Image image = image_of(data);
        const Mask view = mask_of(mask, image);
        const std::int64_t rows = image.rows + 2 * margin, cols = image.cols + 2 * margin;
        py::array out = py::array_t<float>({rows, cols});
        const auto result = output_of<float>(out, rows, cols);
        {
          const py::gil_scoped_release release;
          shadow_search(image, view, radius, margin, result, threads);
        }
        return out;
      },
      py::arg("data"), py::arg("radius"), py::arg("margin"), py::arg("mask"), py::arg("threads"));
}

}  // namespace fleck::bindings
