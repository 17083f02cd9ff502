// Rows of an image, and which of their pixels count.
#pragma once

#include "fleck/image.hpp"
#include "isa/counting.hpp"

namespace fleck {

// As load_row; count[x] is 1, or 0 where a pixel is not finite or masked, and value[x] 0 there.
inline void load_counting(const Image& image, const Mask& mask, std::int64_t row, std::int64_t col0, std::int64_t n,
                          float* value, float* count) {
  load_row(image, row, col0, n, value);
  FLECK_PICK(count_finite)(value, count, n);
  if (mask) FLECK_PICK(leave_out)(&mask(row, col0), mask.col_stride, value, count, n);
}

}  // namespace fleck
