// Vectors of float or double, as wide as the registers.
#pragma once

#include <cstdint>

#include "isa/vector.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fleck::FLECK_ISA {

template <class T>
constexpr int lanes = vector_bytes / sizeof(T);
template <class T>
using Lanes __attribute__((vector_size(vector_bytes))) = T;

template <class Vector, class T>
inline Vector load(const T* from) noexcept {
  Vector value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <class Vector, class T>
inline void store(T* to, Vector value) noexcept {
  __builtin_memcpy(to, &value, sizeof value);
}

// One bit per lane: low <= x.
#if defined(__AVX512F__)
inline unsigned reaches(Lanes<float> x, float low) noexcept {
  return _mm512_cmp_ps_mask(x, _mm512_set1_ps(low), _CMP_GE_OQ);
}
inline unsigned reaches(Lanes<double> x, double low) noexcept {
  return _mm512_cmp_pd_mask(x, _mm512_set1_pd(low), _CMP_GE_OQ);
}
#elif defined(__AVX2__)
inline unsigned reaches(Lanes<float> x, float low) noexcept {
  return static_cast<unsigned>(_mm256_movemask_ps(reinterpret_cast<__m256>(x >= low)));
}
inline unsigned reaches(Lanes<double> x, double low) noexcept {
  return static_cast<unsigned>(_mm256_movemask_pd(reinterpret_cast<__m256d>(x >= low)));
}
#elif defined(__SSE2__)
inline unsigned reaches(Lanes<float> x, float low) noexcept {
  return static_cast<unsigned>(_mm_movemask_ps(reinterpret_cast<__m128>(x >= low)));
}
inline unsigned reaches(Lanes<double> x, double low) noexcept {
  return static_cast<unsigned>(_mm_movemask_pd(reinterpret_cast<__m128d>(x >= low)));
}
#else
template <class Vector, class T>
inline unsigned reaches(Vector x, T low) noexcept {
  const auto yes = x >= low;
  unsigned bits = 0;
  for (int i = 0; i < lanes<T>; ++i) bits |= static_cast<unsigned>(yes[i] & 1) << i;
  return bits;
}
#endif

// Of at most as many bits as a vector has lanes.
inline int ones(unsigned bits) noexcept {
#if defined(__POPCNT__)
  return __builtin_popcount(bits);
#else
  static_assert(lanes<float> == 4);
  return static_cast<int>(0x4332322132212110 >> (4 * bits) & 0xf);
#endif
}

}  // namespace fleck::FLECK_ISA
