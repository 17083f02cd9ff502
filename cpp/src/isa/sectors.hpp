// Twelve values about each of some neighbouring places, in registers: what lies in their middle. Those that do not count
// are infinite.
#pragma once

#include <limits>

#include "isa/lanes.hpp"
#include "isa/median_lanes.hpp"

namespace fleck::FLECK_ISA {

constexpr int sectors = 12;
using Sectors = Lanes<float>[sectors];

inline Lanes<float> all(float value) noexcept { return Lanes<float>{} + value; }
inline void store(Lanes<float> value, float* to) noexcept { __builtin_memcpy(to, &value, sizeof value); }
inline auto is_finite(Lanes<float> value) noexcept { return value - value == 0.0f; }

// The 39 exchanges of the best known network of 12 (Knuth, The Art of Computer Programming 3, section 5.3.4). By name:
// the compiler makes a comparison and two choices of a minimum and a maximum.
inline void sort(Sectors& value) noexcept {
  using Order = NetworkLanes<float>;
  static constexpr int exchanges[39][2] = {
      {0, 8}, {1, 7}, {2, 6}, {3, 11}, {4, 10}, {5, 9}, {0, 1}, {2, 5}, {3, 4}, {6, 9}, {7, 8}, {10, 11}, {0, 2},
      {1, 6}, {5, 10}, {9, 11}, {0, 3}, {1, 2}, {4, 6}, {5, 7}, {8, 11}, {9, 10}, {1, 4}, {3, 5}, {6, 8}, {7, 10},
      {1, 3}, {2, 5}, {6, 9}, {8, 10}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {4, 6}, {5, 7}, {3, 4}, {5, 6}, {7, 8}};
#pragma GCC unroll 39
  for (const auto& [low, high] : exchanges) {
    const Lanes<float> a = value[low], b = value[high];
    value[low] = Order::min(b, a);
    value[high] = Order::max(a, b);
  }
}

// Which of the sorted values count, and what lowers the mean where not all do: shares[n] for n of them, NaN if these are
// too few. One in `part` is left out at either end.
template <int part>
class Counting {
 public:
  Counting(const Sectors& sorted, const float* shares) noexcept
      : all_(reaches(sorted[sectors - 1], std::numeric_limits<float>::infinity()) == 0) {
    if (all_) return;
    for (const Lanes<float>& value : sorted)
      number_ += value < std::numeric_limits<float>::infinity() ? all(1) : Lanes<float>{};
    for (int i = 0; i < lanes<float>; ++i) {
      const int n = static_cast<int>(number_[i]);
      share_[i] = shares[n];
      cut_[i] = static_cast<float>(n / part);
    }
  }

  Lanes<float> mean_of_middle(const Sectors& sorted) const noexcept {
    Lanes<float> total{};
    if (all_) {
      for (int k = sectors / part; k < sectors - sectors / part; ++k) total += sorted[k];
      return total / static_cast<float>(sectors - 2 * (sectors / part));
    }
    for (int k = 0; k < sectors; ++k) {
      const float rank = static_cast<float>(k);
      total += (cut_ <= rank) & (number_ - cut_ > rank) ? sorted[k] : Lanes<float>{};
    }
    return share_ * (total / (number_ - 2.0f * cut_));
  }

  // The same NaN, of one sign, wherever too few count.
  Lanes<float> or_none(Lanes<float> score) const noexcept {
    return all_ ? score : share_ == share_ ? score : share_;
  }

 private:
  bool all_;
  Lanes<float> number_{}, cut_{}, share_{};
};

}  // namespace fleck::FLECK_ISA
