#include "isa/gaussian_filter.hpp"

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

}  // namespace fleck::FLECK_ISA
