#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

inline constexpr std::int64_t packets = 64;  // of a column, which are looked at together

struct Traps {
  const double *level, *capture, *release, *remaining;
  std::int64_t levels, length, release_stride, remaining_stride;
};

// One column and the scale of the traps at each of its `rows`. Both have whole `packets`, filled up with minus infinity
// and with anything. `kept` is what a row leaves of the charge trapped before it, or null where the scale never falls.
// `tops` has room for one number per `packets`.
struct Column {
  double* charge;
  const double *scale, *kept;
  double* tops;
  std::int64_t rows;
};

FLECK_FOR_EACH_ISA(void read_out(const Traps& traps, const Column& column) noexcept;)

}  // namespace fleck
