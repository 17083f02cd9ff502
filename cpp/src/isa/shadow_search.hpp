// The loops of shadow_search that are compiled for every instruction set.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

constexpr std::int64_t shadow_block = 64;  // neighbouring places that are scored together

// Sums over one zone and how many pixels count, and how many must.
struct ShadowZone {
  const float* sum;
  const float* count;
  float enough;
};

FLECK_FOR_EACH_ISA(
    // sum[x] = the sum over k of origin[offsets[k] + x], for x in [0, shadow_block).
    void sum_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum) noexcept;
    void mean_of_zone(const ShadowZone& zone, float* __restrict mean) noexcept;
    // excess[x] of one sector; infinite where it does not count, or is not finite.
    void sector_excess(const ShadowZone& rim, const ShadowZone& beside, const ShadowZone& core, const float* mean_of_core,
                       float weight_of_core, float* __restrict excess) noexcept;
    // The score from excess[k * shadow_block + x]. Where not all 12 are finite, those n that are count, and shares[n]
    // lowers it; NaN there says that n are too few.
    void score_of_sectors(const float* excess, const float* shares, float* __restrict score) noexcept;)

}  // namespace fleck
