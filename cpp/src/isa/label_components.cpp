#include "isa/label_components.hpp"

#include <bit>
#include <limits>
#include <type_traits>

#include "element.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fleck::FLECK_ISA {
namespace {

// float for Half, else the element's own type.
template <class Pixels>
inline auto value_at(const std::byte* row, std::int64_t i) {
  using Element = typename Pixels::Element;
  const auto element = read_element<Element, Pixels::swapped>(row + i * static_cast<std::int64_t>(sizeof(Element)));
  if constexpr (std::is_same_v<Element, Half>)
    return to_float(element);
  else
    return element;
}

// ---- Comparison

// Sets least to the smallest T that exceeds the threshold; false if there is none. So value > threshold is exact.
template <class T>
bool least_above(double threshold, T& least) {
  if constexpr (std::is_same_v<T, double>) {
    least = __builtin_nextafter(threshold, std::numeric_limits<double>::infinity());
  } else if constexpr (std::is_same_v<T, float>) {
    constexpr float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();
    if (threshold < -largest) {
      least = -largest;
    } else if (threshold >= largest) {
      least = infinity;
    } else {
      least = static_cast<float>(threshold);
      if (least <= threshold) least = __builtin_nextafterf(least, infinity);
    }
  } else {
    const double whole = __builtin_floor(threshold);
    // The bounds as doubles: a power of two each, as max + 1 may not fit T.
    constexpr double top = 2.0 * static_cast<double>(std::numeric_limits<T>::max() / 2 + 1);
    if (whole >= top - 1) return false;
    least = whole < static_cast<double>(std::numeric_limits<T>::min()) ? std::numeric_limits<T>::min()
                                                                       : static_cast<T>(static_cast<T>(whole) + 1);
  }
  return true;
}

// Bit i is byte i of 64 bytes that are 0 or 1.
inline std::uint64_t pack(const std::uint8_t* bytes) {
#if defined(__AVX512BW__)
  const __m512i all = _mm512_loadu_si512(bytes);
  return _mm512_test_epi8_mask(all, all);
#elif defined(__AVX2__)
  const auto half = [](const std::uint8_t* p) -> std::uint64_t {
    const __m256i flags = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(flags, 7)));
  };
  return half(bytes) | half(bytes + 32) << 32;
#elif defined(__SSE2__)
  const auto quarter = [](const std::uint8_t* p) -> std::uint64_t {
    const __m128i flags = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_slli_epi16(flags, 7)));
  };
  return quarter(bytes) | quarter(bytes + 16) << 16 | quarter(bytes + 32) << 32 | quarter(bytes + 48) << 48;
#else
  std::uint64_t word = 0;
  for (int k = 0; k < 8; ++k) {  // the product moves the lowest bits of eight bytes into the top byte
    std::uint64_t eight;
    __builtin_memcpy(&eight, bytes + 8 * k, 8);
    if constexpr (std::endian::native != std::endian::little) eight = swap_bytes(eight);
    word |= (eight * 0x0102040810204080u >> 56) << 8 * k;
  }
  return word;
#endif
}

// How many bytes ahead pixels are asked for, into the next row too: what the processor itself asks for ahead ends at
// every page.
constexpr std::int64_t prefetched = 4096;

}  // namespace

template <class Pixels>
void mark_above(const std::byte* row, std::int64_t n, double threshold, std::uint64_t* __restrict words) noexcept {
  using Value = decltype(value_at<Pixels>(row, 0));
  Value least;
  if (!least_above<Value>(threshold, least)) {
    for (std::int64_t x = 0; x < n; x += 64) *words++ = 0;
    return;
  }
  constexpr std::int64_t size = sizeof(typename Pixels::Element);
  std::int64_t x = 0;
  for (; x + 64 <= n; x += 64) {
    for (int line = 0; line < size; ++line) __builtin_prefetch(row + x * size + prefetched + 64 * line, 0, 2);
    alignas(64) std::uint8_t above[64];
    for (int i = 0; i < 64; ++i) above[i] = value_at<Pixels>(row, x + i) >= least;
    *words++ = pack(above);
  }
  if (x < n) {
    alignas(64) std::uint8_t above[64] = {};
    for (int i = 0; i < n - x; ++i) above[i] = value_at<Pixels>(row, x + i) >= least;
    *words = pack(above);
  }
}

// ---- Runs

