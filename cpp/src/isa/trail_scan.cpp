#include "isa/trail_scan.hpp"

#include <limits>

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

template <class T>
void settle_row(const T* values, std::int64_t n, T sign, T* __restrict out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const T x = sign * values[i];
    out[i] = x - x == 0 ? x : std::numeric_limits<T>::quiet_NaN();
  }
}

// By name, so that the counts of a whole block stay in registers over all offsets.
template <class T>
std::int64_t list_prominent(const T* values, std::int64_t n, std::int64_t first, std::int64_t last, T most, T height,
                            std::int64_t* list) noexcept {
  constexpr int vectors = 4;
  static_assert(seed_block % (vectors * lanes<T>) == 0);
  std::int64_t* end = list;
  for (std::int64_t i = 0; i < n; i += vectors * lanes<T>) {
    Lanes<T> level[vectors], room[vectors];  // how many more may exceed the level
    for (int v = 0; v < vectors; ++v) {
      level[v] = load<Lanes<T>>(values + i + v * lanes<T>) - height;
      room[v] = Lanes<T>{} + most;
    }
    for (std::int64_t offset = first; offset <= last; ++offset) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const T* const at = values + i + v * lanes<T>;
        room[v] -= load<Lanes<T>>(at - offset) > level[v] ? Lanes<T>{} + 1 : Lanes<T>{};
        room[v] -= load<Lanes<T>>(at + offset) > level[v] ? Lanes<T>{} + 1 : Lanes<T>{};
      }
    }
    for (int v = 0; v < vectors; ++v) {
      const unsigned numbers = reaches(level[v], -std::numeric_limits<T>::infinity());
      for (unsigned bits = reaches(room[v], T(0)) & numbers; bits; bits &= bits - 1)
        *end++ = i + v * lanes<T> + __builtin_ctz(bits);
    }
  }
  return end - list;
}

#define FLECK_FOR(T)                                                                                          \
  template void settle_row(const T*, std::int64_t, T, T*) noexcept;                                           \
  template std::int64_t list_prominent(const T*, std::int64_t, std::int64_t, std::int64_t, T, T,              \
                                       std::int64_t*) noexcept;
FLECK_FOR(float)
FLECK_FOR(double)
#undef FLECK_FOR

}  // namespace fleck::FLECK_ISA
