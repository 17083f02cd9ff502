// Twelve values of each of many neighbouring places, in registers: sorted, and the mean of the middle ones.
#pragma once

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

constexpr int sectors = 12;

// The 39 exchanges of the best known network of 12 (Knuth, The Art of Computer Programming 3, section 5.3.4).
inline void sort_sectors(Lanes<float> (&value)[sectors]) noexcept {
  static constexpr int exchanges[39][2] = {
      {0, 8}, {1, 7}, {2, 6}, {3, 11}, {4, 10}, {5, 9}, {0, 1}, {2, 5}, {3, 4}, {6, 9}, {7, 8}, {10, 11}, {0, 2},
      {1, 6}, {5, 10}, {9, 11}, {0, 3}, {1, 2}, {4, 6}, {5, 7}, {8, 11}, {9, 10}, {1, 4}, {3, 5}, {6, 8}, {7, 10},
      {1, 3}, {2, 5}, {6, 9}, {8, 10}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {4, 6}, {5, 7}, {3, 4}, {5, 6}, {7, 8}};
#pragma GCC unroll 39
  for (const auto& [low, high] : exchanges) {
    const Lanes<float> a = value[low], b = value[high];
    value[low] = b < a ? b : a;
    value[high] = b < a ? a : b;
  }
}

// Of sorted values, without as many of the lowest and of the highest.
inline Lanes<float> mean_of_middle(const Lanes<float> (&sorted)[sectors], int cut) noexcept {
  Lanes<float> total{};
  for (int k = cut; k < sectors - cut; ++k) total += sorted[k];
  return total / static_cast<float>(sectors - 2 * cut);
}

// The same of the first `known` values of each place, without `cut` lowest and highest.
inline Lanes<float> mean_of_middle(const Lanes<float> (&sorted)[sectors], Lanes<float> known,
                                   Lanes<float> cut) noexcept {
  Lanes<float> total{};
  for (int k = 0; k < sectors; ++k) {
    const float rank = static_cast<float>(k);
    total += (cut <= rank) & (known - cut > rank) ? sorted[k] : Lanes<float>{};
  }
  return total / (known - 2.0f * cut);
}

}  // namespace fleck::FLECK_ISA
