// What a detector reads of the electrons that are expected: photons come at random, and the amplifier adds its noise.
//
// Numbers   out = Poisson(expected) + read_noise * Gaussian, each pixel by itself. Poisson numbers follow their distribution
//           to 1 in 2^32 of each of its likely values (those that come up less than once in 10^12 draws may be missing), for
//           0 <= expected <= most_electrons; larger, negative and not finite numbers must not be there.
// Seed      any numbers, in order. A row's numbers depend on the seed and the row alone: the same bytes for any number of
//           threads, instruction set, type and layout of the image.
// Aliasing  `out` may not overlap the image. Columns of `out` are contiguous.
// Cost      about 15 ns per pixel below 256 electrons, some 3 more for every further binary digit that is 1. Tables of 1 MB
//           are made when it is first called. Scratch: two rows per thread.
#pragma once

#include <cstdint>
#include <span>

#include "fleck/image.hpp"

namespace fleck {

constexpr double most_electrons = 2097151;

void photon_noise(const Image& expected, double read_noise, std::span<const std::uint64_t> seed, View2D<float> out,
                  int threads);

}  // namespace fleck
