#include "isa/shadow_search.hpp"

#include <limits>

#include "isa/vector.hpp"

namespace fleck::FLECK_ISA {

namespace {

constexpr int lanes = vector_bytes / sizeof(float), vectors = vector_bytes == 64 ? 4 : 8;
using Lanes = float __attribute__((vector_size(lanes * sizeof(float))));

inline void load(const float* from, Lanes& value) noexcept { __builtin_memcpy(&value, from, sizeof value); }

}  // namespace

// Vectors by name: left to itself the compiler jams two offsets into one scalar loop.
void sum_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum) noexcept {
  static_assert(shadow_block % (vectors * lanes) == 0);
  for (std::int64_t x = 0; x < shadow_block; x += vectors * lanes) {
    Lanes total[vectors] = {};
    for (std::int64_t k = 0; k < n; ++k) {
      const float* at = origin + offsets[k] + x;
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        Lanes value;
        load(at + v * lanes, value);
        total[v] += value;
      }
    }
    __builtin_memcpy(sum + x, total, sizeof total);
  }
}

void mean_of_zone(const ShadowZone& zone, float* __restrict mean) noexcept {
  for (std::int64_t x = 0; x < shadow_block; ++x) mean[x] = zone.sum[x] / zone.count[x];
}

// By name too: without mask registers the compiler branches for every place.
void sector_excess(const ShadowZone& rim, const ShadowZone& beside, const ShadowZone& core, const float* mean_of_core,
                   float weight_of_core, float* __restrict excess, float* __restrict sectors) noexcept {
  const Lanes none = Lanes{} + std::numeric_limits<float>::infinity(), one = Lanes{} + 1.0f;
  for (std::int64_t x = 0; x < shadow_block; x += lanes) {
    Lanes rim_sum, rim_count, beside_sum, beside_count, core_mean, core_count, known;
    load(rim.sum + x, rim_sum);
    load(rim.count + x, rim_count);
    load(beside.sum + x, beside_sum);
    load(beside.count + x, beside_count);
    load(mean_of_core + x, core_mean);
    load(core.count + x, core_count);
    load(sectors + x, known);
    const Lanes b = beside_sum / beside_count;
    const Lanes c = core_count >= core.enough ? core_mean : b;
    Lanes value = rim_sum / rim_count - (1 - weight_of_core) * b - weight_of_core * c;
    const auto counts = (rim_count >= rim.enough) & (beside_count >= beside.enough);
    value = counts ? value : none;
    known += counts ? one : Lanes{};
    __builtin_memcpy(excess + x, &value, sizeof value);
    __builtin_memcpy(sectors + x, &known, sizeof known);
  }
}

// The 39 exchanges of the best known network of 12 (Knuth, The Art of Computer Programming 3, section 5.3.4).
void sort_sectors(float* rows) noexcept {
  static constexpr int exchanges[39][2] = {
      {0, 8}, {1, 7}, {2, 6}, {3, 11}, {4, 10}, {5, 9}, {0, 1}, {2, 5}, {3, 4}, {6, 9}, {7, 8}, {10, 11}, {0, 2},
      {1, 6}, {5, 10}, {9, 11}, {0, 3}, {1, 2}, {4, 6}, {5, 7}, {8, 11}, {9, 10}, {1, 4}, {3, 5}, {6, 8}, {7, 10},
      {1, 3}, {2, 5}, {6, 9}, {8, 10}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {4, 6}, {5, 7}, {3, 4}, {5, 6}, {7, 8}};
  for (std::int64_t x = 0; x < shadow_block; x += lanes) {
    Lanes value[12];
    for (int i = 0; i < 12; ++i) load(rows + i * shadow_block + x, value[i]);
#pragma GCC unroll 39
    for (const auto& [low, high] : exchanges) {
      const Lanes a = value[low], b = value[high];
      value[low] = b < a ? b : a;
      value[high] = b < a ? a : b;
    }
    for (int i = 0; i < 12; ++i) __builtin_memcpy(rows + i * shadow_block + x, &value[i], sizeof value[i]);
  }
}

void mean_of_rows(const float* rows, int first, int last, float* __restrict mean) noexcept {
  float total[shadow_block] = {};
  for (int k = first; k < last; ++k)
    for (std::int64_t x = 0; x < shadow_block; ++x) total[x] += rows[k * shadow_block + x];
  for (std::int64_t x = 0; x < shadow_block; ++x) mean[x] = total[x] / static_cast<float>(last - first);
}

}  // namespace fleck::FLECK_ISA
