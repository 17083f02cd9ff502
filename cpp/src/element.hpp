// Reading single elements of any type and byte order, and choosing code by type once per call.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "fleck/image.hpp"

// Inlined always: the copy of a function that several instruction sets share could be that of the widest.
#define FLECK_INLINE inline __attribute__((always_inline))

namespace fleck {

struct Half {  // IEEE binary16, stored only
  std::uint16_t bits;
};

FLECK_INLINE float to_float(Half h) {
  const std::uint32_t sign = std::uint32_t(h.bits & 0x8000u) << 16;
  const std::uint32_t rest = h.bits & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);  // Inf, NaN
  // Scaling by 2^112 moves the exponent bias, and makes subnormals right at the same time.
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest << 13) * 0x1p112f));
}

// A pixel as float or double.
template <class T, class E>
FLECK_INLINE T to_number(E value) {
  return static_cast<T>(value);
}
template <class T>
FLECK_INLINE T to_number(Half value) {
  return static_cast<T>(to_float(value));
}

// Quality bits, of which a narrow type has no sign.
template <class E>
FLECK_INLINE std::int32_t to_bits(E value) {
  return static_cast<std::int32_t>(static_cast<std::make_unsigned_t<E>>(value));
}

FLECK_INLINE std::uint8_t swap_bytes(std::uint8_t v) { return v; }
FLECK_INLINE std::uint16_t swap_bytes(std::uint16_t v) { return __builtin_bswap16(v); }
FLECK_INLINE std::uint32_t swap_bytes(std::uint32_t v) { return __builtin_bswap32(v); }
FLECK_INLINE std::uint64_t swap_bytes(std::uint64_t v) { return __builtin_bswap64(v); }

template <std::size_t Size>
struct unsigned_of;
template <>
struct unsigned_of<1> {
  using type = std::uint8_t;
};
template <>
struct unsigned_of<2> {
  using type = std::uint16_t;
};
template <>
struct unsigned_of<4> {
  using type = std::uint32_t;
};
template <>
struct unsigned_of<8> {
  using type = std::uint64_t;
};

// One element of type T at any address, aligned or not.
template <class T, bool Swapped>
FLECK_INLINE T read_element(const std::byte* p) {
  typename unsigned_of<sizeof(T)>::type bits;
  std::memcpy(&bits, p, sizeof bits);
  if constexpr (Swapped) bits = swap_bytes(bits);
  return std::bit_cast<T>(bits);
}

// Calls f.template operator()<T, Swapped>() for the image's type; f returns the same type for every branch.
template <class F>
decltype(auto) visit_type(DType dtype, bool swapped, F&& f) {
#define FLECK_CASE(name, T) \
  case DType::name:         \
    return swapped ? f.template operator()<T, true>() : f.template operator()<T, false>();
  switch (dtype) {
    FLECK_CASE(u16, std::uint16_t)
    FLECK_CASE(i16, std::int16_t)
    FLECK_CASE(u32, std::uint32_t)
    FLECK_CASE(i32, std::int32_t)
    FLECK_CASE(u64, std::uint64_t)
    FLECK_CASE(i64, std::int64_t)
    FLECK_CASE(f16, Half)
    FLECK_CASE(f32, float)
    FLECK_CASE(f64, double)
    case DType::i8: return f.template operator()<std::int8_t, false>();
    case DType::u8: break;
  }
#undef FLECK_CASE
  return f.template operator()<std::uint8_t, false>();
}

}  // namespace fleck
