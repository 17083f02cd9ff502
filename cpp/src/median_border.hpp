// What stands beyond the frame.
#pragma once

#include <cstdint>

#include "fleck/median_filter.hpp"

namespace fleck {

// The row or column of the frame that stands at i; -1 for none. A window is at most as large as the frame, so one
// repetition is enough.
inline std::int64_t resolve(std::int64_t i, std::int64_t n, Border border) {
  if (i >= 0 && i < n) return i;
  switch (border) {
    case Border::reflect: return i < 0 ? -i - 1 : 2 * n - 1 - i;
    case Border::mirror: return i < 0 ? -i : 2 * n - 2 - i;
    case Border::nearest: return i < 0 ? 0 : n - 1;
    case Border::wrap: return i < 0 ? i + n : i - n;
    case Border::constant:
    case Border::shrink: break;
  }
  return -1;
}

}  // namespace fleck
