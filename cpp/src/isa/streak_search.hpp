// The loops of streak_search that are compiled for every instruction set.
#pragma once

#include <cstdint>

#include "isa.hpp"
#include "isa/shadow_search.hpp"

namespace fleck {

// The runs of neighbouring pixels that make up one zone of a part: where their sums stand, where they begin and how long
// they are; how many pixels there are, one over that, and how many must count.
struct StreakZone {
  const std::int32_t *sums, *starts, *lengths;
  std::int64_t n;
  float pixels, share, enough;
};

// A line, what is left and what is right of it.
struct StreakPart {
  StreakZone zones[3];
};

FLECK_FOR_EACH_ISA(
    // NaN where it is not finite. `to` may be `from`.
    void copy_finite(const float* from, std::int64_t n, float* to) noexcept;
    // NaN where mask[i * step] is true.
    void leave_out(const std::uint8_t* __restrict mask, std::int64_t step, std::int64_t n, float* __restrict to) noexcept;
    // two[i] = value[i] + value[i + step] for i in [0, n - step), three[i] = two[i] + value[i + 2 step] for i in
    // [0, n - 2 step).
    void sum_neighbours(const float* value, std::int64_t n, std::int64_t step, float* __restrict two,
                        float* __restrict three) noexcept;
    // The excess of one part over either side, as if all pixels counted; infinite where it has not pixels enough.
    // One bit for each vector of places in which any other is not finite, as where a pixel does not count.
    unsigned part_excess(const float* sums, const StreakPart& part, float* __restrict over_left,
                         float* __restrict over_right) noexcept;
    // The same, in the wanted vectors, of what counts, by the values; `step` leads to the next of a run. Infinite where
    // that is not enough, or not finite.
    void known_part_excess(const float* values, std::int64_t step, const StreakPart& part, unsigned wanted,
                           float* __restrict over_left, float* __restrict over_right) noexcept;
    // The score from over_left[k * shadow_block + x] and over_right. Where not all 12 are finite, those n that are
    // count, and shares[n] lowers it; NaN there says that n are too few.
    void score_of_parts(const float* over_left, const float* over_right, const float* shares,
                        float* __restrict score) noexcept;)

}  // namespace fleck
