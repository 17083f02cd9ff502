// The loops of trail_scan that are compiled for every instruction set. T is float or double.
#pragma once

#include <cstdint>
#include <limits>

#include "isa.hpp"

namespace fleck {

constexpr std::int64_t seed_block = 64;  // pixels are judged by as many
constexpr std::int64_t together = 16;    // pixels whose backgrounds are sorted together

// Stands for a pixel that does not count: it exceeds nothing.
template <class T>
constexpr T absent = -std::numeric_limits<T>::infinity();

// The neighbours of *v: v[-k * distance] and v[k * distance] for first <= k <= last, of which there is one at least.
struct Neighbours {
  std::int64_t first, last, distance;
};

// Of `together` pixels: how many neighbours count, and the sum of their squared noise.
struct Background {
  double count[together], squares[together];
};

#define FLECK_DECLARE_TRAIL_SCAN                                                                                 \
  /* out[i] = sign * values[i], absent where that is not finite. out may be values. */                           \
  template <class T>                                                                                             \
  void settle_row(const T* values, std::int64_t n, T sign, T* out) noexcept;                                     \
  /* Lists the i < n, n a multiple of seed_block, for which values[i] is present and at most half of its present \
     neighbours exceed values[i] - height. */                                                                    \
  template <class T>                                                                                             \
  std::int64_t list_prominent(const T* values, std::int64_t n, Neighbours neighbours, T height,                  \
                              std::int64_t* list) noexcept;                                                      \
  /* Adds n neighbours of each pixel: the i-th of pixel k is number i * together + k. It goes to out, infinity   \
     where it does not count: where the value or sigma is not finite. */                                         \
  void add_background(const double* values, const double* sigmas, std::int64_t n, double* out,                   \
                      Background& sums) noexcept;                                                                \
  /* Sorts the n neighbours of each pixel. */                                                                    \
  void sort_background(double* values, std::int64_t n) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_TRAIL_SCAN)
#undef FLECK_DECLARE_TRAIL_SCAN

}  // namespace fleck
