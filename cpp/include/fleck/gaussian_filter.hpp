// Gaussian smoothing that leaves pixels out: out = sum(w * value) / sum(w) over the pixels that count.
//
// Layout   any Image in; float32 out, any strides, not overlapping the input.
// Window   separable Gaussian, cut at `radius` = ceil(3.5 sigma) pixels each way.
// Border   pixels outside the frame do not count (the window shrinks).
// NaN      NaN, infinite and masked pixels do not count. Where fewer than 5 % of the window's weight counts, the
//          result is NaN.
// Cost     O(pixels * radius); scratch per thread of (rows_per_band + 2 radius) * cols * 8 bytes.
// The order of additions is fixed, so threads and instruction set change no byte.
#pragma once

#include "fleck/image.hpp"

namespace fleck {

// sigma > 0. threads = 0 means default_threads().
void gaussian_filter(const Image& image, const Mask& mask, double sigma, View2D<float> out, int threads);

}  // namespace fleck
