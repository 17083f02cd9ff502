// Reading pixels that lie side by side, compiled for every instruction set: n of type E, in the other byte order or
// not, become T (float or double), or bits; and T become NaN where the mask says so.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace fleck {
#define FLECK_DECLARE_LOAD_ROW                                                                              \
  template <class E, bool Swapped, class T>                                                                 \
  void load_neighbours(const std::byte* pixels, std::int64_t n, T* __restrict out) noexcept;                \
  template <class E, bool Swapped>                                                                          \
  void bits_of_neighbours(const std::byte* pixels, std::int64_t n, std::int32_t* __restrict out) noexcept;  \
  template <class T>                                                                                        \
  void mask_neighbours(const std::uint8_t* __restrict mask, std::int64_t n, T* __restrict out) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_LOAD_ROW)
#undef FLECK_DECLARE_LOAD_ROW
}  // namespace fleck
