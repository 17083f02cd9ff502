#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

// Three rows of an image around the one in the middle; null where there is none.
struct Rows {
  const float *before, *here, *behind;
};

// What is left of the middle row's noise: the sum of squares and the number of pixels that count.
struct Rest {
  double squares, count;
};

// `sums` is scratch for `cols` numbers.
FLECK_FOR_EACH_ISA(void smooth_row(const Rows& observed, const Rows& present, double read_noise, std::int64_t cols,
                                   double* sums, float* out, Rest& rest) noexcept;)

}  // namespace fleck
