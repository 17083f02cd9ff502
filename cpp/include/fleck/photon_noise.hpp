// What a detector reads of the electrons that are expected: photons come at random, and the amplifier adds its noise.
//
// Numbers   out = Poisson(expected) + read_noise * Gaussian, each pixel by itself, for 0 <= expected <= most_electrons;
//           larger, negative and not finite numbers must not be there. A Poisson number is a sum of up to 7 draws, each
//           of which follows its distribution but for 1 in 2^32 (and values with a chance below that may not come up).
// Seed      any numbers, in order. A row's numbers depend on the seed and the row alone: the same bytes for any number of
//           threads, instruction set, type and layout of the image.
// Aliasing  `out` may not overlap the image. Columns of `out` are contiguous.
// Cost      about 8 ns per pixel for one mean below 256 electrons, 12 where means vary, 20 at 40 000. Tables of 3 MB are
//           made when it is first called. Scratch: a row per thread.
#pragma once

#include <cstdint>
#include <span>

#include "fleck/image.hpp"

namespace fleck {

constexpr double most_electrons = 2097151;

void photon_noise(const Image& expected, double read_noise, std::span<const std::uint64_t> seed, View2D<float> out,
                  int threads);

}  // namespace fleck
