#include "isa/ordered_keys.hpp"

#include <bit>

#include "isa/pixel_types.hpp"

namespace fleck::FLECK_ISA {
namespace {

// What a median of E is computed in.
template <class E>
using value_of = std::conditional_t<std::is_same_v<E, Half>, float, E>;

template <class V, class Key>
FLECK_INLINE Key to_key(V value) {
  constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<V>) {
    const Key bits = std::bit_cast<Key>(value);
    return bits ^ (sign | (Key(0) - (bits >> (8 * sizeof(Key) - 1))));
  } else if constexpr (std::is_signed_v<V>) {
    return static_cast<Key>(static_cast<std::make_signed_t<Key>>(value)) ^ sign;
  } else {
    return value;
  }
}

template <class V, class Key>
FLECK_INLINE V from_key(Key key) {
  constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<V>) {
    return std::bit_cast<V>(static_cast<Key>(key ^ (key & sign ? sign : ~Key(0))));
  } else if constexpr (std::is_signed_v<V>) {
    return static_cast<V>(key ^ sign);
  } else {
    return static_cast<V>(key);
  }
}

// Whether a key is that of a number; in integers, which the compiler vectorises.
template <class V, class Key>
FLECK_INLINE bool is_number(Key key) {
  if constexpr (std::is_floating_point_v<V>) {
    constexpr auto infinity = std::numeric_limits<V>::infinity();
    const Key low = to_key<V, Key>(-infinity), high = to_key<V, Key>(infinity);
    return static_cast<Key>(key - low) <= static_cast<Key>(high - low);
  } else {
    return true;
  }
}

template <class E, bool Swapped>
FLECK_INLINE std::uint8_t read(const std::byte* __restrict pixels, std::ptrdiff_t stride, std::int64_t n,
                               ordered_key<E>* __restrict keys, std::uint8_t* __restrict present) {
  using Key = ordered_key<E>;
  using Value = value_of<E>;
  std::uint8_t all = 1;
  for (std::int64_t i = 0; i < n; ++i) {
    const E element = read_element<E, Swapped>(pixels + i * stride);
    Key key;
    if constexpr (std::is_same_v<E, Half>)
      key = to_key<Value, Key>(to_float(element));
    else
      key = to_key<Value, Key>(element);
    const bool number = is_number<Value>(key);
    keys[i] = number ? key : left_out<Key>;
    present[i] = number;
    all &= number;
  }
  return all;
}

template <class Key>
FLECK_INLINE std::uint8_t leave_out(const std::uint8_t* __restrict mask, std::ptrdiff_t stride, std::int64_t n,
                                    Key* __restrict keys, std::uint8_t* __restrict present) {
  static_assert(left_out<Key> == static_cast<Key>(~Key(0)));
  for (std::int64_t i = 0; i < n; ++i) keys[i] |= static_cast<Key>(Key(0) - Key(mask[i * stride] != 0));
  std::uint8_t all = 1;
  for (std::int64_t i = 0; i < n; ++i) all &= present[i] &= mask[i * stride] == 0;
  return all;
}

template <class E, class Out>
FLECK_INLINE void write(const ordered_key<E>* __restrict lower, const ordered_key<E>* __restrict upper,
                        const std::int32_t* __restrict count, std::int64_t n, Out* __restrict out,
                        std::ptrdiff_t stride) {
  using Value = value_of<E>;
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<Out>) {
      const Out a = static_cast<Out>(from_key<Value>(lower[i])), b = static_cast<Out>(from_key<Value>(upper[i]));
      const Out mean = (a + b) / 2;
      const Out some = count[i] & 1 ? a : mean;
      out[i * stride] = count[i] == 0 ? std::numeric_limits<Out>::quiet_NaN() : some;
    } else {
      out[i * stride] = from_key<Value>(lower[i]);  // the count is odd: nothing was left out
    }
  }
}

}  // namespace

template <class E, bool Swapped>
bool read_ordered(const PixelRun& run, std::int64_t n, ordered_key<E>* keys, std::uint8_t* present) {
  std::uint8_t all = run.stride == sizeof(E) ? read<E, Swapped>(run.pixels, sizeof(E), n, keys, present)
                                             : read<E, Swapped>(run.pixels, run.stride, n, keys, present);
  if (run.mask)
    all &= run.mask_stride == 1 ? leave_out(run.mask, 1, n, keys, present)
                                : leave_out(run.mask, run.mask_stride, n, keys, present);
  return all != 0;
}

template <class E, class Out>
void write_medians(const ordered_key<E>* lower, const ordered_key<E>* upper, const std::int32_t* count, std::int64_t n,
                   Out* out, std::ptrdiff_t stride) {
  if (stride == 1) return write<E>(lower, upper, count, n, out, 1);
  write<E>(lower, upper, count, n, out, stride);
}

#define FLECK_READ(E)                                                                                    \
  template bool read_ordered<E, false>(const PixelRun&, std::int64_t, ordered_key<E>*, std::uint8_t*);   \
  template bool read_ordered<E, true>(const PixelRun&, std::int64_t, ordered_key<E>*, std::uint8_t*);
#define FLECK_WRITE(E, Out)                                                                                     \
  template void write_medians<E, Out>(const ordered_key<E>*, const ordered_key<E>*, const std::int32_t*,       \
                                      std::int64_t, Out*, std::ptrdiff_t);
FLECK_FOR_EACH_PIXEL_TYPE(FLECK_READ, FLECK_WRITE)
#undef FLECK_WRITE
#undef FLECK_READ

}  // namespace fleck::FLECK_ISA
