// Fits models of compact features to pixels: each an ellipse with soft edges, those of one patch all at once, and the
// sloping level that they stand on.
//
// Model    light = (1 + l0 + l1 (x - cx) / s + l2 (y - cy) / s) * the product over features of 1 - loss, where cx, cy
//          is the mean of the starts and s their largest reach. A feature's loss, averaged over the pixel, is
//              depth * (edge(radius) - (1 - fill) * edge(hole * radius)),
//          where edge(a) = 1 / (1 + exp((r - a) / softness)), and the distance in the ellipse, of area pi radius^2,
//              r^2 = cosh(t) (dx^2 + dy^2) - sinh(t) / t (cos (dx^2 - dy^2) + sin 2 dx dy), t^2 = cos^2 + sin^2.
//          The values, in order: x, y, log(radius), cos, sin, log(softness), depth, hole, fill. Without a hole the
//          last two keep their start, and the second edge is left out. The average is that of nodes^2 places of
//          Gauss-Legendre integration; of one, the pixel's own spread is added to the softness. A feature takes
//          nothing from pixels that are farther than `reach` less profile_margin.
// Fit      Levenberg-Marquardt with bounds; residuals beyond profile_clip deviations (of the noise, or of the median
//          residual of the features' `own` pixels if that is larger) lose weight, and what the pixels do not tell is
//          kept near its start by its expected deviation, for the level profile_level about 0. It ends when a step
//          gains less than profile_enough in half chi-square, or nothing, or after profile_iterations.
// Pixels   not masked, finite, and of positive noise. Fewer than 5 + 7 features: NaN.
// Errors   the inverse of the curvature, of which the pixels' part is divided by the mean square residual of the
//          features' own pixels where that exceeds 1; NaN where it cannot be inverted, and for what was kept.
// Layout   any Images in, each of a part of a frame; mask and noise of that part's shape.
// Cost     iterations * pixels * (nodes^2 exponentials + half the squared number of values); scratch per thread of
//          (11 + 13 features) * pixels * 8 bytes.
// Sums over pixels are eight partial sums added in one order, and nothing of the C library is called but the square
// root, so threads and instruction set change no byte. The exponential is within 3 units of the last place.
#pragma once

#include <cstdint>
#include <span>

#include "fleck/image.hpp"

namespace fleck {

constexpr int profile_values = 9, profile_iterations = 25;
constexpr int most_profiles = 64;  // in one patch
constexpr double profile_margin = 3, profile_clip = 3, profile_level = 0.5, profile_enough = 3e-3;

// What a feature's fit starts from. |cos| and |sin| are bounded by 3; nodes is 1, 2 or 3; radii are about the start.
struct ProfileStart {
  double value[profile_values], expected[profile_values], low[profile_values], high[profile_values];
  double reach, own;
  std::int32_t nodes, holed;
};

struct FittedProfile {
  double value[profile_values], covariance[profile_values][profile_values];
  double rms;  // of the residuals of its own pixels, in units of the noise
};

// Part of a frame whose first pixel is (row, col), and the next `features` starts.
struct ProfilePatch {
  std::int64_t row, col, features;
  Image transmission, noise;
  Mask mask;
};

// `fitted` has the size of `starts`; misfit[i] is the mean square residual of the pixels of patch i that are any
// feature's own, NaN where there is none. threads = 0 means default_threads().
void profile_fit(std::span<const ProfilePatch> patches, std::span<const ProfileStart> starts,
                 std::span<FittedProfile> fitted, std::span<double> misfit, int threads);

}  // namespace fleck
