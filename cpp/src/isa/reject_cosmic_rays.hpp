// The loops of reject_cosmic_rays that are compiled for every instruction set, over rows of `cols` pixels.
#pragma once

#include <cstdint>

#include "isa/combine_stack.hpp"

namespace fleck {

// Marks of a pixel in one frame and iteration. One of the first five bits alone decides what it is.
constexpr std::int32_t other_bits = 1;  // its quality has bits besides these
constexpr std::int32_t spill = 2, excluded = 4, hit = 8, blank = 16;
constexpr std::int32_t mark_alone = 31;
constexpr std::int32_t wiped = 64;  // was marked from an earlier row, which hides its quality

struct HitTest {
  float sigma2, spill2, scale_noise, time;
};

// Of the frames that a pixel is made of.
struct StackSums {
  float* exposure;
  float* variance;
  std::int32_t* used;
};

FLECK_FOR_EACH_ISA(
    // The marks of a row before cosmic rays are looked for.
    void resting_marks(const std::int32_t* quality, std::int64_t cols, std::int32_t bits, bool accidents,
                       std::uint8_t* marks) noexcept;
    // Columns that are so far from the guess that they are cosmic rays, from left to right; gives how many.
    std::int64_t far_columns(const float* value, const float* variance, const float* guess, std::int64_t cols,
                             const HitTest& test, std::int32_t* columns) noexcept;
    // The average of the frames whose marks have none of `left_out`; the guess stays where there is none. A frame's
    // marks begin where its values do. Without room for them no sums are kept.
    void average_row(const CombineRow& row, const std::uint8_t* marks, std::uint8_t left_out, float* guess,
                     const StackSums& sums) noexcept;
    // From guess and sums; `total` is the sum of all times.
    void finish_row(const float* exposure, const float* variance, const float* guess, std::int64_t cols, float total,
                    float sky, float* data, float* error) noexcept;
    // kept |= quality of a frame, without what was wiped; all &= rejected. Gives how many are rejected.
    std::int64_t add_quality(const std::int32_t* quality, const std::uint8_t* marks, std::int64_t cols,
                             std::int32_t* kept, std::uint8_t* all) noexcept;)

}  // namespace fleck
