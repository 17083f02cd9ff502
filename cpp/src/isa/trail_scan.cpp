#include <cstdint>

namespace fleck::FLECK_ISA {

// count[i] = how many of values[i - last ... i - first] and values[i + first ... i + last] exceed level[i].
void count_above(const double* values, const double* level, std::int64_t n, std::int64_t first, std::int64_t last,
                 double* __restrict count) {
  for (std::int64_t i = 0; i < n; ++i) count[i] = 0.0;
  for (std::int64_t offset = first; offset <= last; ++offset)
    for (std::int64_t i = 0; i < n; ++i)
      count[i] += (values[i - offset] > level[i] ? 1.0 : 0.0) + (values[i + offset] > level[i] ? 1.0 : 0.0);
}

}  // namespace fleck::FLECK_ISA
