// Pixels as the value bands compare them: unsigned integers in the order of the values.
//
// -0.0 comes just before +0.0. NaN and masked pixels carry the largest key, and a flag says that they do not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "element.hpp"
#include "isa.hpp"

namespace fleck {

template <class E>
using ordered_key = std::conditional_t<sizeof(E) == 8, std::uint64_t, std::uint32_t>;

template <class Key>
inline constexpr Key left_out = std::numeric_limits<Key>::max();

// A run of pixels and their mask, which may be null; strides in bytes.
struct PixelRun {
  const std::byte* pixels;
  std::ptrdiff_t stride;
  const std::uint8_t* mask;
  std::ptrdiff_t mask_stride;
};

#define FLECK_DECLARE_ORDERED_KEYS                                                                           \
  /* True when all n pixels count. */                                                                        \
  template <class E, bool Swapped>                                                                           \
  bool read_ordered(const PixelRun& run, std::int64_t n, ordered_key<E>* keys, std::uint8_t* present);       \
  /* n medians, `stride` elements apart, of windows of `count` pixels: the mean of lower and upper where it */ \
  /* is even, NaN where it is 0. */                                                                          \
  template <class E, class Out>                                                                              \
  void write_medians(const ordered_key<E>* lower, const ordered_key<E>* upper, const std::int32_t* count,    \
                     std::int64_t n, Out* out, std::ptrdiff_t stride);
FLECK_FOR_EACH_ISA(FLECK_DECLARE_ORDERED_KEYS)
#undef FLECK_DECLARE_ORDERED_KEYS

}  // namespace fleck
