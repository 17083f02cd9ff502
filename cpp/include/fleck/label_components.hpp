// Threshold, label and measure: the connected objects of a frame, in one pass over its pixels.
//
// Foreground    A pixel belongs to an object where data > threshold; NaN never does, a masked pixel never does.
//               The comparison is exact for every type, except that 64-bit integers need |threshold| < 2^53.
//               Infinite pixels count; sums and moments of their objects are then infinite or NaN.
// Connectivity  4 (edges) or 8 (edges and corners). Beyond the border there is nothing.
// Order         Objects are numbered in raster order of their first pixel, after min_area has dropped the small.
// Statistics    In double, 64-bit integers rounded to nearest. Weights are data - threshold, which is positive.
//               Sums run along the runs of a band of rows, in four lanes each, and then over bands, so every result
//               is the same bytes for any number of threads and any instruction set.
// Deblending    With deblend = c > 0 every object is flooded from its brightest pixel down (equal values in raster
//               order), and its flooded pixels form branches that grow and meet. Let T be the object's sum of
//               (data - threshold). Where branches meet at a pixel of value s, a branch is significant if its
//               sum of (data - s) exceeds c * T and it has at least min_area pixels. Significant branches stay
//               apart for good; branches that are not, and the pixel itself, go to the object of the pixel's
//               neighbour that was flooded first, among the significant branches if there are any. What has been
//               kept apart counts further down as one branch, so the test depends on no order but the flood's.
// Aliasing      Outputs must not overlap inputs.
// Cost          Time O(pixels), with deblending O(n log n) more in the pixels n of an object. Memory: about 250
//               bytes per object, the result's included; with labels or deblending a bit per pixel and 8 bytes per
//               run of pixels; while deblending, 32 bytes per run and 64 per pixel of the objects in hand. Nothing
//               grows with the value of a pixel. Rows whose pixels do not lie side by side are copied one by one.
#pragma once

#include <cstdint>
#include <vector>

#include "fleck/image.hpp"

namespace fleck {

struct LabelParameters {
  double threshold = 0;          // finite
  int connectivity = 8;          // 4 or 8
  std::int64_t min_area = 1;     // pixels, at least 1
  double deblend = 0;            // contrast in (0, 1], or 0 for none
  std::vector<double> levels{};  // further thresholds to count pixels above
};

struct Component {
  std::int64_t area;                    // pixels
  std::int64_t ymin, ymax, xmin, xmax;  // inclusive
  double sum;                           // of data
  double peak;                          // largest value,
  std::int64_t peak_y, peak_x;          // and where: the first in raster order
  double centroid_y, centroid_x;        // weighted by data - threshold
  double moment_yy, moment_xx, moment_xy;  // second central moments, same weights
};

struct Components {
  std::vector<Component> objects;
  std::vector<std::int64_t> level_counts;  // objects x levels: pixels with data > level
};

// Labels 1, 2, ... are written to labels (0 elsewhere) unless it is empty; its rows must be contiguous. Throws
// std::overflow_error when labels is given and there are more than 2^31 - 1 objects.
Components label_components(const Image& image, const Mask& mask, const LabelParameters& parameters,
                            const View2D<std::int32_t>& labels, int threads);

}  // namespace fleck