std::int64_t find_runs(const std::uint64_t* words, std::int64_t n, std::int64_t* __restrict edges) noexcept {
  std::int64_t found = 0;
  std::uint64_t last = 0;  // pixel of the word before
  for (std::int64_t x = 0; x < n; x += 64) {
    const std::uint64_t word = *words++;
    std::uint64_t left = word ^ (word << 1 | last);
    last = word >> 63;
    if (left == 0) continue;
    // Four at a time, there or not: a loop of their very number is mispredicted in nearly every word.
    std::int64_t* edge = edges + found;
    found += __builtin_popcountll(left);
    do {
      for (int i = 0; i < 4; ++i) {
        *edge++ = x + __builtin_ctzll(left | std::uint64_t{1} << 63);
        left &= left - 1;
      }
    } while (left);
  }
  if (found % 2) edges[found++] = n;
  return found / 2;
}

// ---- Sums

namespace {

// Four lanes, in vectors as wide as the registers have them: gcc keeps a wider vector in memory.
#if defined(__AVX__)
constexpr int lanes = 4;
#else
constexpr int lanes = 2;
#endif
constexpr int vectors = 4 / lanes;
using Lanes = double __attribute__((vector_size(lanes * sizeof(double))));

struct Four {
  Lanes part[vectors];
};

inline Four four(const double* values) {
  Four all;
  __builtin_memcpy(&all, values, sizeof all);
  return all;
}

// Up to four pixels from x on, none of them beyond n.
template <class Pixels>
inline Four load(const std::byte* row, std::int64_t x, std::int64_t n) {
  using Value = decltype(value_at<Pixels>(row, 0));
  Value values[4] = {};
  if (x + 4 <= n)
    for (int j = 0; j < 4; ++j) values[j] = value_at<Pixels>(row, x + j);
  else
    for (int j = 0; x + j < n; ++j) values[j] = value_at<Pixels>(row, x + j);
#if defined(__AVX__)
  if constexpr (std::is_same_v<Value, float>) {  // gcc 12 converts them in halves
    __m128 narrow;
    __builtin_memcpy(&narrow, values, sizeof narrow);
    return {Lanes(_mm256_cvtps_pd(narrow))};
  }
#endif
  double wide[4];
  for (int j = 0; j < 4; ++j) wide[j] = static_cast<double>(values[j]);
  return four(wide);
}

// (0 + 1) + (2 + 3) of the lanes of a, of b, of c and of d.
inline Four add_up(const Four& a, const Four& b, const Four& c, const Four& d) {
  Four sums;
#if defined(__AVX__)
  const Lanes p = a.part[0], q = b.part[0], r = c.part[0], s = d.part[0];
  const Lanes pq = Lanes{p[0], q[0], p[2], q[2]} + Lanes{p[1], q[1], p[3], q[3]};
  const Lanes rs = Lanes{r[0], s[0], r[2], s[2]} + Lanes{r[1], s[1], r[3], s[3]};
  sums.part[0] = Lanes{pq[0], pq[1], rs[0], rs[1]} + Lanes{pq[2], pq[3], rs[2], rs[3]};
#else
  const auto pair = [](Lanes p, Lanes q) { return Lanes{p[0], q[0]} + Lanes{p[1], q[1]}; };
  sums.part[0] = pair(a.part[0], b.part[0]) + pair(a.part[1], b.part[1]);
  sums.part[1] = pair(c.part[0], d.part[0]) + pair(c.part[1], d.part[1]);
#endif
  return sums;
}

inline double largest(const Four& all) {
  double v[4];
  __builtin_memcpy(v, &all, sizeof v);
  const double low = v[0] > v[1] ? v[0] : v[1], high = v[2] > v[3] ? v[2] : v[3];
  return low > high ? low : high;
}

}  // namespace

