// The loops of label_components that are compiled for every instruction set. Runs of pixels of a row are given by
// their edges: run k is [edges[2 k], edges[2 k + 1]).
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace fleck {

// How neighbouring pixels of a row lie in memory: as elements E one after the other, in the other byte order or not.
template <class E, bool is_swapped>
struct Stored {
  using Element = E;
  static constexpr bool swapped = is_swapped;
};

// Room for the edges of n pixels.
constexpr std::int64_t edge_room(std::int64_t n) { return n + 4; }

// Sums over the pixels x = 0, 1, ... of a run, with weights w = value - threshold.
struct RunSums {
  double sum, w, wx, wxx;
  double peak, peak_x;  // the largest value, and where it comes first
};

#define FLECK_DECLARE_LABEL_LOOPS                                                                                    \
  /* Bit i of words[k] says whether pixel 64 k + i of n exceeds the threshold, exactly; bits from n on are 0. */     \
  template <class Pixels>                                                                                            \
  void mark_above(const std::byte* row, std::int64_t n, double threshold, std::uint64_t* __restrict words) noexcept; \
  /* The runs of ones among n bits; returns how many. */                                                             \
  std::int64_t find_runs(const std::uint64_t* words, std::int64_t n, std::int64_t* __restrict edges) noexcept;       \
  /* sums[k] over run k of a row of n pixels. Each sum is (s0 + s1) + (s2 + s3), where sj takes every fourth pixel   \
     of the run from j on: the same bytes for every instruction set. */                                              \
  template <class Pixels>                                                                                            \
  void sum_runs(const std::byte* row, std::int64_t n, const std::int64_t* edges, std::int64_t runs,                  \
                double threshold, RunSums* __restrict sums) noexcept;                                                \
  /* counts[k] = how many pixels of run k exceed the level. */                                                       \
  template <class Pixels>                                                                                            \
  void count_above(const std::byte* row, const std::int64_t* edges, std::int64_t runs, double level,                 \
                   std::int64_t* __restrict counts) noexcept;                                                        \
  /* row[x] = values[k] for x in run k, 0 for x in none, and x < n. */                                               \
  void paint_runs(const std::int64_t* edges, const std::int32_t* values, std::int64_t runs, std::int64_t n,          \
                  std::int32_t* row) noexcept;
FLECK_FOR_EACH_ISA(FLECK_DECLARE_LABEL_LOOPS)
#undef FLECK_DECLARE_LABEL_LOOPS

}  // namespace fleck
