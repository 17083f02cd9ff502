// The loops of peak_search that are compiled for every instruction set.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

#define FLECK_DECLARE_PEAK_SEARCH                                                                                 \
  /* NaN becomes infinite; at least `least`. */                                                                   \
  void usable_noise(float least, std::int64_t n, float* noise) noexcept;                                          \
  /* The greater of the noise and error / white; an error of NaN is none. */                                      \
  void at_least_error(const float* error, float white, std::int64_t n, float* noise) noexcept;                    \
  /* The root of the sum of squares. */                                                                           \
  void add_doubt(const float* doubt, std::int64_t n, float* noise) noexcept;                                      \
  /* values / noise in place of the noise, 0 where that is infinite */                                            \
  void significance_row(const float* values, std::int64_t n, float* noise) noexcept;                              \
  /* Which of n values are at least `low`; whole vectors are read. Gives how many. */                             \
  std::int64_t list_reaching(const float* values, float low, std::int64_t n, std::int64_t* __restrict list) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_PEAK_SEARCH)
#undef FLECK_DECLARE_PEAK_SEARCH

}  // namespace fleck
