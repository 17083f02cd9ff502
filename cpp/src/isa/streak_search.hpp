// The loops of streak_search that are compiled for every instruction set; it shares others with shadow_search.
#pragma once

#include <cstdint>

#include "isa.hpp"
#include "isa/shadow_search.hpp"

namespace fleck {

// Sums over one zone, how many pixels count, one over that, and how many must.
struct StreakZone {
  const float* sum;
  const float* count;
  const float* share;
  float enough;
};

FLECK_FOR_EACH_ISA(
    // As sum_at, leaving out NaN; how many were added, and one over that.
    void sum_known_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum,
                      float* __restrict count, float* __restrict share) noexcept;
    // The excess of one part over either side, infinite where it does not count; parts[x] grows by 1 where it does.
    // Whether one is NaN.
    bool part_excess(const StreakZone& line, const StreakZone& left, const StreakZone& right,
                     float* __restrict over_left, float* __restrict over_right, float* __restrict parts) noexcept;
    // The mean of a and b, but no more than twice the lesser, and 0 where they differ in sign.
    void limited_mean(const float* a, const float* b, float* __restrict mean) noexcept;)

}  // namespace fleck
