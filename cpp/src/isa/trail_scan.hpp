// The loops of trail_scan that are compiled for every instruction set. T is float or double.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

constexpr std::int64_t seed_block = 64;  // pixels that are judged together

#define FLECK_DECLARE_TRAIL_SCAN                                                                                 \
  /* out[i] = sign * values[i]; NaN where that is not finite. */                                                 \
  template <class T>                                                                                             \
  void settle_row(const T* values, std::int64_t n, T sign, T* out) noexcept;                                     \
  /* Lists the i < n, n a multiple of seed_block, for which values[i] is a number and at most `most` of          \
     values[i - last ... i - first] and values[i + first ... i + last] exceed values[i] - height. */             \
  template <class T>                                                                                             \
  std::int64_t list_prominent(const T* values, std::int64_t n, std::int64_t first, std::int64_t last, T most,    \
                              T height, std::int64_t* list) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_TRAIL_SCAN)
#undef FLECK_DECLARE_TRAIL_SCAN

}  // namespace fleck
