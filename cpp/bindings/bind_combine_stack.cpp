#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "fleck/combine_stack.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

using Planes = std::vector<std::optional<py::array>>;
using Files = std::vector<std::optional<std::pair<int, py::array_t<std::uint8_t>>>>;  // descriptor, and all its bytes

// Arrays are kept alive by the caller's list.
struct Stack {
  std::vector<StackFrame> frames;

  Stack(const std::vector<py::array>& data, const Planes& error, const Planes& quality, const py::array_t<float>& numbers,
        const Files& files) {
    require(!data.empty() && error.size() == data.size() && quality.size() == data.size() &&
                files.size() == data.size() && numbers.ndim() == 2 &&
                numbers.shape(0) == static_cast<py::ssize_t>(data.size()) && numbers.shape(1) == 4,
            "every frame needs data, error, quality and four numbers");
    const auto number = numbers.unchecked<2>();
    for (std::size_t i = 0; i < data.size(); ++i) {
      const auto n = static_cast<py::ssize_t>(i);
      frames.push_back({image_of(data[i]), plane(error[i]), plane(quality[i]), number(n, 0), number(n, 1),
                        number(n, 2), number(n, 3), mapped(files[i])});
      const StackFrame& frame = frames.back();
      check(frame.data), check(frame.error), check(frame.quality);
      const bool bits = !frame.quality.data || (frame.quality.dtype != DType::f16 && frame.quality.dtype != DType::f32 &&
                                                frame.quality.dtype != DType::f64 && frame.quality.dtype != DType::i64 &&
                                                frame.quality.dtype != DType::u64);
      require(bits, "quality must be integers of up to 32 bits");
    }
  }

 private:
  static Image plane(const std::optional<py::array>& array) { return array ? image_of(*array) : Image{}; }
  static MappedFile mapped(const Files::value_type& file) {
    if (!file) return {};
    const auto* begin = reinterpret_cast<const std::byte*>(file->second.data());
    return {file->first, begin, begin + file->second.size()};
  }
  void check(const Image& image) const {
    const Image& first = frames[0].data;
    require(!image.data || (image.rows == first.rows && image.cols == first.cols), "frames differ in shape");
  }
};

struct Results {
  StackResult view;

  Results(const Stack& stack, py::array& data, py::array& error, py::array& quality, py::array& used) {
    const std::int64_t rows = stack.frames[0].data.rows, cols = stack.frames[0].data.cols;
    view = {output_of<float>(data, rows, cols), output_of<float>(error, rows, cols),
            output_of<std::int32_t>(quality, rows, cols), output_of<std::int32_t>(used, rows, cols)};
    for (const std::int64_t stride : {view.data.col_stride, view.error.col_stride, view.quality.col_stride,
                                      view.used.col_stride})
      require(stride == 1, "columns of the results must be contiguous");
  }
};

// With the interpreter's lock, and after a look for signals.
auto told(std::optional<py::function> after) {
  return [after = std::move(after)](auto... what) {
    const py::gil_scoped_acquire lock;
    if (PyErr_CheckSignals()) throw py::error_already_set();
    if (after) (*after)(what...);
  };
}

}  // namespace

void bind_combine_stack(py::module_& m) {
  m.def("combine_stack", [](const std::vector<py::array>& data, const Planes& error, const Planes& quality,
                            const py::array_t<float>& numbers, const Files& files, const std::string& method, std::int32_t bits, double low,
                            double high, int rounds, py::array out, py::array out_error, py::array out_quality,
                            py::array used, int threads, const std::optional<py::function>& after) {
    const Stack stack(data, error, quality, numbers, files);
    const Results results(stack, out, out_error, out_quality, used);
    require(method == "mean" || method == "median" || method == "clipped_mean", "unknown method");
    const StackMethod how = method == "mean"     ? StackMethod::mean
                            : method == "median" ? StackMethod::median
                                                 : StackMethod::clipped_mean;
    const auto tell = told(after);
    const Running running;
    combine_stack(stack.frames, how, bits, {low, high, rounds}, results.view, threads, tell);
  });
  m.def("reject_cosmic_rays",
        [](const std::vector<py::array>& data, const Planes& error, const Planes& quality,
           const py::array_t<float>& numbers, const Files& files, const std::vector<float>& sigmas, float radius, float spill,
           float scale_noise, bool median, std::int32_t bits, bool exempt, bool accidents, std::int32_t rejected_bit,
           py::array out, py::array out_error, py::array out_quality, py::array used,
           std::optional<py::array> rejected, int threads, const std::optional<py::function>& after) {
          const Stack stack(data, error, quality, numbers, files);
          const Results results(stack, out, out_error, out_quality, used);
          require(!sigmas.empty() && radius >= 0 && radius <= 100, "sigmas or radius is out of range");
          std::uint8_t* marks = nullptr;
          if (rejected) {
            require(py::isinstance<py::array_t<std::uint8_t, py::array::c_style>>(*rejected) &&
                        rejected->size() == static_cast<py::ssize_t>(data.size()) * out.size(),
                    "rejected must be uint8 and contiguous, one for each pixel of each frame");
            marks = static_cast<std::uint8_t*>(rejected->mutable_data());
          }
          const CosmicRays rules{sigmas, radius, spill, scale_noise, median, bits, exempt, accidents, rejected_bit};
          const auto tell = told(after);
          const Running running;
          return reject_cosmic_rays(stack.frames, rules, results.view, marks, threads, tell);
        });
  m.def("sky_modes", [](const std::vector<py::array>& data, const Planes& error, const Planes& quality,
                        const py::array_t<float>& numbers, const Files& files, std::int32_t bits, int threads) {
    const Stack stack(data, error, quality, numbers, files);
    const auto tell = told(std::nullopt);
    const Running running;
    return sky_modes(stack.frames, bits, threads, tell);
  });
  py::register_local_exception_translator([](std::exception_ptr raised) {
    try {
      if (raised) std::rethrow_exception(raised);
    } catch (const UnreadableFile& failure) {  // as the functions of `os` do with a descriptor
      errno = failure.code().value();
      PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, py::int_(failure.descriptor).ptr());
    }
  });
}

}  // namespace fleck::bindings
