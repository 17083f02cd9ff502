// Choices of how the kernels go about their work. They change how long it takes, and never a byte of a result.
#pragma once

#include <optional>
#include <span>

#include "fleck/runtime.hpp"

namespace fleck {

struct Tuning {
  std::optional<Isa> isa;      // where FLECKCORE_ISA does not say; nothing: the widest that the processor has
  int threads = 4096;          // at the most, where neither the caller nor FLECKCORE_NUM_THREADS says
  int network_side_32 = 21;    // of the largest median window that takes a network: keys of 32 bits
  int network_side_64 = 21;    // of 64
  int network_trimmed = 1;     // 0: the full network at once, where there is a trimmed one
  int network_cols = 256;      // of outputs in one lane: the ring of rows should fit the L2 cache
  int band_rows_21 = 24;       // of outputs in a tile of the value bands, for windows of up to 21 rows
  int band_rows_63 = 48;       // of up to 63
  int band_rows_101 = 64;      // of up to 101
  int band_rows_any = 128;     // of more
  int gaussian_rows = 64;      // of outputs in one job of the Gaussian filter
};

// A whole number among the choices: from least to most, in steps.
struct TuningField {
  const char* name;
  int Tuning::* value;
  int least, most, step;
};
std::span<const TuningField> tuning_fields();

// What kernels use now; until set_tuning, the defaults.
const Tuning& tuning();

// For the whole process. No kernel may run meanwhile. Throws std::invalid_argument when a number is out of its range
// or the instruction set is not here.
void set_tuning(const Tuning& choices);

}  // namespace fleck
