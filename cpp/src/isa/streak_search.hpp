// The loops of streak_search that are compiled for every instruction set.
#pragma once

#include <cstdint>

#include "isa.hpp"
#include "isa/shadow_search.hpp"

namespace fleck {

// Where the sums are that make up one zone of a part, how many pixels they are of, one over that, and how many must count.
struct StreakZone {
  const std::int32_t* offsets;
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
    // two[i] = value[i] + value[i + step] for i in [0, n - step), three[i] = two[i] + value[i + 2 step] for i in
    // [0, n - 2 step).
    void sum_neighbours(const float* value, std::int64_t n, std::int64_t step, float* __restrict two,
                        float* __restrict three) noexcept;
    // Where a value is NaN: known[i] is 0 and count[i] too, else the value and 1.
    void known_values(const float* value, std::int64_t n, float* __restrict known, float* __restrict count) noexcept;
    // The excess of one part over either side, as if all pixels counted; infinite where it has not pixels enough.
    // Whether any other is not finite, as it is where a pixel does not count.
    bool part_excess(const float* sums, const StreakPart& part, float* __restrict over_left,
                     float* __restrict over_right) noexcept;
    // The same of what counts, by its sums and numbers; infinite where that is not enough, or not finite.
    void known_part_excess(const float* sums, const float* counts, const StreakPart& part, float* __restrict over_left,
                           float* __restrict over_right) noexcept;
    // The score from over_left[k * shadow_block + x] and over_right. Where not all 12 are finite, those n that are
    // count, and shares[n] lowers it; NaN there says that n are too few.
    void score_of_parts(const float* over_left, const float* over_right, const float* shares,
                        float* __restrict score) noexcept;)

}  // namespace fleck
