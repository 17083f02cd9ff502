#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/gaussian_filter.hpp"
#include "running.hpp"

namespace fleck::bindings {

void bind_gaussian_filter(py::module_& m) {
  m.def(
      "gaussian_filter",
      [](const py::array& data, double sigma, const std::optional<py::array>& mask, int threads) {
        require(sigma > 0, "sigma must be positive");
        const Image image = image_of(data);
        const Mask view = mask_of(mask, image);
        py::array out = py::array_t<float>({image.rows, image.cols});
        const auto result = output_of<float>(out, image.rows, image.cols);
        {
          const Running running;
          gaussian_filter(image, view, sigma, result, threads);
        }
        return out;
      },
      py::arg("data"), py::arg("sigma"), py::arg("mask"), py::arg("threads"));
}

}  // namespace fleck::bindings
