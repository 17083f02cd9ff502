#include "isa/median_keys.hpp"

#include <limits>

#include "isa/median_network.hpp"
#include "isa/pixel_types.hpp"

namespace fleck::FLECK_ISA {
namespace {

template <class Key>
struct Bits;
template <>
struct Bits<float> {
  using type = std::uint32_t;
  static constexpr type infinity = 0x7f800000u, smallest = 0x00800000u;
};
template <>
struct Bits<double> {
  using type = std::uint64_t;
  static constexpr type infinity = 0x7ff0000000000000u, smallest = 0x0010000000000000u;
};

template <class Key>
inline Key as_key(typename Bits<Key>::type bits) {
  return std::bit_cast<Key>(bits);
}

// Adds to `none` something that is not zero when the value has no key.
template <class V, class Key>
inline Key key_of(V value, typename Bits<Key>::type& none) {
  using U = typename Bits<Key>::type;
  constexpr int sign_at = 8 * sizeof(U) - 1;
  constexpr U sign_bit = U(1) << sign_at, most = Bits<Key>::infinity - Bits<Key>::smallest;
  if constexpr (std::is_floating_point_v<V>) {
    const U bits = std::bit_cast<U>(value), moved = bits + (bits >> sign_at);
    none |= (moved & ~sign_bit) > Bits<Key>::infinity;
    return as_key<Key>(moved);
  } else if constexpr (std::is_signed_v<V>) {
    const U bits = static_cast<U>(value), sign = bits & sign_bit;
    const U magnitude = value < 0 ? U(0) - bits : bits;
    none |= magnitude > most;
    return as_key<Key>(sign | (magnitude + Bits<Key>::smallest));
  } else {
    none |= value > most;
    return as_key<Key>(value + Bits<Key>::smallest);
  }
}

template <class V, class Key>
inline V value_of(Key key) {
  using U = typename Bits<Key>::type;
  constexpr int sign_at = 8 * sizeof(U) - 1;
  constexpr U sign_bit = U(1) << sign_at;
  const U bits = std::bit_cast<U>(key);
  if constexpr (std::is_floating_point_v<V>) {
    return std::bit_cast<V>(bits - (bits >> sign_at));
  } else {
    const U magnitude = (bits & ~sign_bit) - Bits<Key>::smallest;
    return static_cast<V>(bits & sign_bit ? U(0) - magnitude : magnitude);
  }
}

// A 16-bit key is the value itself, unsigned ones moved to the middle of the range.
template <class E>
constexpr int middle = std::is_unsigned_v<E> && sizeof(E) == 2 ? 0x8000 : 0;

template <class E, bool Swapped>
FLECK_INLINE bool read(const std::byte* __restrict pixels, std::ptrdiff_t stride, std::int64_t n,
                 network_key<E>* __restrict keys) {
  using Key = network_key<E>;
  if constexpr (sizeof(Key) == 2) {
    for (std::int64_t i = 0; i < n; ++i)
      keys[i] = static_cast<Key>(read_element<E, Swapped>(pixels + i * stride) - middle<E>);
    return true;
  } else {
    typename Bits<Key>::type none = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const E element = read_element<E, Swapped>(pixels + i * stride);
      if constexpr (std::is_same_v<E, Half>)
        keys[i] = key_of<float, Key>(to_float(element), none);
      else
        keys[i] = key_of<E, Key>(element, none);
    }
    return none == 0;
  }
}

template <class E>
FLECK_INLINE auto pixel_of(network_key<E> key) {
  if constexpr (sizeof(network_key<E>) == 2)
    return static_cast<E>(key + middle<E>);
  else
    return value_of<std::conditional_t<std::is_same_v<E, Half>, float, E>>(key);
}

template <class E, class Out>
FLECK_INLINE void write(const network_key<E>* __restrict keys, std::int64_t n, Out* __restrict out, std::ptrdiff_t stride) {
  for (std::int64_t i = 0; i < n; ++i) out[i * stride] = static_cast<Out>(pixel_of<E>(keys[i]));
}

template <class E, class Out>
FLECK_INLINE void write_two(const network_key<E>* __restrict lower, const network_key<E>* __restrict upper,
                            const network_key<E>* __restrict shift, std::int64_t n, Out* __restrict out,
                            std::ptrdiff_t stride) {
  for (std::int64_t i = 0; i < n; ++i) {
    const Out a = static_cast<Out>(pixel_of<E>(lower[i])), b = static_cast<Out>(pixel_of<E>(upper[i]));
    const Out mean = (a + b) / 2;
    const Out some = static_cast<int>(shift[i]) & 1 ? mean : a;
    out[i * stride] = shift[i] == no_pixel ? std::numeric_limits<Out>::quiet_NaN() : some;
  }
}

// One bit for each of 64 bytes that are 0 or 1.
inline std::uint64_t to_bits(const std::uint8_t* bytes) {
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; i += 8) {
    std::uint64_t eight = 0;
    for (int k = 0; k < 8; ++k) eight |= std::uint64_t(bytes[i + k]) << 8 * k;
    bits |= (eight * 0x0102040810204080u) >> 56 << i;
  }
  return bits;
}

// A byte for each bit, not 0 where it is set.
inline void to_bytes(std::uint64_t bits, std::uint8_t* bytes) {
  for (int i = 0; i < 64; ++i) bytes[i] = static_cast<std::uint8_t>(bits >> (i & 56));
  for (int i = 0; i < 64; ++i) bytes[i] &= static_cast<std::uint8_t>(1 << (i & 7));
}

template <class Key>
using limits = std::numeric_limits<Key>;
template <class Key>
constexpr Key highest_key = std::is_integral_v<Key> ? limits<Key>::max() : limits<Key>::infinity();
template <class Key>
constexpr Key lowest_key = std::is_integral_v<Key> ? limits<Key>::min() : -limits<Key>::infinity();

