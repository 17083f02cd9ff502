// What imperfect charge transfer does to an image while it is read out, and undoing it.
//
// Layout      Charge moves to row 0: every column is a line of packets of its own. For another direction pass a view
//             that is reversed or transposed; strides make that free.
// Traps       A packet of at least level[w] electrons finds the traps of level w. They take capture[w] * scale of it,
//             scale being what row and column say (TrapMap), and give it back to the packets behind: of what they
//             took the share release[w, t] to the (t + 1)-th, and to the next one that reaches the level, besides,
//             the share remaining[w, t], all that is left. After `release.cols` packets they are silent. Where the
//             scale falls from one row to the next, what is still trapped falls with it.
// Readout     Levels from the highest to the lowest, each through the whole column, every packet compared before the
//             level changes it; all that `substeps` times, each with the capture that it is given. This is the
//             forward model of the published PCTETAB tables of ACS/WFC.
// Restoring   Iterations of model -= readout(model) - observed, starting at the observed column. In all but the last
//             a difference d is damped by d^2 / (d^2 + read_noise^2). With repair, a column that comes out below
//             threshold, -12 in two rows or -15 in three, both as it is and against what was observed, is a cosmic
//             ray that came during readout: from the row of the last ten with the largest gain on, the scale is
//             multiplied by 0.75, and the column begins anew, up to four times. The first ten and last two rows are
//             not tested.
// Numbers     Computed in double, with scales rounded to float as the published program keeps them. A pixel that is
//             not finite takes no part, but what it was given is lost. The sign of a zero is lost.
// Aliasing    `out` may not overlap the image.
// Order       The same bytes for any number of threads and any instruction set.
// Cost        Per column and substep a look at up to 64 packets for each level that they reach or that still holds
//             something for them. Scratch: a copy of the profiles; per thread 0.2 KB for every row and 16 bytes for
//             every level.
#pragma once

#include <cstdint>
#include <span>

#include "fleck/image.hpp"

namespace fleck {

// Of levels rising in charge. capture: electrons in one substep through a whole column. The profiles have a row per
// level, col_stride 1, and at least one column.
struct TrapTable {
  std::span<const double> level, capture;
  View2D<const double> release, remaining;
  int substeps = 1;
};

// scale(row, col) = date * (r + 1) / rows * nodes[col] at r, where r = row + first is the place in the whole column
// of `rows`, and the four nodes of a column lie a quarter of it apart, from 0 on, joined by straight lines; behind
// 2.999 quarters the factor stays. Without nodes it is 1.
struct TrapMap {
  View2D<const double> nodes;  // columns of the image x 4, or empty
  double date = 1;
  std::int64_t rows = 2048;
  std::int64_t first = 0;
};

struct RestoreOptions {
  int iterations = 5;
  double read_noise = 0;  // 0: nothing is damped
  bool repair = false;
  double threshold = -10;
};

// T is float or double; `out` has the image's shape, any strides.
template <class T>
void cte_readout(const Image& image, const TrapTable& traps, const TrapMap& map, View2D<T> out, int threads);
template <class T>
void cte_restore(const Image& image, const TrapTable& traps, const TrapMap& map, const RestoreOptions& options,
                 View2D<T> out, int threads);

extern template void cte_readout(const Image&, const TrapTable&, const TrapMap&, View2D<float>, int);
extern template void cte_readout(const Image&, const TrapTable&, const TrapMap&, View2D<double>, int);
extern template void cte_restore(const Image&, const TrapTable&, const TrapMap&, const RestoreOptions&, View2D<float>,
                                 int);
extern template void cte_restore(const Image&, const TrapTable&, const TrapMap&, const RestoreOptions&,
                                 View2D<double>, int);

}  // namespace fleck
