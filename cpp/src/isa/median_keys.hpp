// Pixels as the median networks compare them: keys that minimum and maximum order completely.
//
// Up to 16 bits a key is a 16-bit integer; pixels of 32 and 64 bits become floating-point numbers of their size, for
// which every instruction set has a minimum and a maximum. Their bits are changed so that no key is NaN, -0.0 or, for
// integers, subnormal:
//   floats    negative numbers move down by one, which makes -0.0 the largest number below +0.0; NaN and -infinity
//             have no key
//   integers  the magnitude plus the smallest normal number; integers too large for that have no key
// A pixel that is left out, because it is masked or NaN, stands as the lowest key or as the highest.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "element.hpp"
#include "isa.hpp"

namespace fleck {

template <class E>
using network_key = std::conditional_t<
    std::is_same_v<E, Half>, float,
    std::conditional_t<sizeof(E) <= 2, std::int16_t, std::conditional_t<sizeof(E) == 4, float, double>>>;

// Which of up to 64 pixels have no key, one bit each.
struct KeylessPixels {
  std::uint64_t nan = 0, other = 0;
};

#define FLECK_DECLARE_MEDIAN_KEYS                                                                              \
  /* Keys of n pixels that stand `stride` bytes apart; false when one of them has none, and any key. */        \
  template <class E, bool Swapped>                                                                             \
  bool read_keys(const std::byte* pixels, std::ptrdiff_t stride, std::int64_t n, network_key<E>* keys);        \
  /* What read_keys() says of some pixel, for each of n <= 64. */                                              \
  template <class E, bool Swapped>                                                                             \
  KeylessPixels find_keyless(const std::byte* pixels, std::ptrdiff_t stride, std::int64_t n);                  \
  /* One bit for each of n <= 64 bytes that is not 0. */                                                       \
  std::uint64_t mask_bits(const std::uint8_t* mask, std::ptrdiff_t stride, std::int64_t n);                    \
  /* Puts the lowest key and the sign 1 where a bit of `low` is set, the highest and -1 where one of `high`     \
     is, else the sign 0; n is at most 64. */                                                                  \
  template <class Key>                                                                                         \
  void put_extremes(std::uint64_t low, std::uint64_t high, std::int64_t n, Key* keys, Key* signs);             \
  /* The pixels again, `stride` elements apart. */                                                             \
  template <class E, class Out>                                                                                \
  void write_values(const network_key<E>* keys, std::int64_t n, Out* out, std::ptrdiff_t stride);              \
  /* The mean of two pixels where shift is odd, NaN where it is no_pixel. */                                   \
  template <class E, class Out>                                                                                \
  void write_means(const network_key<E>* lower, const network_key<E>* upper, const network_key<E>* shift,      \
                   std::int64_t n, Out* out, std::ptrdiff_t stride);
FLECK_FOR_EACH_ISA(FLECK_DECLARE_MEDIAN_KEYS)
#undef FLECK_DECLARE_MEDIAN_KEYS

}  // namespace fleck
