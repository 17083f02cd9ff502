#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "fleck/tuning.hpp"
#include "running.hpp"

namespace fleck::bindings {
namespace {

namespace py = pybind11;

Isa isa_called(const std::string& name) {
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (isa_name(isa) == name) return isa;
  throw py::value_error("isa = " + name + ", which is unknown");
}

// Every choice by its name; no "isa" when the processor decides.
py::dict choices_of(const Tuning& tuning) {
  py::dict choices;
  if (tuning.isa) choices["isa"] = isa_name(*tuning.isa);
  for (const TuningField& field : tuning_fields()) choices[field.name] = tuning.*field.value;
  return choices;
}

int whole_number(const std::string& name, const py::handle& value) {
  if (!py::isinstance<py::int_>(value) || py::isinstance<py::bool_>(value))
    throw py::value_error(name + " = " + std::string(py::repr(value)) + ", wanted a whole number");
  try {
    return value.cast<int>();
  } catch (const py::cast_error&) {
    throw py::value_error(name + " = " + std::string(py::repr(value)) + " is too large");
  }
}

Tuning tuning_of(const py::dict& choices) {
  Tuning tuning;
  for (const auto& [key, value] : choices) {
    const std::string name = py::str(key);
    if (name == "isa") {
      tuning.isa = isa_called(py::str(value));
      continue;
    }
    const auto fields = tuning_fields();
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return name == f.name; });
    if (field == fields.end()) throw py::value_error(name + " is no choice of this version");
    tuning.*field->value = whole_number(name, value);
  }
  return tuning;
}

}  // namespace

void bind_tuning(py::module_& m) {
  m.def("tuning", [] { return choices_of(tuning()); });
  // What is not named gets its default. RuntimeError while a kernel runs in another thread.
  m.def("set_tuning", [](const py::dict& choices) {
    const Tuning wanted = tuning_of(choices);
    const std::unique_lock alone(tuning_lock(), std::try_to_lock);
    if (!alone) throw std::runtime_error("a kernel is running in another thread");
    set_tuning(wanted);
  });
}

}  // namespace fleck::bindings
