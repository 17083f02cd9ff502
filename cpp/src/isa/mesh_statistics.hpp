// The loops of mesh_statistics that are compiled for every instruction set. T is float or double. What is gathered
// keeps its order; only gather_finite may see NaN.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

constexpr int few = 64;                    // numbers that are sorted at a time
constexpr std::int64_t gather_slack = 16;  // numbers beyond the last that gathering may overwrite

struct Gathered {
  std::int64_t below;   // left out because they are smaller
  std::int64_t inside;
};

template <class T>
struct Extremes {
  T least, greatest;
};

struct BoxSums {
  std::int64_t count = 0;
  double first = 0, squares = 0;  // of the differences from a centre, and of their squares
};

#define FLECK_DECLARE_MESH_STATISTICS                                                                          \
  /* Copies what is finite, -0 as 0; gives how many. */                                                        \
  template <class T>                                                                                           \
  std::int64_t gather_finite(const T* values, std::int64_t n, T* out) noexcept;                                \
  /* Copies low <= x < high. */                                                                                \
  template <class T>                                                                                           \
  Gathered gather_inside(const T* values, std::int64_t n, T low, T high, T* out) noexcept;                     \
  /* As gather_inside, of |x - centre|. */                                                                     \
  template <class T>                                                                                           \
  Gathered gather_deviations(const T* values, std::int64_t n, double centre, double low, double high,          \
                             double* out) noexcept;                                                            \
  /* How many x < bound. */                                                                                    \
  template <class T>                                                                                           \
  std::int64_t count_below(const T* values, std::int64_t n, T bound) noexcept;                                 \
  /* Of low <= x < high, of which there is at least one. */                                                    \
  template <class T>                                                                                           \
  Extremes<T> extremes_inside(const T* values, std::int64_t n, T low, T high) noexcept;                        \
  /* n <= few numbers in ascending order; values[n, few) are infinite and stay behind. */                      \
  template <class T>                                                                                           \
  void sort_few(const T* values, int n, T* sorted) noexcept;                                                   \
  /* Over low <= x < high, added up in an order that depends on n alone. Copies the others, unless outside     \
     is null. */                                                                                               \
  template <class T>                                                                                           \
  BoxSums sum_inside(const T* values, std::int64_t n, T low, T high, T centre, T* outside) noexcept;              \
  /* Pixels begin[k] to before begin[k + 1] lie weight[pixel] of the way from nodes[k] to nodes[k + 1]. */     \
  void interpolate_row(const double* nodes, const std::int64_t* begin, std::int64_t spans,                     \
                       const double* weight, float* out) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_MESH_STATISTICS)
#undef FLECK_DECLARE_MESH_STATISTICS

}  // namespace fleck
