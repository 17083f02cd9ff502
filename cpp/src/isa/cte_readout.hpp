#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

inline constexpr std::int64_t most_packets = 64;  // of a column that any instruction set looks at together

// The profiles have a zero behind their `length`.
struct Traps {
  const double *level, *capture, *release, *remaining;
  std::int64_t levels, length, release_stride, remaining_stride;
};

// What a level has trapped: the last packet that reached it, and what it took of that.
struct Held {
  std::int64_t row;
  double charge;
};

// One column and the scale of the traps at each of its `rows`, in room for whole `most_packets`; charge is filled up
// with minus infinity. `kept` is what a row leaves of the charge trapped before it, or null where the scale never
// falls. `held` is scratch for all levels.
struct Column {
  double* charge;
  const double *scale, *kept;
  Held* held;
  std::int64_t rows;
};

FLECK_FOR_EACH_ISA(void read_out(const Traps& traps, const Column& column) noexcept;)

}  // namespace fleck
