// The published recipe in one sweep: a frame over the level of its mesh, the median of the transmission, what exceeds
// its noise, labelled. No plane of the frame is made but one byte a pixel.
//
// Recipe       level: mesh_statistics of the pixels used, in boxes of level_box; fill_mesh, median_mesh of 3 x 3,
//              interpolated. transmission = data / level in float. loss = 1 - transmission.
//              excess = 100 * (1 - median of the transmission in `window`), less the interpolated level of its own
//              mesh, in boxes of noise_box. noise = the median of that mesh's noise, at least least_noise.
//              Objects: connected pixels (edges and corners) where excess > sigma * noise and state is 0, of at least
//              min_area.
// State        A byte of every pixel, which says why it is left out: `flagged` by its quality or not finite; `unlit`,
//              its level is not above the least normal float; `deviant`, its loss is below -deviation times the noise
//              that the mesh of the loss tells at it, which is at least least_noise. Only pixels with a reason are
//              written: the caller's zeros need not be touched. Flagged and unlit pixels are left out of every
//              statistic; deviants of the mesh of the loss alone, which is measured again without them.
// Meshes       Come back filled and median-filtered; NaN throughout when no box holds enough pixels. Where too few
//              pixels of every box tell its loss, a hundredth of the usual part must do, as for any noise of a search.
// Layout       Data and quality of any type, byte order and strides; state: rows are contiguous.
// Exactness    The same bytes as those steps over whole planes, for any number of threads and any instruction set.
//              Pixels of the excess are kept that pass a bound guessed from their own box; when all noise is known, a
//              band whose bound is not proven low enough is filtered once more.
// Cost         Three mesh statistics and one median filter. Scratch of two bands per thread, some 130 rows each in
//              float, and about a tenth of the frame's pixels, in float.
#pragma once

#include <cstdint>
#include <vector>

#include "fleck/image.hpp"

namespace fleck {

struct LiteralRecipe {
  std::int64_t level_box, noise_box;  // pixels a side
  std::int64_t window_rows, window_cols;  // odd, no larger than the frame
  double sigma;
  std::int64_t min_area;
  double deviation;
  double least_noise;
  double few_valid;       // part of a box that must do where no box has more
  bool without_deviants;  // whether the loss is measured again without them
};

inline constexpr std::uint8_t flagged = 1, unlit = 2, deviant = 4;  // of a pixel's state

// Pixels [begin, end) of a row.
struct ObjectRun {
  std::int64_t row, begin, end, object;
};

struct LiteralObjects {
  double noise;                 // of the excess
  std::int64_t counts[3] = {};  // pixels flagged, unlit, deviant
  std::vector<double> peaks;    // excess over its level, by object, in raster order of their first pixels
  std::vector<ObjectRun> runs;  // in raster order
};

// level and loss_noise: mesh_size() of the frame in their boxes, any strides. Pixels are flagged where quality has one
// of `bits`; an image without data says nothing.
LiteralObjects literal_search(const Image& image, const Image& quality, std::uint64_t bits,
                              const LiteralRecipe& recipe, View2D<double> level, View2D<double> loss_noise,
                              View2D<std::uint8_t> state, int threads);

}  // namespace fleck
