// Medians of 3 x 3 along the rows: what neighbouring windows share is sorted once.
//
// T is a type of keys (median_keys.hpp), or of floating-point pixels that minimum and maximum order completely too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace fleck {

// Elements beyond the last of a row that vectors may read.
inline constexpr std::int64_t nine_slack = 64;

// Where n is a multiple of this, no vector writes beyond the last median.
template <class T>
inline constexpr std::int64_t nine_step = 64 / sizeof(T);

// Memory that will be wanted next, and is called for meanwhile: `bytes` of it for every median.
struct Ahead {
  const std::byte* from;
  std::ptrdiff_t bytes;
};

#define FLECK_DECLARE_MEDIAN_NINE                                                                                  \
  /* Two rows of n medians, whose windows begin in the first and the second of four rows of n + 2 pixels. False    \
     where one of those, or of the nine_slack pixels behind them, is NaN or -0.0; the medians may be wrong then. */ \
  template <class T>                                                                                               \
  bool medians_of_nine(const T* const* rows, std::int64_t n, T* const* out, const Ahead (&ahead)[4]);
FLECK_FOR_EACH_ISA(FLECK_DECLARE_MEDIAN_NINE)
#undef FLECK_DECLARE_MEDIAN_NINE

}  // namespace fleck
