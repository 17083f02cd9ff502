#include "isa/counting.hpp"

#include <limits>

namespace fleck::FLECK_ISA {

void count_finite(float* __restrict value, float* __restrict count, std::int64_t n) noexcept {
  constexpr float most = std::numeric_limits<float>::max();
  for (std::int64_t x = 0; x < n; ++x) {
    const bool finite = value[x] >= -most && value[x] <= most;
    count[x] = finite ? 1.0f : 0.0f;
    value[x] = finite ? value[x] : 0.0f;
  }
}

void leave_out(const std::uint8_t* __restrict mask, std::int64_t step, float* __restrict value,
               float* __restrict count, std::int64_t n) noexcept {
  if (step == 1)  // so that the compiler sees neighbours
    for (std::int64_t x = 0; x < n; ++x) {
      count[x] = mask[x] ? 0.0f : count[x];
      value[x] = mask[x] ? 0.0f : value[x];
    }
  else
    for (std::int64_t x = 0; x < n; ++x)
      if (mask[x * step]) count[x] = value[x] = 0.0f;
}

}  // namespace fleck::FLECK_ISA
