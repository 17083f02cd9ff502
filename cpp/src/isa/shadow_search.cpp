#include "isa/shadow_search.hpp"

namespace fleck::FLECK_ISA {

void sum_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum) noexcept {
  float total[shadow_block] = {};  // stays in registers
  for (std::int64_t k = 0; k < n; ++k) {
    const float* at = origin + offsets[k];
    for (std::int64_t x = 0; x < shadow_block; ++x) total[x] += at[x];
  }
  for (std::int64_t x = 0; x < shadow_block; ++x) sum[x] = total[x];
}

// The 39 exchanges of the best known network of 12 (Knuth, The Art of Computer Programming 3, section 5.3.4).
void sort_sectors(float* rows) noexcept {
  static constexpr int exchanges[39][2] = {
      {0, 8}, {1, 7}, {2, 6}, {3, 11}, {4, 10}, {5, 9}, {0, 1}, {2, 5}, {3, 4}, {6, 9}, {7, 8}, {10, 11}, {0, 2},
      {1, 6}, {5, 10}, {9, 11}, {0, 3}, {1, 2}, {4, 6}, {5, 7}, {8, 11}, {9, 10}, {1, 4}, {3, 5}, {6, 8}, {7, 10},
      {1, 3}, {2, 5}, {6, 9}, {8, 10}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {4, 6}, {5, 7}, {3, 4}, {5, 6}, {7, 8}};
  for (const auto& [low, high] : exchanges) {
    float* a = rows + low * shadow_block;
    float* b = rows + high * shadow_block;
    for (std::int64_t x = 0; x < shadow_block; ++x) {
      const float lesser = b[x] < a[x] ? b[x] : a[x];
      b[x] = b[x] < a[x] ? a[x] : b[x];
      a[x] = lesser;
    }
  }
}

}  // namespace fleck::FLECK_ISA
