// The loops of combine_stack that are compiled for every instruction set. Rows of `cols` pixels; in a stack, the row of
// frame f begins f * step further on.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

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

constexpr std::int64_t stack_block = 64;  // pixels that are sorted together; rows are filled up to a multiple

constexpr std::int64_t whole_blocks(std::int64_t cols) { return (cols + stack_block - 1) / stack_block * stack_block; }

struct RowClipping {
  double low, high;
  int rounds;  // 0: none
  bool median;
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
    // bin[i] of the values whose quality is 0; `bins` for the others, for NaN and beyond the histogram. Of whole
    // vectors.
    void sky_bins(const float* value, const std::int32_t* quality, std::int64_t cols, float first, float width,
                  std::int32_t bins, std::int32_t* bin) noexcept;)

}  // namespace fleck
