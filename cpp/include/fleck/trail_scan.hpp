// Trails of deferred or missing charge behind pixels: who has one, how long, how deep.
//
// Layout      Trails run towards growing rows, away from the serial register. For another direction pass a view
//             that is reversed or transposed; strides make that free.
// Excess      value - background, where background is the median of the pixels of the same row whose column distance
//             is gap + 1 ... gap + background_width, on both sides; beyond the border, masked and not finite pixels
//             are left out. The median, because a hot pixel or a second trail among ten neighbours must not count.
// Variance    noise^2 of the pixel + mean noise^2 of its n background pixels * var(median of n unit normals), the
//             last within 5 %: pi / (2 n + 2.6) for even n, pi / (2 n + 1) for odd n.
// Walk        Step k = 1, 2, ... is pixel (row + k, col). A step counts when its excess, taken with the sign of the
//             seed, is at least n_sigma of its own deviation. The walk stops after two steps in a row that do not
//             count (so also at a change of sign), after max_length steps, at the border, and at a pixel that is
//             masked or not finite or has no background or noise. `length` is the last step that counts, and excess
//             and variance are summed over steps 1 ... length. n_sigma = -inf: a fixed length.
// Order       One result per seed, in the order of the seeds; the same bytes for any number of threads and any
//             instruction set.
// Cost        With n neighbours: O(n) per pixel in find_seeds, O(n log^2 n) per seed and step. Scratch per thread: up
//             to 0.4 KB for every pixel between the outermost neighbours; in find_seeds also a row or, where they lie
//             in other lines of memory, 256 KB or 64 columns of 64 rows and all neighbours. Types of up to 16 bits and
//             float32 are searched in float32, the others in float64.
#pragma once

#include <cstdint>
#include <vector>

#include "fleck/image.hpp"

namespace fleck {

struct Seed {
  std::int64_t row, col;
};

struct TrailOptions {
  std::int64_t background_width = 5;
  std::int64_t gap = 1;
  std::int64_t max_length = 60;
  double n_sigma = 2.0;
};

// One trail. A seed that is not finite, has no background or equals it has no sign and hence length 0; a mask on
// the seed itself is of no matter.
struct Trail {
  double seed_value = 0;  // the seed's own excess; NaN without background
  std::int64_t length = 0;
  double excess = 0;
  double variance = 0;
};

// Pixels, in raster order, whose excess is below a negative or above a positive threshold; masked and not finite
// pixels are none. The background of a trail along_rows is in the same column instead of the same row.
std::vector<Seed> find_seeds(const Image& image, const Mask& mask, bool along_rows, double threshold,
                             const TrailOptions& options, int threads);

// `noise` is one standard deviation per pixel, of the image's shape (a stride of 0 makes it one number). Seeds lie in
// the image; trails has room for all of them. profile has a row per seed: the excess of step k in column k - 1,
// wherever the walk ends, NaN where it cannot be measured.
void trail_scan(const Image& image, const Mask& mask, const Image& noise, const std::vector<Seed>& seeds,
                const TrailOptions& options, Trail* trails, View2D<double> profile, int threads);

}  // namespace fleck
