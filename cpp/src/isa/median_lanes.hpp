// Vectors of one instruction set: what the median networks compute in.
//
// A lane type holds `lanes` values of T, for which every instruction set has a minimum and a maximum. They order
// floating-point values completely when there is no NaN among them and no -0.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "isa/vector.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace fleck::FLECK_ISA {

template <class Type>
struct NetworkLanes {
  using T = Type;
  static constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
  typedef T V __attribute__((vector_size(vector_bytes)));
  typedef T Unaligned __attribute__((vector_size(vector_bytes), aligned(sizeof(T)), may_alias));

  // The i-th vector from p on; p is aligned to a vector.
  static V load(const T* p, std::ptrdiff_t i) { return *reinterpret_cast<const V*>(p + i * lanes); }
  static void store(T* p, std::ptrdiff_t i, V v) { *reinterpret_cast<V*>(p + i * lanes) = v; }

  static V min(V a, V b);
  static V max(V a, V b);

  // a where s is at least `least`, else b.
  static V from(V s, T least, V a, V b) { return s >= least ? a : b; }

  // Lanes in which a is less than b; gathered for medians that are not within their bounds.
#if defined(__AVX512BW__)
  using Doubt = std::uint64_t;
  static Doubt less(V a, V b);
#else
  using Doubt = decltype(V{} < V{});
  static Doubt less(V a, V b) { return a < b; }
#endif

  // One bit per lane.
  static std::uint64_t bits(Doubt unproven) {
#if defined(__AVX512BW__)
    return unproven;
#else
    typedef std::uint64_t Words __attribute__((vector_size(vector_bytes)));
    const Words words = reinterpret_cast<Words>(unproven);
    std::uint64_t any = 0, found = 0;
    for (int i = 0; i < vector_bytes / 8; ++i) any |= words[i];
    if (any)
      for (int i = 0; i < lanes; ++i) found |= std::uint64_t(unproven[i] != 0) << i;
    return found;
#endif
  }

  // out[i][l] = in[l][i]: `lanes` runs of pixels from `stride` elements to each other, and as many vectors.
  static void gather(const T* in, std::ptrdiff_t stride, T* out) {
    V v[lanes];
    for (int l = 0; l < lanes; ++l) v[l] = *reinterpret_cast<const Unaligned*>(in + l * stride);
    transpose(v);
    for (int i = 0; i < lanes; ++i) store(out, i, v[i]);
  }

  static void scatter(const T* in, T* out, std::ptrdiff_t stride) {
    V v[lanes];
    for (int i = 0; i < lanes; ++i) v[i] = load(in, i);
    transpose(v);
    for (int l = 0; l < lanes; ++l) *reinterpret_cast<Unaligned*>(out + l * stride) = v[l];
  }

 private:
  // Pass by pass, squares of twice the size are transposed: their upper right and lower left quarters change places.
  template <int Half = 1>
  static void transpose(V* v) {
    if constexpr (Half < lanes) {
      // As units of 32 bits where that is possible: most instruction sets move them more cheaply than 16.
      constexpr bool narrow = Half * sizeof(T) < 4;
      using Unit = std::conditional_t<narrow, std::int16_t, std::int32_t>;
      for (int i = 0; i < lanes; ++i)
        if (!(i & Half))
          swap_quarters<Unit, Half * static_cast<int>(sizeof(T)) / static_cast<int>(sizeof(Unit))>(v[i], v[i + Half]);
      transpose<2 * Half>(v);
    }
  }

  template <class Unit, int Half>
  static void swap_quarters(V& upper, V& lower) {
    swap_quarters<Unit, Half>(upper, lower, std::make_integer_sequence<int, vector_bytes / static_cast<int>(sizeof(Unit))>());
  }

  template <class Unit, int Half, int... I>
  static void swap_quarters(V& upper, V& lower, std::integer_sequence<int, I...>) {
    typedef Unit Units __attribute__((vector_size(vector_bytes)));
    constexpr int n = sizeof...(I);
    const Units a = reinterpret_cast<Units>(upper), b = reinterpret_cast<Units>(lower);
    upper = reinterpret_cast<V>(__builtin_shufflevector(a, b, (I & Half ? n + I - Half : I)...));
    lower = reinterpret_cast<V>(__builtin_shufflevector(a, b, (I & Half ? n + I : I + Half)...));
  }
};

#if defined(__AVX512BW__)
// With a mask that leaves every lane: gcc 12 warns of the undefined vector in the plain ones.
#define FLECK_LANES(T, Vector, suffix, compare)                                                        \
  template <>                                                                                          \
  inline NetworkLanes<T>::V NetworkLanes<T>::min(V a, V b) {                                                         \
    return reinterpret_cast<V>(_mm512_maskz_min_##suffix(~0, reinterpret_cast<Vector>(a), reinterpret_cast<Vector>(b))); \
  }                                                                                                    \
  template <>                                                                                          \
  inline NetworkLanes<T>::V NetworkLanes<T>::max(V a, V b) {                                                         \
    return reinterpret_cast<V>(_mm512_maskz_max_##suffix(~0, reinterpret_cast<Vector>(a), reinterpret_cast<Vector>(b))); \
  }                                                                                                    \
  template <>                                                                                          \
  inline std::uint64_t NetworkLanes<T>::less(V a, V b) {                                                      \
    return _mm512_##compare##_mask(reinterpret_cast<Vector>(a), reinterpret_cast<Vector>(b), 1);       \
  }
FLECK_LANES(float, __m512, ps, cmp_ps)
FLECK_LANES(double, __m512d, pd, cmp_pd)
FLECK_LANES(std::int16_t, __m512i, epi16, cmp_epi16)
#else
#define FLECK_LANES(T, Vector, minimum, maximum)                                                  \
  template <>                                                                                     \
  inline NetworkLanes<T>::V NetworkLanes<T>::min(V a, V b) {                                                    \
    return reinterpret_cast<V>(minimum(reinterpret_cast<Vector>(a), reinterpret_cast<Vector>(b))); \
  }                                                                                               \
  template <>                                                                                     \
  inline NetworkLanes<T>::V NetworkLanes<T>::max(V a, V b) {                                                    \
    return reinterpret_cast<V>(maximum(reinterpret_cast<Vector>(a), reinterpret_cast<Vector>(b))); \
  }
#if defined(__AVX2__)
FLECK_LANES(float, __m256, _mm256_min_ps, _mm256_max_ps)
FLECK_LANES(double, __m256d, _mm256_min_pd, _mm256_max_pd)
FLECK_LANES(std::int16_t, __m256i, _mm256_min_epi16, _mm256_max_epi16)
#elif defined(__SSE2__)
FLECK_LANES(float, __m128, _mm_min_ps, _mm_max_ps)
FLECK_LANES(double, __m128d, _mm_min_pd, _mm_max_pd)
FLECK_LANES(std::int16_t, __m128i, _mm_min_epi16, _mm_max_epi16)
#elif defined(__ARM_NEON)
FLECK_LANES(float, float32x4_t, vminq_f32, vmaxq_f32)
FLECK_LANES(double, float64x2_t, vminq_f64, vmaxq_f64)
FLECK_LANES(std::int16_t, int16x8_t, vminq_s16, vmaxq_s16)
#else
template <class T>
inline typename NetworkLanes<T>::V NetworkLanes<T>::min(V a, V b) {
  return a < b ? a : b;
}
template <class T>
inline typename NetworkLanes<T>::V NetworkLanes<T>::max(V a, V b) {
  return a < b ? b : a;
}
#endif
#endif
#undef FLECK_LANES

}  // namespace fleck::FLECK_ISA