template <class Pixels>
void sum_runs(const std::byte* row, std::int64_t n, const std::int64_t* edges, std::int64_t runs, double threshold,
              RunSums* __restrict sums) noexcept {
  static constexpr double places[4] = {0, 1, 2, 3};
  const Lanes none = Lanes{} - std::numeric_limits<double>::infinity();
  for (std::int64_t k = 0; k < runs; ++k) {
    const std::int64_t begin = edges[2 * k], end = edges[2 * k + 1];
    const double length = static_cast<double>(end - begin);
    Four sum{}, w{}, wx{}, wxx{}, peak, peak_x{}, place = four(places);
    for (Lanes& part : peak.part) part = none;
    for (std::int64_t at = begin; at < end; at += 4) {
      const Four value = load<Pixels>(row, at, n);
      for (int i = 0; i < vectors; ++i) {
        const Lanes v = value.part[i], x = place.part[i];
        const auto inside = x < length;
        const Lanes weight = inside ? v - threshold : Lanes{};
        const Lanes moment = x * weight;
        sum.part[i] += inside ? v : Lanes{};
        w.part[i] += weight;
        wx.part[i] += moment;
        wxx.part[i] += x * moment;
        const auto higher = inside & (v > peak.part[i]);
        peak.part[i] = higher ? v : peak.part[i];
        peak_x.part[i] = higher ? x : peak_x.part[i];
        place.part[i] += 4.0;
      }
    }
    const Four added = add_up(sum, w, wx, wxx);
    __builtin_memcpy(&sums[k], &added, sizeof added);
    sums[k].peak = largest(peak);
    for (int i = 0; i < vectors; ++i) peak_x.part[i] = peak.part[i] == sums[k].peak ? -peak_x.part[i] : none;
    sums[k].peak_x = -largest(peak_x);  // the first of equals
  }
}

template <class Pixels>
void count_above(const std::byte* row, const std::int64_t* edges, std::int64_t runs, double level,
                 std::int64_t* __restrict counts) noexcept {
  for (std::int64_t k = 0; k < runs; ++k) {
    counts[k] = 0;
    for (std::int64_t x = edges[2 * k]; x < edges[2 * k + 1]; ++x)
      counts[k] += static_cast<double>(value_at<Pixels>(row, x)) > level;
  }
}

// ---- Painting

namespace {

constexpr int stroke = 8;  // pixels that are painted at once

// What is painted beyond the end is painted over by what follows, except at the end of the row.
inline void paint(std::int32_t* row, std::int64_t begin, std::int64_t end, std::int64_t n, std::int32_t value) {
  std::int64_t x = begin;
  for (; x < end && x + stroke <= n; x += stroke)
    for (int i = 0; i < stroke; ++i) row[x + i] = value;
  for (; x < end; ++x) row[x] = value;
}

}  // namespace

void paint_runs(const std::int64_t* edges, const std::int32_t* values, std::int64_t runs, std::int64_t n,
                std::int32_t* row) noexcept {
  std::int64_t painted = 0;
  for (std::int64_t k = 0; k < runs; ++k) {
    paint(row, painted, edges[2 * k], n, 0);
    paint(row, edges[2 * k], edges[2 * k + 1], n, values[k]);
    painted = edges[2 * k + 1];
  }
  paint(row, painted, n, n, 0);
}

#define FLECK_INSTANTIATE(...)                                                                                       \
  template void mark_above<Stored<__VA_ARGS__>>(const std::byte*, std::int64_t, double, std::uint64_t*) noexcept;    \
  template void sum_runs<Stored<__VA_ARGS__>>(const std::byte*, std::int64_t, const std::int64_t*, std::int64_t,     \
                                              double, RunSums*) noexcept;                                            \
  template void count_above<Stored<__VA_ARGS__>>(const std::byte*, const std::int64_t*, std::int64_t, double,        \
                                                 std::int64_t*) noexcept;
#define FLECK_INSTANTIATE_BOTH(E) FLECK_INSTANTIATE(E, false) FLECK_INSTANTIATE(E, true)
FLECK_INSTANTIATE(std::uint8_t, false)
FLECK_INSTANTIATE(std::int8_t, false)
FLECK_INSTANTIATE_BOTH(std::uint16_t)
FLECK_INSTANTIATE_BOTH(std::int16_t)
FLECK_INSTANTIATE_BOTH(std::uint32_t)
FLECK_INSTANTIATE_BOTH(std::int32_t)
FLECK_INSTANTIATE_BOTH(std::uint64_t)
FLECK_INSTANTIATE_BOTH(std::int64_t)
FLECK_INSTANTIATE_BOTH(Half)
FLECK_INSTANTIATE_BOTH(float)
FLECK_INSTANTIATE_BOTH(double)
#undef FLECK_INSTANTIATE_BOTH
#undef FLECK_INSTANTIATE

}  // namespace fleck::FLECK_ISA
