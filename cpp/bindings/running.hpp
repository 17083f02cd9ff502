// Kernels run without the interpreter's lock, and the tuning stays as it is while one does.
#pragma once

#include <pybind11/pybind11.h>

#include <mutex>
#include <shared_mutex>

namespace fleck::bindings {

inline std::shared_mutex& tuning_lock() {
  static std::shared_mutex lock;
  return lock;
}

// Lives while a kernel runs.
class Running {
  const pybind11::gil_scoped_release release_;
  const std::shared_lock<std::shared_mutex> lock_{tuning_lock()};  // given back first: nobody waits for both
};

}  // namespace fleck::bindings
