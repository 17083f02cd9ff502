// The loops of combine_stack that are compiled for every instruction set. Rows of `cols` pixels; in a stack, the row of
// frame f begins f * step further on.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

// Marks of a pixel in one frame and iteration.
constexpr std::int32_t other_bits = 1;  // its quality has bits besides these
constexpr std::int32_t spill = 2, excluded = 4, hit = 8, blank = 16;
constexpr std::int32_t near = 32;   // x is so far from the guess that a cosmic ray beside it takes it
constexpr std::int32_t wiped = 64;  // was marked from an earlier row, which hides its quality
constexpr std::int32_t far = 128;   // x is so far from the guess that it is a cosmic ray itself
constexpr std::int32_t mark_alone = 31;

constexpr std::int32_t blank_bit = INT32_MIN;  // in the quality, while a frame is in the stack

struct CombineRow {
  std::int64_t cols, frames, step;
  const float* value;     // x
  const float* variance;  // of d
  const std::int32_t* quality;
  const float* scale;        // of each frame
  float* sorted;             // scratch, frames * stack_block
  const std::int16_t* swap;  // pairs of the sorting network
  std::int64_t swaps;
};

struct CombinedRow {
  float* data;
  float* error;
  std::int32_t* quality;
  std::int32_t* used;
};

constexpr std::int64_t stack_block = 16;  // pixels that are sorted together

struct RowClipping {
  double low, high;
  int rounds;  // 0: none
  bool median;
};

struct HitTest {
  float sigma2, spill2, scale_noise, time;
  std::int32_t bits;
  bool accidents;
};

// Of the frames that a pixel is made of.
struct StackSums {
  float* exposure;
  float* variance;
};

FLECK_FOR_EACH_ISA(
    // value: d becomes x. variance: the error becomes its square, or without one (slope, floor) is made from d. Where
    // one of them is not finite both become 0 and quality gets the blank bit.
    void enter_row(float* value, float* variance, std::int32_t* quality, std::int64_t cols, float zero, float scale,
                   bool has_error, float slope, float floor) noexcept;
    void combine_row(const CombineRow& row, std::int32_t bits, const RowClipping& clipping,
                     const CombinedRow& out) noexcept;
    void guess_median(const CombineRow& row, std::int32_t bits, float* guess) noexcept;
    // `first_decides`: min(0, x) of the rest where the first frame's pixel is bad.
    void guess_least(const CombineRow& row, std::int32_t bits, bool first_decides, float* guess) noexcept;
    // What is known of a row before it is marked.
    void first_marks(const float* value, const float* variance, const std::int32_t* quality, const float* guess,
                     std::int64_t cols, const HitTest& test, std::uint8_t* marks) noexcept;
    // Columns with the mark `far`; gives how many.
    std::int64_t far_columns(const std::uint8_t* marks, std::int64_t cols, std::int32_t* columns) noexcept;
    // The average of the frames whose marks have none of `left_out`; the guess stays where there is none. A frame's
    // marks begin where its values do. Without room for them variances are not added up.
    void average_row(const CombineRow& row, const std::uint8_t* marks, std::uint8_t left_out, float* guess,
                     const StackSums& sums) noexcept;
    // From guess and sums; `total` is the sum of all times.
    void finish_row(const StackSums& sums, const float* guess, std::int64_t cols, float total, float sky, float* data,
                    float* error) noexcept;
    // kept |= quality of a frame, without what was wiped; all &= rejected. Gives how many are rejected.
    std::int64_t add_quality(const std::int32_t* quality, const std::uint8_t* marks, std::int64_t cols,
                             std::int32_t* kept, std::uint8_t* all) noexcept;
    // Excludes, as ACSREJ does when it comes to a row, and notes what was wiped.
    void exclude_row(const std::int32_t* quality, std::int64_t cols, std::int32_t bits, std::uint8_t* marks) noexcept;
    // bin[i] of the values whose quality is 0; `bins` for the others, for NaN and beyond the histogram.
    void sky_bins(const float* value, const std::int32_t* quality, std::int64_t cols, float first, float width,
                  std::int32_t bins, std::int32_t* __restrict bin) noexcept;)

}  // namespace fleck
