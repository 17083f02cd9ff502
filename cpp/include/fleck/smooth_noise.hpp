// The smoothest image that differs from an observed one by no more than its read noise.
//
// Layout      Rows follow the direction of transfer; pixels are pulled to their neighbours in the rows before and
//             behind.
// Step        With obs the observed image, now the present one (obs at first), s = read_noise, and clip(x, a) = x
//             held between -a and a, each pixel changes by 0.75 * 0.25 of the sum of
//               clip(d, 1) * d^2 / (d^2 + 4 s^2)             d = obs - now: towards what was observed,
//               clip(m, 0.33 s) * m^2 / (m^2 + 18 s^2)       m = mean of d over 3 x 3, 0 on the border: keeps sums,
//               clip(b, 0.33 s) * 4 s^2 / (b^2 + 4 s^2)      b = now of the row before - now, and the same behind.
//             All pixels change at once. After each step r is the root of the mean of (obs - now)^2 over the pixels
//             with |obs| > 0.1 or |now| > 0.1; the last step is the hundredth, or the first with s - r < 0.00001.
// Numbers     Steps are computed in double and stored in float, which is how the published correction of ACS/WFC
//             prepares an image. NaN spreads by a pixel per step. A read noise below 0.1 changes nothing. A frame
//             of fewer than 3 columns has no 3 x 3.
// Order       The same bytes for any number of threads and any instruction set.
// Cost        Up to 100 passes; 16 bytes per pixel of scratch.
#pragma once

#include "fleck/image.hpp"

namespace fleck {

// Returns how many steps it took. `out` has the image's shape, any strides, and may be the image.
int smooth_noise(const Image& image, double read_noise, View2D<float> out, int threads);

}  // namespace fleck
