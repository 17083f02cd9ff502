// How much like a straight streak, of one direction and length, the surroundings of every pixel are.
//
// A streak is darker than what is beside it, on both sides and all along. With s along the direction and t across it,
// the pixels about a place fall into 12 parts of equal length, -L/2 <= s < L/2, and in each part into
//   line           |t| <= 1.25
//   left, right    2 <= |t| <= 4, t < 0 and t > 0
// (a tolerance of 1e-9 puts what lies on a border inside, or into the next part). Per side, the excess of a part is the
// mean of its line less the mean of the side, and the excess of the side is the interquartile mean over the parts: the
// lowest and the highest quarter are left out, so that neither a fleck nor a gap decides. The score is the mean of both
// sides, but no more than twice the lesser, and 0 where they differ in sign (the monotonized central limiter of van
// Leer 1977, J. Comput. Phys. 23, 276): an edge scores nothing, and what is bright scores as what is dark, with the
// other sign. A wide enough streak scores its depth.
//
// Layout   any Image in, of what is lost (a shadow is positive); float32 out, of the image's shape, its columns
//          contiguous, not overlapping the input.
// Masks    masked and not finite pixels, and pixels outside the frame, do not count. A part counts when 40 % of its line
//          and of either side do, and at least one pixel of each. With n parts the n / 4 (whole part) lowest and highest
//          are left out and the score is lowered by sqrt(n / 12), so that its noise stays about the same; NaN where fewer
//          than 6 count.
// Angle    degrees, from +col towards +row.
// Size     8 <= length <= 1000 pixels; bin the image for wide streaks. On the grid some parts of lengths below 24 have
//          no pixel and never count.
// Cost     pixels * 3 length additions and two sorts of 12: runs of up to 3 pixels across the direction are summed up
//          once for all parts that hold them. What counts is summed up pixel by pixel in parts that miss one. Scratch for
//          each thread: 3 float32 for each pixel that a tile of 128 x 512 places looks at, 1.2 MB at 48 pixels' length.
// Sums are taken in float32 in one order, so threads and instruction set change no byte; an excess that float32 cannot
// hold does not count.
#pragma once

#include "fleck/image.hpp"

namespace fleck {

constexpr int streak_parts = 12;

// threads = 0 means default_threads().
void streak_search(const Image& lost, const Mask& mask, double length, double angle, View2D<float> out, int threads);

}  // namespace fleck
