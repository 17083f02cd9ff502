#pragma once

#include <cstdint>

#include "isa.hpp"

// out[x] = sum over k in [0, taps) of weights[k] * in[k * step + x], added in the order of k. `step` is the row
// length for the pass along columns, and 1 for the pass along rows. `out` may be `in` when step is at least n.
namespace fleck {
FLECK_FOR_EACH_ISA(void convolve_row(const float* in, std::int64_t step, const float* weights, int taps,
                                     std::int64_t n, float* out) noexcept;
                   // Sums over their weights, in place; NaN where the weight is below `least`.
                   void divide_row(float* __restrict sum, const float* __restrict weight, float least,
                                   std::int64_t n) noexcept;)
}  // namespace fleck
