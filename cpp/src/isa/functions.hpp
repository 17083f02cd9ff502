// Functions of vectors of double that give the same bytes in every instruction set.
#pragma once

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

inline Lanes<double> square_root(Lanes<double> x) noexcept {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_pd(0xff, x);  // gcc warns of the other one
#elif defined(__AVX2__)
  return _mm256_sqrt_pd(x);
#elif defined(__SSE2__)
  return _mm_sqrt_pd(x);
#else
  for (int i = 0; i < lanes<double>; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

// For numbers from -700 to 700; within 3 units of the last place.
inline Lanes<double> exponential(Lanes<double> x) noexcept {
  using Vector = Lanes<double>;
  using Bits __attribute__((vector_size(vector_bytes))) = std::int64_t;
  constexpr double log2_e = 1.4426950408889634, to_whole = 0x1.8p52;
  constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;  // n * ln2_high is exact
  const Vector shifted = x * log2_e + to_whole, n = shifted - to_whole;
  const Vector r = (x - n * ln2_high) - n * ln2_low;  // at most half of ln 2
  const auto pair = [&](double even, double odd) { return even + odd * r; };
  const Vector r2 = r * r, r4 = r2 * r2;
  const Vector low = pair(1.0, 1.0) + pair(1.0 / 2, 1.0 / 6) * r2;
  const Vector middle = pair(1.0 / 24, 1.0 / 120) + pair(1.0 / 720, 1.0 / 5040) * r2;
  const Vector high = pair(1.0 / 40320, 1.0 / 362880) + pair(1.0 / 3628800, 1.0 / 39916800) * r2;
  const Vector highest = pair(1.0 / 479001600, 1.0 / 6227020800);
  const Vector sum = (low + middle * r4) + (high + highest * r4) * (r4 * r4);
  return reinterpret_cast<Vector>(reinterpret_cast<Bits>(sum) + (reinterpret_cast<Bits>(shifted) << 52));
}

}  // namespace fleck::FLECK_ISA
