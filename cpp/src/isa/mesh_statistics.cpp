#include "isa/mesh_statistics.hpp"

#include <limits>

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// pack: writes the lanes whose bit is set, and anything behind them. doubles: the numbers that begin at `from`.
// Where lanes left over become zero, an instruction waits for the one before it on Zen 5: they stay as they are.
#if defined(__AVX512F__)
inline void pack(Lanes<float> x, unsigned bits, float* out) noexcept {
  _mm512_storeu_ps(out, _mm512_mask_compress_ps(x, static_cast<__mmask16>(bits), x));
}
inline void pack(Lanes<double> x, unsigned bits, double* out) noexcept {
  _mm512_storeu_pd(out, _mm512_mask_compress_pd(x, static_cast<__mmask8>(bits), x));
}
inline Lanes<double> doubles(const float* from) noexcept {
  return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));  // without a mask g++ warns of its own header
}
#elif defined(__AVX2__)
// `bytes` is 0 or 255 for each of eight lanes of 32 bits.
inline __m256 packed(__m256 x, std::uint64_t bytes) noexcept {
  const std::uint64_t order = _pext_u64(0x0706050403020100, bytes);
  return _mm256_permutevar8x32_ps(x, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(order))));
}
inline void pack(Lanes<float> x, unsigned bits, float* out) noexcept {
  _mm256_storeu_ps(out, packed(x, _pdep_u64(bits, 0x0101010101010101) * 0xff));
}
inline void pack(Lanes<double> x, unsigned bits, double* out) noexcept {
  const __m256 halves = packed(_mm256_castpd_ps(x), _pdep_u64(bits, 0x0001000100010001) * 0xffff);
  _mm256_storeu_pd(out, _mm256_castps_pd(halves));
}
inline Lanes<double> doubles(const float* from) noexcept { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }
#else
template <class Vector, class T>
inline void pack(Vector x, unsigned bits, T* out) noexcept {
  for (int i = 0; i < lanes<T>; ++i, bits >>= 1) {
    *out = x[i];
    out += bits & 1;
  }
}
inline Lanes<double> doubles(const float* from) noexcept { return Lanes<double>{from[0], from[1]}; }
#endif
inline Lanes<double> doubles(const double* from) noexcept { return load<Lanes<double>>(from); }

// Collects low <= x < high at `end`, and counts what is at least low.
template <class T>
inline void take(Lanes<T> x, T low, T high, T*& end, std::int64_t& reached) noexcept {
  const unsigned bits = inside(x, low, high);
  pack(x, bits, end);
  end += ones(bits);
  reached += ones(reaches(x, low));
}
template <class T>
inline void take_one(T x, T low, T high, T*& end, std::int64_t& reached) noexcept {
  *end = x;
  end += x >= low && x < high;
  reached += x >= low;
}

}  // namespace

// --- Gathering -------------------------------------------------------------------------------------------------

template <class T>
std::int64_t gather_finite(const T* values, std::int64_t n, T* out) noexcept {
  T* end = out;
  std::int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    const auto x = load<Lanes<T>>(values + i);
    const unsigned bits = reaches(x - x, T(0));  // the difference of what is not finite is NaN
    pack(x + T(0), bits, end);
    end += ones(bits);
  }
  for (; i < n; ++i) {
    *end = values[i] + T(0);
    end += values[i] - values[i] == 0;
  }
  return end - out;
}

template <class T>
Gathered gather_inside(const T* values, std::int64_t n, T low, T high, T* out) noexcept {
  T* end = out;
  std::int64_t reached = 0, i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) take<T>(load<Lanes<T>>(values + i), low, high, end, reached);
  for (; i < n; ++i) take_one(values[i], low, high, end, reached);
  return {n - reached, end - out};
}

template <class T>
Gathered gather_deviations(const T* values, std::int64_t n, double centre, double low, double high,
                           double* out) noexcept {
  using Bits = decltype(Lanes<double>{} < Lanes<double>{});
  double* end = out;
  std::int64_t reached = 0, i = 0;
  for (; i + lanes<double> <= n; i += lanes<double>) {
    const Lanes<double> d = doubles(values + i) - centre;
    const Bits size = reinterpret_cast<Bits>(d) & std::numeric_limits<std::int64_t>::max();
    take<double>(reinterpret_cast<Lanes<double>>(size), low, high, end, reached);
  }
  for (; i < n; ++i) take_one(__builtin_fabs(values[i] - centre), low, high, end, reached);
  return {n - reached, end - out};
}

// --- Counting and sorting --------------------------------------------------------------------------------------

template <class T>
std::int64_t count_below(const T* values, std::int64_t n, T bound) noexcept {
  constexpr int vectors = 4;  // so that additions need not wait
  using Count = decltype(Lanes<T>{} < Lanes<T>{});
  Count count[vectors] = {};
  std::int64_t total = 0, i = 0;
  for (; i + vectors * lanes<T> <= n; i += vectors * lanes<T>)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) count[v] -= load<Lanes<T>>(values + i + v * lanes<T>) < bound;
  for (; i < n; ++i) total += values[i] < bound;
  const Count all = count[0] + count[1] + count[2] + count[3];
  for (int k = 0; k < lanes<T>; ++k) total += all[k];
  return total;
}

