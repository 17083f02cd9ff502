// Background level and noise on a mesh of boxes, by sigma clipping, and a smooth plane through the mesh.
//
// Layout   The image is cut into boxes of box_rows x box_cols from pixel (0, 0); the last row and column of boxes
//          may be partial; a box larger than the image is one box. Mesh planes have mesh_size() rows and columns.
// Sample   The pixels of a box that are finite and not masked. A box with none, or with fewer than
//          min_valid * (its own pixels), has level = noise = NaN and count = 0.
// Method   scale = 1.4826 * median(|x - median|) of the sample; then, until the same pixels are kept again or
//          max_iterations is reached: keep all |x - median| <= clip * scale, take the median of what is kept, and
//          scale = sd / truncation(clip), where sd is the standard deviation (n - 1) of what is kept and truncation
//          the standard deviation of a unit normal cut at +-clip. level = median, noise = scale, count = kept.
//          The start is robust (it does not break below 50 % outliers); the end has the efficiency of a standard
//          deviation and no bias on Gaussian noise. A pixel that was cut can come back: the deviation median of
//          integers is a whole number, and a start that is too small must not stay. Where more than half of the
//          sample is one value (a dead box, or integers with noise below 0.7 of a step) the deviation median is 0
//          and tells nothing: the start is then the standard deviation of the sample. A constant box has noise 0.
// Order    Medians are exact. The same bytes for any number of threads and any instruction set: a sum is taken in
//          sixteen parts, whatever the vectors are.
// Cost     Some five passes over a box that lies in the cache, a small multiple of that whatever it holds; nothing is
//          sorted but a few numbers around each median. Scratch of about 20 bytes per pixel of one box and thread (32
//          for float64 and integers of more than 16 bits), and one more plane of 512 columns, as high as a box. A box
//          has less than 2^32 pixels.
#pragma once

#include <cstdint>

#include "fleck/image.hpp"

namespace fleck {

struct MeshOptions {
  std::int64_t box_rows = 64;
  std::int64_t box_cols = 64;
  double clip = 3.0;  // at least 1.5: below, the correction amplifies more than it repairs
  int max_iterations = 20;
  double min_valid = 0.25;
};

// Boxes along an axis of `size` pixels.
constexpr std::int64_t mesh_size(std::int64_t size, std::int64_t box) { return (size - 1) / box + 1; }

// Standard deviation of a unit normal distribution cut at +-clip.
double truncation(double clip);

// Outputs have mesh_size() rows and columns, any strides, and do not overlap each other or the image.
void mesh_statistics(const Image& image, const Mask& mask, const MeshOptions& options, View2D<double> level,
                     View2D<double> noise, View2D<std::int64_t> count, int threads);

// out[box] = mesh[box] where that is a number; else the mean of the nearest numbers (Euclidean distance in boxes,
// all that tie, summed in raster order); NaN if there is none. out and mesh differ. Cost per NaN: the square of the
// distance to the nearest number.
void fill_mesh(View2D<const double> mesh, View2D<double> out, int threads);

// out[box] = the median of the numbers among size x size boxes around it (size is odd), cut off at the border of the
// mesh; of an even count the mean of the two in the middle; NaN where mesh[box] is. out and mesh differ.
void median_mesh(View2D<const double> mesh, std::int64_t size, View2D<double> out);

// The median of the numbers of a mesh, as above; NaN where there is none.
double median_of_mesh(View2D<const double> mesh);

// A part of an image of image_rows x image_cols, from (row, col) on.
struct Part {
  std::int64_t image_rows, image_cols, row = 0, col = 0;
};

// Bilinear through the box centres (a partial box has its own centre), constant beyond the outermost: never outside
// the range of the four boxes around. NaN wherever one of those four is NaN. `out` is that part of the image, whole or
// not: its pixels are the same bytes.
void interpolate_mesh(View2D<const double> mesh, std::int64_t box_rows, std::int64_t box_cols, const Part& part,
                      View2D<float> out, int threads);

}  // namespace fleck
