// How much like the shadow of something round, of one radius, the surroundings of every pixel are.
//
// A shadow is darker than its surroundings all around. The pixels about a place, at distance d, fall into
//          whole                     edge
//   core   0.20 R <= d <= 0.45 R     none                      the bright hole of a ring, the middle of a disc
//   rim    0.55 R <= d <= 0.95 R     0.80 R <= d <= 0.97 R     in 12 sectors
//   beside 1.05 R <= d <= 1.20 R     1.03 R <= d <= 1.15 R     in 12 sectors
// (sector k takes the angles atan2(dy, dx) from 30 k - 15 to before 30 k + 15 degrees)
// and the excess of a sector is the mean of its rim, less 0.7 of the mean beside it and 0.3 of the mean of the core.
// The score is the mean excess of the sectors without the two lowest and the two highest: neither a bright neighbour
// nor a gap decides. A ring scores its depth, a disc 0.7 of it; by the edge alone both score their depth. White noise
// is least in the whole; a ground uneven over a tenth to a third of R, which wide faint shadows stand in, at the edge.
//
// Layout   any Image in, of what is lost (a shadow is positive); float32 out, of any places: its pixel (y, x) is the
//          image's (row + y row_step, col + x), which may lie outside the frame. A score is the same whatever others
//          are wanted. Columns of `out` are contiguous.
// Masks    masked and not finite pixels, and pixels outside the frame, do not count. A sector counts when 40 % of its
//          rim and of what is beside it does, and at least one pixel of each; the core when 30 % does, and at least one
//          pixel, else what is beside stands for it, as where there is no core. With n sectors the n / 6 (whole part)
//          lowest and highest are left out and the score is lowered by sqrt(n / 12), so that its noise stays about the
//          same; NaN where fewer than 4 count.
// Size     2 <= radius <= 1000; bin the image first for large ones, 8 to 16 pixels are enough. On the grid some sectors
//          of some radii below 6 (of an edge, below 7) have no pixel and never count: all scores are lowered then, and
//          NaN where fewer than 4 are left.
// Cost     places * 3.5 radius^2 additions (edge: 1.8), twice that where not all pixels count; two copies of the part
//          of the image that they look at.
// Sums are taken in float32 in one order, so threads and instruction set change no byte.
#pragma once

#include "fleck/image.hpp"

namespace fleck {

constexpr int shadow_sectors = 12;

enum class ShadowPart { whole, edge };

// Where the first place lies, and how many rows apart they are.
struct ShadowPlaces {
  std::int64_t row = 0, col = 0, row_step = 1;
};

// threads = 0 means default_threads().
void shadow_search(const Image& lost, const Mask& mask, double radius, ShadowPart part, const ShadowPlaces& places,
                   View2D<float> out, int threads);

}  // namespace fleck
