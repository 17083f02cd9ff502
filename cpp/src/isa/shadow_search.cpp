#include "isa/shadow_search.hpp"

#include <limits>

#include "isa/sectors.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Values = Lanes<float>;
constexpr std::int64_t width = lanes<float>;
constexpr int vectors = vector_bytes == 64 ? 4 : 8;
static_assert(shadow_block % (vectors * width) == 0);

}  // namespace

// Vectors by name: left to itself the compiler jams two offsets into one scalar loop.
void sum_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum) noexcept {
  for (std::int64_t x = 0; x < shadow_block; x += vectors * width) {
    Values total[vectors] = {};
    for (std::int64_t k = 0; k < n; ++k) {
      const float* at = origin + offsets[k] + x;
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) total[v] += load<Values>(at + v * width);
    }
    __builtin_memcpy(sum + x, total, sizeof total);
  }
}

void mean_of_zone(const ShadowZone& zone, float* __restrict mean) noexcept {
  for (std::int64_t x = 0; x < shadow_block; ++x) mean[x] = zone.sum[x] / zone.count[x];
}

// By name too: without mask registers the compiler branches for every place.
void sector_excess(const ShadowZone& rim, const ShadowZone& beside, const ShadowZone& core, const float* mean_of_core,
                   float weight_of_core, float* __restrict excess) noexcept {
  for (std::int64_t x = 0; x < shadow_block; x += width) {
    const Values rim_count = load<Values>(rim.count + x), beside_count = load<Values>(beside.count + x);
    const Values b = load<Values>(beside.sum + x) / beside_count;
    const Values c = load<Values>(core.count + x) >= core.enough ? load<Values>(mean_of_core + x) : b;
    const Values value =
        load<Values>(rim.sum + x) / rim_count - (1 - weight_of_core) * b - weight_of_core * c;
    const auto counts = (rim_count >= rim.enough) & (beside_count >= beside.enough) & is_finite(value);
    store(counts ? value : all(std::numeric_limits<float>::infinity()), excess + x);
  }
}

void score_of_sectors(const float* excess, const float* shares, float* __restrict score) noexcept {
  for (std::int64_t x = 0; x < shadow_block; x += width) {
    Sectors sorted;
    for (int k = 0; k < sectors; ++k) sorted[k] = load<Values>(excess + k * shadow_block + x);
    sort(sorted);
    const Counting<6> counting(sorted, shares);
    store(counting.or_none(counting.mean_of_middle(sorted)), score + x);
  }
}

}  // namespace fleck::FLECK_ISA
