// What the scores of shadow_search and streak_search, means over some of 12 sectors or parts, are lowered by.
#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "fleck/shadow_search.hpp"

namespace fleck {

// For each number of sectors that count; NaN where they are less than `least`.
inline std::array<float, shadow_sectors + 1> shares_of_sectors(int least) {
  std::array<float, shadow_sectors + 1> shares;
  shares.fill(std::numeric_limits<float>::quiet_NaN());
  for (int n = least; n <= shadow_sectors; ++n)
    shares[n] = std::sqrt(static_cast<float>(n) / static_cast<float>(shadow_sectors));
  return shares;
}

}  // namespace fleck
