// Local maxima of an image over its noise.
//
// Noise     One standard deviation of a pixel: interpolated from a mesh of boxes as by interpolate_mesh, infinite where
//           that is NaN, and at least `least`; where a plane of errors over `white` is more, that; and with a plane of
//           doubts added in squares.
// Peaks     significance = image / noise in float, 0 where that overflows. A peak has more than `limit`, more than
//           those of its neighbours (3 x 3 pixels) that come before it in the order of the frame, and no less than
//           those that come after. Nothing is beyond the frame.
// Opposite  How far the other side reaches: the greatest of -significance among the pixels of every third row and
//           column that are not masked. The sample is what exceeds `opposite_floor`, and the next one below.
// Order     Peaks in the order of the frame; the sample in that of the frame, the next one below last. The same bytes
//           for any number of threads and any instruction set.
// Cost      One pass over each plane; scratch of some 20 rows per thread.
#pragma once

#include <cstdint>
#include <vector>

#include "fleck/image.hpp"

namespace fleck {

struct PeakNoise {
  View2D<const double> mesh;  // mesh_size() rows and columns
  std::int64_t box_rows, box_cols;
  float least;  // more than 0
  Image error;  // of the image's shape, or without data
  float white = 1;
  Image doubt;  // of the image's shape, or without data
};

struct Peak {
  std::int64_t row, col;
  float significance;
};

struct Peaks {
  std::vector<Peak> peaks;
  std::vector<float> opposite;
  std::int64_t sampled = 0;  // pixels that the sample was taken from
};

Peaks peak_search(const Image& image, const Mask& mask, const PeakNoise& noise, float limit, float opposite_floor,
                  int threads);

}  // namespace fleck
