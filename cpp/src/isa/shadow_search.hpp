// The loops of shadow_search that are compiled for every instruction set.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

constexpr std::int64_t shadow_block = 64;  // neighbouring places that are scored together

FLECK_FOR_EACH_ISA(
    // sum[x] = the sum over k of origin[offsets[k] + x], for x in [0, shadow_block).
    void sum_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum) noexcept;
    // Sorts, for every x, the 12 values rows[i * shadow_block + x] over i.
    void sort_sectors(float* rows) noexcept;)

}  // namespace fleck
