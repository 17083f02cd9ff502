#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/photon_noise.hpp"
#include "running.hpp"

namespace fleck::bindings {

void bind_photon_noise(py::module_& m) {
  m.attr("most_electrons") = most_electrons;
  m.def("photon_noise",
        [](const py::array& expected, double read_noise, const std::vector<std::uint64_t>& seed, int threads) {
          const Image image = image_of(expected);
          require(read_noise >= 0, "read_noise must be 0 or more");
          py::array out = py::array_t<float>({image.rows, image.cols});
          const auto result = output_of<float>(out, image.rows, image.cols);
          {
            const Running running;
            photon_noise(image, read_noise, seed, result, threads);
          }
          return out;
        });
}

}  // namespace fleck::bindings
