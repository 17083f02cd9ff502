#include "isa/label_components.hpp"

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
  for (int i = 0; i < 64; ++i) word |= std::uint64_t{bytes[i]} << i;
  return word;
#endif
}

}  // namespace

template <class Pixels>
void mark_above(const std::byte* row, std::int64_t n, double threshold, std::uint64_t* __restrict words) noexcept {
  using Value = decltype(value_at<Pixels>(row, 0));
  Value least;
  if (!least_above<Value>(threshold, least)) {
    for (std::int64_t x = 0; x < n; x += 64) *words++ = 0;
    return;
  }
  std::int64_t x = 0;
  for (; x + 64 <= n; x += 64) {
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
  std::int64_t* edge = edges;
  std::uint64_t last = 0;
  for (std::int64_t x = 0; x < n; x += 64) {
    const std::uint64_t word = *words++;
    std::uint64_t changes = word ^ (word << 1 | last);
    last = word >> 63;
    if (changes == 0) continue;
    // Four at a time, there or not: a loop of their very number is mispredicted in nearly every word.
    std::int64_t* const next = edge + __builtin_popcountll(changes);
    do {
      for (int i = 0; i < 4; ++i) {
        *edge++ = x + __builtin_ctzll(changes | std::uint64_t{1} << 63);
        changes &= changes - 1;
      }
    } while (changes);
    edge = next;
  }
  if (last && n % 64 == 0) *edge++ = n;
  return (edge - edges) / 2;
}

// ---- Sums

namespace {

// Eight lanes, in vectors as wide as the registers are.
#if defined(__AVX512F__)
constexpr int lanes = 8;
#elif defined(__AVX__)
constexpr int lanes = 4;
#else
constexpr int lanes = 2;
#endif
constexpr int vectors = 8 / lanes;
using Lanes = double __attribute__((vector_size(lanes * sizeof(double))));

struct Eight {
  Lanes part[vectors];
};

template <class Combine>
inline double across(const Eight& all, Combine&& combine) {
  double lane[8];
  __builtin_memcpy(lane, &all, sizeof lane);
  for (int half = 4; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] = combine(lane[j], lane[j + half]);
  return lane[0];
}

inline double sum_of(const Eight& all) {
  return across(all, [](double a, double b) { return a + b; });
}

template <class Pixels>
inline Eight load_eight(const std::byte* row, std::int64_t x) {
  double values[8];
  for (int j = 0; j < 8; ++j) values[j] = static_cast<double>(value_at<Pixels>(row, x + j));
  Eight all;
  __builtin_memcpy(&all, values, sizeof all);
  return all;
}

template <class Pixels>
inline Eight load_last(const std::byte* row, std::int64_t x, std::int64_t n) {
  double values[8] = {};
  for (std::int64_t j = 0; x + j < n; ++j) values[j] = static_cast<double>(value_at<Pixels>(row, x + j));
  Eight all;
  __builtin_memcpy(&all, values, sizeof all);
  return all;
}

}  // namespace

template <class Pixels>
void sum_runs(const std::byte* row, std::int64_t n, const std::int64_t* edges, std::int64_t runs,
              double threshold, RunSums* __restrict sums) noexcept {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  static constexpr double places[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (std::int64_t k = 0; k < runs; ++k) {
    const std::int64_t begin = edges[2 * k], end = edges[2 * k + 1];
    const double length = static_cast<double>(end - begin);
    Eight sum{}, w{}, wx{}, wxx{}, peak, peak_x{}, place;
    for (Lanes& part : peak.part) part = Lanes{} - infinity;
    __builtin_memcpy(&place, places, sizeof place);
    for (std::int64_t x = begin; x < end; x += 8) {
      const Eight value = x + 8 <= n ? load_eight<Pixels>(row, x) : load_last<Pixels>(row, x, n);
      for (int i = 0; i < vectors; ++i) {
        const Lanes v = value.part[i], dx = place.part[i];
        const auto inside = dx < length;
        const Lanes weight = inside ? v - threshold : Lanes{};
        const Lanes moment = dx * weight;
        sum.part[i] += inside ? v : Lanes{};
        w.part[i] += weight;
        wx.part[i] += moment;
        wxx.part[i] += dx * moment;
        const auto higher = inside & (v > peak.part[i]);
        peak.part[i] = higher ? v : peak.part[i];
        peak_x.part[i] = higher ? dx : peak_x.part[i];
        place.part[i] += 8.0;
      }
    }
    RunSums& result = sums[k];
    result.sum = sum_of(sum);
    result.w = sum_of(w);
    result.wx = sum_of(wx);
    result.wxx = sum_of(wxx);
    result.peak = across(peak, [](double a, double b) { return a > b ? a : b; });
    for (int i = 0; i < vectors; ++i)
      peak_x.part[i] = peak.part[i] == result.peak ? peak_x.part[i] : Lanes{} + infinity;
    result.peak_x = across(peak_x, [](double a, double b) { return a < b ? a : b; });
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

#define FLECK_INSTANTIATE(...)                                                                                  \
  template void mark_above<Stored<__VA_ARGS__>>(const std::byte*, std::int64_t, double,                         \
                                                std::uint64_t* __restrict) noexcept;                            \
  template void sum_runs<Stored<__VA_ARGS__>>(const std::byte*, std::int64_t, const std::int64_t*, std::int64_t, \
                                              double, RunSums* __restrict) noexcept;                           \
  template void count_above<Stored<__VA_ARGS__>>(const std::byte*, const std::int64_t*, std::int64_t, double,    \
                                                 std::int64_t* __restrict) noexcept;
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
