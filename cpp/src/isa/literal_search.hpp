// The loops of literal_search that are compiled for every instruction set. T is float or double.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

#define FLECK_DECLARE_LITERAL_SEARCH                                                                               \
  /* values / level; NaN where state (or null) is not 0, a value is not finite, or a level not above `least`. */   \
  template <class T>                                                                                               \
  void transmission_row(const T* values, const float* level, const std::uint8_t* state, float least,               \
                        std::int64_t n, float* __restrict out) noexcept;                                           \
  /* Adds to state what makes a transmission NaN. */                                                               \
  template <class T>                                                                                               \
  void flag_row(const T* values, const float* level, float least, std::int64_t n,                                  \
                std::uint8_t* __restrict state) noexcept;                                                          \
  /* factor * (1 - values) */                                                                                      \
  void loss_row(const float* values, float factor, std::int64_t n, float* __restrict out) noexcept;                \
  /* The greatest value of every `box` neighbours, -infinity if there is none; gives how many values are NaN. */    \
  std::int64_t greatest_of_boxes(const float* values, std::int64_t n, std::int64_t box,                            \
                                 float* __restrict greatest) noexcept;                                             \
  /* Marks as deviant where loss < -deviation * noise, noise being at least `least`; gives how many. */            \
  std::int64_t mark_deviant(const float* loss, const float* noise, float deviation, float least, std::int64_t n,   \
                            std::uint8_t* __restrict state) noexcept;                                              \
  /* Bit i of words says whether value i of n is above bound[i], and kept has those that are; gives how many. */   \
  std::int64_t keep_above(const float* values, const float* bound, std::int64_t n, std::uint64_t* __restrict words, \
                          float* __restrict kept) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_LITERAL_SEARCH)
#undef FLECK_DECLARE_LITERAL_SEARCH

}  // namespace fleck