template <class Key>
FLECK_INLINE void put_signs(const std::uint8_t* __restrict low, const std::uint8_t* __restrict high,
                            Key* __restrict keys, Key* __restrict signs) {
  for (int i = 0; i < 64; ++i) {
    signs[i] = low[i] ? Key(1) : high[i] ? Key(-1) : Key(0);
    keys[i] = low[i] ? lowest_key<Key> : high[i] ? highest_key<Key> : keys[i];
  }
}

template <class E, bool Swapped>
FLECK_INLINE void flag_keyless(const std::byte* __restrict pixels, std::ptrdiff_t stride, std::int64_t n,
                               std::uint8_t* __restrict nan, std::uint8_t* __restrict other) {
  using Key = network_key<E>;
  for (std::int64_t i = 0; i < n; ++i) {
    const E element = read_element<E, Swapped>(pixels + i * stride);
    typename Bits<Key>::type none = 0;
    if constexpr (std::is_same_v<E, Half>) {
      const float value = to_float(element);
      static_cast<void>(key_of<float, Key>(value, none));
      nan[i] = value != value;
    } else {
      static_cast<void>(key_of<E, Key>(element, none));
      nan[i] = element != element;
    }
    other[i] = none != 0;
  }
}

}  // namespace

template <class E, bool Swapped>
KeylessPixels find_keyless(const std::byte* pixels, std::ptrdiff_t stride, std::int64_t n) {
  std::uint8_t nan[64] = {}, other[64] = {};
  if constexpr (sizeof(network_key<E>) > 2) {
    if (stride == sizeof(E) && n == 64)
      flag_keyless<E, Swapped>(pixels, sizeof(E), 64, nan, other);
    else
      flag_keyless<E, Swapped>(pixels, stride, n, nan, other);
  }
  return {to_bits(nan), to_bits(other) & ~to_bits(nan)};
}

std::uint64_t mask_bits(const std::uint8_t* mask, std::ptrdiff_t stride, std::int64_t n) {
  std::uint8_t bytes[64] = {};
  if (stride == 1)
    __builtin_memcpy(bytes, mask, n);
  else
    for (std::int64_t i = 0; i < n; ++i) bytes[i] = mask[i * stride];
  for (int i = 0; i < 64; ++i) bytes[i] = bytes[i] != 0;
  return to_bits(bytes);
}

template <class Key>
void put_extremes(std::uint64_t low, std::uint64_t high, std::int64_t n, Key* keys, Key* signs) {
  std::uint8_t low_bytes[64], high_bytes[64];
  to_bytes(low, low_bytes);
  to_bytes(high, high_bytes);
  if (n == 64) return put_signs(low_bytes, high_bytes, keys, signs);
  Key all_keys[64] = {}, all_signs[64];  // so that the loop is of 64, whatever n is
  __builtin_memcpy(all_keys, keys, n * sizeof(Key));
  put_signs(low_bytes, high_bytes, all_keys, all_signs);
  __builtin_memcpy(keys, all_keys, n * sizeof(Key));
  __builtin_memcpy(signs, all_signs, n * sizeof(Key));
}

template <class E, class Out>
void write_means(const network_key<E>* lower, const network_key<E>* upper, const network_key<E>* shift, std::int64_t n,
                 Out* out, std::ptrdiff_t stride) {
  if constexpr (std::is_floating_point_v<Out>) {
    if (stride == 1) return write_two<E>(lower, upper, shift, n, out, 1);
    write_two<E>(lower, upper, shift, n, out, stride);
  }
}

template <class E, bool Swapped>
bool read_keys(const std::byte* pixels, std::ptrdiff_t stride, std::int64_t n, network_key<E>* keys) {
  if (stride == sizeof(E)) return read<E, Swapped>(pixels, sizeof(E), n, keys);  // a loop that can be vectorised
  return read<E, Swapped>(pixels, stride, n, keys);
}

template <class E, class Out>
void write_values(const network_key<E>* keys, std::int64_t n, Out* out, std::ptrdiff_t stride) {
  if (stride == 1) return write<E>(keys, n, out, 1);
  write<E>(keys, n, out, stride);
}

#define FLECK_READ(E)                                                                                      \
  template bool read_keys<E, false>(const std::byte*, std::ptrdiff_t, std::int64_t, network_key<E>*);      \
  template bool read_keys<E, true>(const std::byte*, std::ptrdiff_t, std::int64_t, network_key<E>*);      \
  template KeylessPixels find_keyless<E, false>(const std::byte*, std::ptrdiff_t, std::int64_t);           \
  template KeylessPixels find_keyless<E, true>(const std::byte*, std::ptrdiff_t, std::int64_t);
#define FLECK_WRITE(E, Out) \
  template void write_values<E, Out>(const network_key<E>*, std::int64_t, Out*, std::ptrdiff_t);                \
  template void write_means<E, Out>(const network_key<E>*, const network_key<E>*, const network_key<E>*,        \
                                    std::int64_t, Out*, std::ptrdiff_t);
FLECK_FOR_EACH_PIXEL_TYPE(FLECK_READ, FLECK_WRITE)
#undef FLECK_WRITE
#undef FLECK_READ
template void put_extremes<float>(std::uint64_t, std::uint64_t, std::int64_t, float*, float*);
template void put_extremes<double>(std::uint64_t, std::uint64_t, std::int64_t, double*, double*);
template void put_extremes<std::int16_t>(std::uint64_t, std::uint64_t, std::int64_t, std::int16_t*, std::int16_t*);

}  // namespace fleck::FLECK_ISA
