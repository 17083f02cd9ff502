#include "isa/trail_scan.hpp"

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

template <class Vector>
inline Vector smaller(Vector a, Vector b) noexcept {
  return a < b ? a : b;
}
template <class Vector>
inline Vector larger(Vector a, Vector b) noexcept {
  return a < b ? b : a;
}

// Vectors side by side, by name, so that what is known of them stays in registers over all neighbours.
constexpr int vectors = 4;
template <class T>
struct Block {
  Lanes<T> part[vectors];
};

template <class T>
inline Block<T> same(T x) noexcept {
  Block<T> block;
  for (Lanes<T>& part : block.part) part = Lanes<T>{} + x;
  return block;
}

// One bit per lane: a >= b.
template <class T>
inline std::uint64_t not_below(const Block<T>& a, const Block<T>& b) noexcept {
  std::uint64_t bits = 0;
  for (int p = 0; p < vectors; ++p) bits |= std::uint64_t{reaches(a.part[p] - b.part[p], T(0))} << (p * lanes<T>);
  return bits;
}

template <class T>
inline Block<T> lowest(const T* at, Neighbours neighbours) noexcept {
  Block<T> least = same(std::numeric_limits<T>::infinity());
  const auto [first, last, distance] = neighbours;
  for (std::int64_t offset = first * distance; offset <= last * distance; offset += distance) {
#pragma GCC unroll 4
    for (int p = 0; p < vectors; ++p) {
      const T* const x = at + p * lanes<T>;
      least.part[p] = smaller(least.part[p], smaller(load<Lanes<T>>(x - offset), load<Lanes<T>>(x + offset)));
    }
  }
  return least;
}

template <class T>
inline Block<T> count_above(const Block<T>& level, const T* at, Neighbours neighbours) noexcept {
  Block<T> count{};
  const auto [first, last, distance] = neighbours;
  for (std::int64_t offset = first * distance; offset <= last * distance; offset += distance) {
#pragma GCC unroll 4
    for (int p = 0; p < vectors; ++p) {
      const T* const x = at + p * lanes<T>;
      count.part[p] += load<Lanes<T>>(x - offset) > level.part[p] ? Lanes<T>{} + 1 : Lanes<T>{};
      count.part[p] += load<Lanes<T>>(x + offset) > level.part[p] ? Lanes<T>{} + 1 : Lanes<T>{};
    }
  }
  return count;
}

}  // namespace

template <class T>
void settle_row(const T* values, std::int64_t n, T sign, T* out) noexcept {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T x = sign * values[i];
    out[i] = x - x == 0 ? x : absent<T>;
  }
}

// A minimum costs less than a count: in noise the nearest more than half all exceed nearly every level.
template <class T>
std::int64_t list_prominent(const T* values, std::int64_t n, Neighbours neighbours, T height,
                            std::int64_t* list) noexcept {
  static_assert(seed_block % (vectors * lanes<T>) == 0);
  const auto [first, last, distance] = neighbours;
  const Neighbours more_than_half{first, (first + last + 1) / 2, distance};
  const Block<T> half = same(static_cast<T>(last - first + 1));
  std::int64_t* end = list;
  for (std::int64_t i = 0; i < n; i += vectors * lanes<T>) {
    const T* const at = values + i;
    Block<T> level;
    for (int p = 0; p < vectors; ++p) level.part[p] = load<Lanes<T>>(at + p * lanes<T>) - height;
    if (!not_below(level, lowest(at, more_than_half))) continue;
    const Block<T> above = count_above(level, at, neighbours);
    if (!not_below(half, above)) continue;
    Block<T> others = count_above(same(absent<T>), at, neighbours);
    for (int p = 0; p < vectors; ++p) others.part[p] -= above.part[p];
    for (std::uint64_t bits = not_below(others, above); bits; bits &= bits - 1) {
      const int k = __builtin_ctzll(bits);
      if (at[k] > absent<T>) *end++ = i + k;
    }
  }
  return end - list;
}

void add_background(const double* values, const double* sigmas, std::int64_t n, double* out,
                    Background& sums) noexcept {
  for (int k = 0; k < together; k += lanes<double>) {
    auto count = load<Lanes<double>>(sums.count + k), squares = load<Lanes<double>>(sums.squares + k);
    for (std::int64_t i = k; i < n * together; i += together) {
      const auto value = load<Lanes<double>>(values + i), sigma = load<Lanes<double>>(sigmas + i);
      const auto counts = (value - value == 0.0) & (sigma - sigma == 0.0);
      store(out + i, counts ? value : Lanes<double>{} + std::numeric_limits<double>::infinity());
      count += counts ? Lanes<double>{} + 1 : Lanes<double>{};
      squares += counts ? sigma * sigma : Lanes<double>{};
    }
    store(sums.count + k, count);
    store(sums.squares + k, squares);
  }
}

// Merge exchange (Knuth, 5.2.2 M): which numbers are compared does not depend on them.
void sort_background(double* values, std::int64_t n) noexcept {
  const auto order = [](double* low, double* high) {
    for (int k = 0; k < together; k += lanes<double>) {
      const auto x = load<Lanes<double>>(low + k), y = load<Lanes<double>>(high + k);
      store(low + k, smaller(x, y));
      store(high + k, larger(x, y));
    }
  };
  std::int64_t top = 1;
  while (2 * top < n) top *= 2;
  for (std::int64_t p = top; p > 0; p /= 2)
    for (std::int64_t q = top, r = 0, d = p; q >= p; d = q - p, q /= 2, r = p)
      for (std::int64_t i = 0; i < n - d; ++i)
        if ((i & p) == r) order(values + i * together, values + (i + d) * together);
}

#define FLECK_FOR(T)                                                                                          \
  template void settle_row(const T*, std::int64_t, T, T*) noexcept;                                           \
  template std::int64_t list_prominent(const T*, std::int64_t, Neighbours, T, std::int64_t*) noexcept;
FLECK_FOR(float)
FLECK_FOR(double)
#undef FLECK_FOR

}  // namespace fleck::FLECK_ISA
