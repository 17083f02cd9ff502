// A row of every frame of a stack, as numbers, and of what they become: so little that it stays near.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "aligned.hpp"
#include "file_rows.hpp"
#include "fleck/combine_stack.hpp"
#include "isa/combine_stack.hpp"
#include "isa.hpp"

namespace fleck {

// Batcher's odd-even merge sort of n numbers.
inline std::vector<std::int16_t> sorting_network(std::int64_t n) {
  std::vector<std::int16_t> swaps;
  for (std::int64_t p = 1; p < n; p *= 2)
    for (std::int64_t k = p; k >= 1; k /= 2)
      for (std::int64_t j = k % p; j + k < n; j += 2 * k)
        for (std::int64_t i = 0; i < std::min(k, n - j - k); ++i)
          if ((i + j) / (2 * p) == (i + j + k) / (2 * p)) {
            swaps.push_back(static_cast<std::int16_t>(i + j));
            swaps.push_back(static_cast<std::int16_t>(i + j + k));
          }
  return swaps;
}

// One row of every frame. What stands beyond the last column is blank.
class StackRow {
 public:
  const std::int64_t rows, cols, width, step;

  explicit StackRow(std::span<const StackFrame> frames)
      : rows(frames[0].data.rows),
        cols(frames[0].data.cols),
        width(whole_blocks(cols)),
        step(width + odd_line),
        frames_(frames),
        network_(sorting_network(frames.size())),
        value_(frames.size() * step),
        variance_(value_.size()),
        sorted_(frames.size() * stack_block),
        quality_(value_.size()) {
    for (const StackFrame& f : frames) {
      scale_.push_back(f.scale);
      sources_.push_back({{f.data, f.file}, {f.error, f.file}, {f.quality, f.file}});
    }
  }

  std::int64_t frames() const { return static_cast<std::int64_t>(frames_.size()); }
  const float* value(std::int64_t frame) const { return value_.data() + frame * step; }
  const float* variance(std::int64_t frame) const { return variance_.data() + frame * step; }
  const std::int32_t* quality(std::int64_t frame) const { return quality_.data() + frame * step; }

  void enter(std::int64_t row) {
    for (std::int64_t frame = 0; frame < frames(); ++frame) enter(frame, row);
  }

  CombineRow view() {
    return {width,      frames(),     step,           value(0),        variance(0),
            quality(0), scale_.data(), sorted_.data(), network_.data(), std::ssize(network_) / 2};
  }

 private:
  static constexpr std::int64_t odd_line = 16;  // else the same column of all frames would share a set of the cache

  void enter(std::int64_t frame, std::int64_t row) {
    const StackFrame& f = frames_[frame];
    auto& [data, error, bits] = sources_[frame];
    float* value = value_.data() + frame * step;
    float* variance = variance_.data() + frame * step;
    std::int32_t* quality = quality_.data() + frame * step;
    load_row(data.row(row), 0, 0, cols, value);
    if (f.error.data) load_row(error.row(row), 0, 0, cols, variance);
    if (f.quality.data)
      load_bits(bits.row(row), 0, 0, cols, quality);
    else
      std::fill_n(quality, cols, 0);
    std::fill(value + cols, value + width, std::numeric_limits<float>::quiet_NaN());
    std::fill(quality + cols, quality + width, 0);
    FLECK_PICK(enter_row)(value, variance, quality, width, f.zero, f.scale, f.error.data, f.slope, f.floor);
  }

  struct Sources {
    FileRows data, error, quality;
  };

  std::span<const StackFrame> frames_;
  std::vector<Sources> sources_;
  std::vector<std::int16_t> network_;
  std::vector<float> scale_;
  Aligned<float> value_, variance_, sorted_;
  Aligned<std::int32_t> quality_;
};

// A row of results, as wide as the loops write it, and the way to where it belongs.
struct RowOut {
  Aligned<float> data, error;
  Aligned<std::int32_t> quality, used;

  explicit RowOut(std::int64_t width) : data(width), error(width), quality(width), used(width) {}
  CombinedRow view() { return {data.data(), error.data(), quality.data(), used.data()}; }

  void write(const StackResult& result, std::int64_t row, std::int64_t cols) const {
    std::copy_n(data.data(), cols, result.data.row(row));
    std::copy_n(error.data(), cols, result.error.row(row));
    std::copy_n(quality.data(), cols, result.quality.row(row));
    if (result.used) std::copy_n(used.data(), cols, result.used.row(row));
  }
};

}  // namespace fleck
