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

// reaches, inside and beyond: one bit per lane, for low <= x, for low <= x < high, and for the others of what is not
// NaN. within: x where it lies inside, else the other vector.
#if defined(__AVX512F__)
inline unsigned reaches(Lanes<float> x, float low) noexcept {
  return _mm512_cmp_ps_mask(x, _mm512_set1_ps(low), _CMP_GE_OQ);
}
inline unsigned reaches(Lanes<double> x, double low) noexcept {
  return _mm512_cmp_pd_mask(x, _mm512_set1_pd(low), _CMP_GE_OQ);
}
inline unsigned inside(Lanes<float> x, float low, float high) noexcept {
  return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(x, _mm512_set1_ps(low), _CMP_GE_OQ), x, _mm512_set1_ps(high),
                                 _CMP_LT_OQ);
}
inline unsigned inside(Lanes<double> x, double low, double high) noexcept {
  return _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(x, _mm512_set1_pd(low), _CMP_GE_OQ), x, _mm512_set1_pd(high),
                                 _CMP_LT_OQ);
}
inline unsigned beyond(Lanes<float> x, float low, float high) noexcept {
  return _kor_mask16(_mm512_cmp_ps_mask(x, _mm512_set1_ps(low), _CMP_LT_OQ),
                     _mm512_cmp_ps_mask(x, _mm512_set1_ps(high), _CMP_GE_OQ));
}
inline unsigned beyond(Lanes<double> x, double low, double high) noexcept {
  return _kor_mask8(_mm512_cmp_pd_mask(x, _mm512_set1_pd(low), _CMP_LT_OQ),
                    _mm512_cmp_pd_mask(x, _mm512_set1_pd(high), _CMP_GE_OQ));
}
inline Lanes<float> within(Lanes<float> x, float low, float high, Lanes<float> other) noexcept {
  return _mm512_mask_blend_ps(static_cast<__mmask16>(beyond(x, low, high)), x, other);
}
inline Lanes<double> within(Lanes<double> x, double low, double high, Lanes<double> other) noexcept {
  return _mm512_mask_blend_pd(static_cast<__mmask8>(beyond(x, low, high)), x, other);
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
#if !defined(__AVX512F__)
template <class Vector, class T>
inline unsigned inside(Vector x, T low, T high) noexcept {
  return reaches(x, low) & ~reaches(x, high);
}
template <class Vector, class T>
inline unsigned beyond(Vector x, T low, T high) noexcept {
  return inside(x, low, high) ^ ((1u << lanes<T>) - 1);
}
template <class Vector, class T>
inline Vector within(Vector x, T low, T high, Vector other) noexcept {
  return (x >= low) & (x < high) ? x : other;
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
