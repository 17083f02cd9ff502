#include <pybind11/stl.h>

#include <cmath>

#include "arrays.hpp"
#include "fleck/streak_search.hpp"
#include "running.hpp"

namespace fleck::bindings {

void bind_streak_search(py::module_& m) {
  m.def(
      "streak_search",
      [](const py::array& data, double length, double angle, const std::optional<py::array>& mask, int threads) {
        require(length >= 8 && length <= 1000, "length must be from 8 to 1000");
        require(std::isfinite(angle), "angle must be finite");
        const Image image = image_of(data);
        const Mask view = mask_of(mask, image);
        py::array out = py::array_t<float>({image.rows, image.cols});
        const auto result = output_of<float>(out, image.rows, image.cols);
        {
          const Running running;
          streak_search(image, view, length, angle, result, threads);
        }
        return out;
      },
      py::arg("data"), py::arg("length"), py::arg("angle"), py::arg("mask"), py::arg("threads"));
}

}  // namespace fleck::bindings
