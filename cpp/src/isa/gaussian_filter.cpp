#include "isa/gaussian_filter.hpp"

#include <limits>

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

// Sums stay in registers over all taps.
template <int Vectors>
inline void convolve(const float* in, std::int64_t step, const float* weights, int taps, float* out) noexcept {
  Lanes<float> sum[Vectors] = {};
  for (int k = 0; k < taps; ++k, in += step)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) sum[v] += weights[k] * load<Lanes<float>>(in + v * lanes<float>);
  __builtin_memcpy(out, sum, sizeof sum);
}

}  // namespace

void convolve_row(const float* in, std::int64_t step, const float* weights, int taps, std::int64_t n,
                  float* out) noexcept {
  constexpr int vectors = lanes<float> < 8 ? 8 : 64 / lanes<float>;
  std::int64_t x = 0;
  for (; x + vectors * lanes<float> <= n; x += vectors * lanes<float>)
    convolve<vectors>(in + x, step, weights, taps, out + x);
  for (; x + lanes<float> <= n; x += lanes<float>) convolve<1>(in + x, step, weights, taps, out + x);
  for (; x < n; ++x) {
    float sum = 0;
    for (int k = 0; k < taps; ++k) sum += weights[k] * in[k * step + x];
    out[x] = sum;
  }
}

void divide_row(float* __restrict sum, const float* __restrict weight, float least, std::int64_t n) noexcept {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t x = 0; x < n; ++x) {
    const float mean = sum[x] / weight[x];
    sum[x] = weight[x] < least ? nan : mean;
  }
}

}  // namespace fleck::FLECK_ISA
