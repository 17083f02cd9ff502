// The loops of combine_stack that are compiled for every instruction set. Rows of `cols` pixels; in a stack, the row of
// frame f begins f * step further on.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

// Marks of a pixel in one frame and iteration.
enum Mark : std::uint8_t {
  other_bits = 1,  // its quality has bits besides these
  spill = 2,
  excluded = 4,
  hit = 8,
  blank = 16,
  wiped = 64,  // was marked from an earlier row, which hides its quality
};
constexpr std::uint8_t mark_alone = 63;

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
  float sigma2, scale_noise, time;
};

struct StackSums {
  float* total;
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
    // Columns whose x is too far from the guess; gives how many.
    std::int64_t far_columns(const float* value, const float* variance, const float* guess, std::int64_t cols,
                             const HitTest& test, std::int32_t* columns) noexcept;
    // Adds a frame where its marks have none of `left_out`.
    void add_frame(const float* value, const float* variance, const std::uint8_t* marks, std::int64_t cols, float time,
                   std::uint8_t left_out, const StackSums& sums) noexcept;
    void average(const StackSums& sums, std::int64_t cols, float* guess) noexcept;
    // From guess and sums; `total` is the sum of all times.
    void finish_row(const StackSums& sums, const float* guess, std::int64_t cols, float total, float sky, float* data,
                    float* error) noexcept;
    // kept |= quality of a frame, without what was wiped; all &= rejected. Gives how many are rejected.
    std::int64_t add_quality(const std::int32_t* quality, const std::uint8_t* marks, std::int64_t cols,
                             std::int32_t* kept, std::uint8_t* all) noexcept;
    void first_marks(const std::int32_t* quality, std::int64_t cols, std::int32_t bits, bool accidents,
                     std::uint8_t* marks) noexcept;
    // Excludes, as ACSREJ does when it comes to a row, and notes what was wiped.
    void exclude_row(const std::int32_t* quality, std::int64_t cols, std::int32_t bits, std::uint8_t* marks) noexcept;
    // bin[i] of the values whose quality is 0, -1 of the others and beyond the histogram.
    void sky_bins(const float* value, const std::int32_t* quality, std::int64_t cols, float first, float width,
                  std::int32_t bins, std::int32_t* bin) noexcept;)

}  // namespace fleck
