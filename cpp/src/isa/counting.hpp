#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {
FLECK_FOR_EACH_ISA(
    // count[x] = 1 where value[x] is finite, else both become 0.
    void count_finite(float* __restrict value, float* __restrict count, std::int64_t n) noexcept;
    // Both become 0 where mask[x * step] is not 0.
    void leave_out(const std::uint8_t* __restrict mask, std::int64_t step, float* __restrict value,
                   float* __restrict count, std::int64_t n) noexcept;)
}  // namespace fleck
