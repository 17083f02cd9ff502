#include "isa/gaussian_filter.hpp"

#include <limits>

namespace fleck::FLECK_ISA {

void convolve_row(const float* in, std::int64_t step, const float* weights, int taps, std::int64_t n,
                  float* out) noexcept {
  constexpr std::int64_t block = 64;  // sums stay in registers over all taps
  std::int64_t x = 0;
  for (; x + block <= n; x += block) {
    float sum[block] = {};
    for (int k = 0; k < taps; ++k) {
      const float w = weights[k];
      const float* row = in + k * step + x;
      for (std::int64_t i = 0; i < block; ++i) sum[i] += w * row[i];
    }
    for (std::int64_t i = 0; i < block; ++i) out[x + i] = sum[i];
  }
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
