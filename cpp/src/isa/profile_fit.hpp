// The loops of profile_fit that are compiled for every instruction set.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {

constexpr std::int64_t profile_block = 8;  // pixels, and partial sums

// Partial sums are added pairwise.
constexpr double profile_total(const double* part) {
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

// Places in a pixel, and their weights.
struct ProfileNodes {
  int n;
  double dy[9], dx[9], weight[9];
};

// Blocks of a patch's pixels.
struct ProfileBlocks {
  const std::int32_t* index;
  std::int64_t n;
};

// One feature's values, and the pixels that it takes light from: those of the blocks where `near` is 1, and not 0.
struct ProfileFeature {
  const double* value;
  const ProfileNodes* nodes;
  bool holed;
  double blur;  // squared, added to the softness
  const double *y, *x, *near;
  ProfileBlocks blocks;
};

// All pixels of a patch. The level falls off along `down` and `right`.
struct ProfilePixels {
  std::int64_t n;  // whole blocks
  const double *transmission, *sharpness, *down, *right;  // sharpness is 1 / noise, 0 where there is no pixel
};

FLECK_FOR_EACH_ISA(
    void profile_loss(const ProfileFeature& feature, double* __restrict loss) noexcept;
    // The derivative of what passes, 1 - loss, by value i goes to rows[i * stride + pixel].
    void profile_derivatives(const ProfileFeature& feature, double* __restrict rows, std::int64_t stride) noexcept;
    // What passes `level` and the features, all but `without` (-1: all).
    void profile_light(const ProfilePixels& pixels, const double* level, const double* const* losses, int features,
                       int without, double* __restrict light) noexcept;
    void profile_residual(const ProfilePixels& pixels, const double* light, double* __restrict residual) noexcept;
    // The sum of sqrt(1 + (residual / spread)^2) - 1.
    double profile_cost(const double* residual, std::int64_t n, double spread) noexcept;
    // 1 / sqrt(1 + (residual / spread)^2).
    void profile_weight(const double* residual, std::int64_t n, double spread, double* __restrict weight) noexcept;
    void profile_product(const double* a, const double* b, std::int64_t n, double* __restrict product) noexcept;
    // Adds a * b * rows[i * stride + pixel] to sums[i * profile_block + pixel % profile_block].
    void profile_sums(const double* a, const double* b, const double* rows, std::int64_t n, std::int64_t stride,
                      const ProfileBlocks& blocks, double* __restrict sums) noexcept;)

}  // namespace fleck
