#include "isa/median_keys.hpp"

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

template <class E, class Out>
FLECK_INLINE void write(const network_key<E>* __restrict keys, std::int64_t n, Out* __restrict out, std::ptrdiff_t stride) {
  using Key = network_key<E>;
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (sizeof(Key) == 2)
      out[i * stride] = static_cast<Out>(keys[i] + middle<E>);
    else if constexpr (std::is_same_v<E, Half>)
      out[i * stride] = static_cast<Out>(value_of<float>(keys[i]));
    else
      out[i * stride] = static_cast<Out>(value_of<E>(keys[i]));
  }
}

}  // namespace

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
  template bool read_keys<E, true>(const std::byte*, std::ptrdiff_t, std::int64_t, network_key<E>*);
#define FLECK_WRITE(E, Out) \
  template void write_values<E, Out>(const network_key<E>*, std::int64_t, Out*, std::ptrdiff_t);
FLECK_FOR_EACH_PIXEL_TYPE(FLECK_READ, FLECK_WRITE)
#undef FLECK_WRITE
#undef FLECK_READ

}  // namespace fleck::FLECK_ISA