template <class T>
Extremes<T> extremes_inside(const T* values, std::int64_t n, T low, T high) noexcept {
  Lanes<T> least = Lanes<T>{} + infinity<T>, greatest = -least;
  Extremes<T> found{infinity<T>, -infinity<T>};
  std::int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    const auto x = load<Lanes<T>>(values + i);
    least = (x >= low) & (x < least) ? x : least;
    greatest = (x < high) & (x > greatest) ? x : greatest;
  }
  const auto take_least = [&](T x) { found.least = x >= low && x < found.least ? x : found.least; };
  const auto take_greatest = [&](T x) { found.greatest = x < high && x > found.greatest ? x : found.greatest; };
  for (int k = 0; k < lanes<T>; ++k) {
    take_least(least[k]);
    take_greatest(greatest[k]);
  }
  for (; i < n; ++i) {
    take_least(values[i]);
    take_greatest(values[i]);
  }
  return found;
}

// Every number goes where the count of those before it says: smaller ones, and equal ones that stand before it.
template <class T>
void sort_few(const T* values, int n, T* sorted) noexcept {
  using Count = decltype(Lanes<T>{} < Lanes<T>{});
  Count lane;
  for (int k = 0; k < lanes<T>; ++k) lane[k] = k;
  for (int i = 0; i < n; i += lanes<T>) {
    const auto x = load<Lanes<T>>(values + i);
    Count place = {};
    for (int k = 0; k < i; ++k) place -= values[k] <= x;
    for (int k = 0; k < lanes<T>; ++k) place -= (values[i + k] < x) | ((values[i + k] == x) & (lane > k));
    for (int k = i + lanes<T>; k < n; ++k) place -= values[k] < x;
    for (int k = 0; k < lanes<T>; ++k) sorted[place[k]] = x[k];
  }
}

// --- BoxSums ------------------------------------------------------------------------------------------------------

template <class T>
BoxSums sum_inside(const T* values, std::int64_t n, T low, T high, T centre, T* outside) noexcept {
  constexpr int partial = 16;  // number i belongs to partial sum i % 16
  Lanes<double> first[partial / lanes<double>] = {}, squares[partial / lanes<double>] = {};
  const double middle = centre;
  std::int64_t left = 0, i = 0;
  const auto add = [&](const T* at) {
    T kept[partial];
#pragma GCC unroll 8
    for (int k = 0; k < partial; k += lanes<T>) {
      const auto x = load<Lanes<T>>(at + k);
      const auto y = within(x, low, high, Lanes<T>{} + centre);
      __builtin_memcpy(kept + k, &y, sizeof y);
      const unsigned bits = beyond(x, low, high);
      if (outside != nullptr) pack(x, bits, outside + left);
      left += ones(bits);
    }
#pragma GCC unroll 8
    for (int v = 0; v < partial / lanes<double>; ++v) {
      const Lanes<double> d = doubles(kept + v * lanes<double>) - middle;
      first[v] += d;
      squares[v] += d * d;
    }
  };
  for (; i + partial <= n; i += partial) add(values + i);
  if (i < n) {
    T rest[partial];  // infinity is in no range
    for (int k = 0; k < partial; ++k) rest[k] = i + k < n ? values[i + k] : infinity<T>;
    add(rest);
    i += partial;
  }
  BoxSums total{i - left};
  for (int k = 0; k < partial; ++k) {
    total.first += first[k / lanes<double>][k % lanes<double>];
    total.squares += squares[k / lanes<double>][k % lanes<double>];
  }
  return total;
}

void interpolate_row(const double* nodes, const std::int64_t* begin, std::int64_t spans, const double* weight,
                     float* __restrict out) noexcept {
  for (std::int64_t k = 0; k < spans; ++k) {
    const double start = nodes[k], step = nodes[k + 1] - start;
    for (std::int64_t i = begin[k]; i < begin[k + 1]; ++i) out[i] = static_cast<float>(start + weight[i] * step);
  }
}

#define FLECK_FOR(T)                                                                                            \
  template std::int64_t gather_finite(const T*, std::int64_t, T*) noexcept;                                     \
  template Gathered gather_inside(const T*, std::int64_t, T, T, T*) noexcept;                                   \
  template Gathered gather_deviations(const T*, std::int64_t, double, double, double, double*) noexcept;        \
  template std::int64_t count_below(const T*, std::int64_t, T) noexcept;                                        \
  template Extremes<T> extremes_inside(const T*, std::int64_t, T, T) noexcept;                                  \
  template void sort_few(const T*, int, T*) noexcept;                                                           \
  template BoxSums sum_inside(const T*, std::int64_t, T, T, T, T*) noexcept;
FLECK_FOR(float)
FLECK_FOR(double)
#undef FLECK_FOR

}  // namespace fleck::FLECK_ISA
