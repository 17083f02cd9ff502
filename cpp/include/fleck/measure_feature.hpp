// What one feature loses, how large it is and how it lies, from the pixels around it.
//
// Input      A part of a frame that holds the feature: loss is finite where a pixel is usable; noise is one standard
//            deviation of it. At least one pixel is of the footprint. All planes have one shape.
// Beside     The level beside the feature is the median loss of the free pixels 4 to 9 pixels outside the footprint, 0
//            where fewer than 8 are; all losses are taken against it.
// Aperture   Pixels of the footprint, grown by one pixel, that lose more than 5 %; the footprint where none does.
// Moments    Of the footprint's pixels, weighted by their loss, with the second moment of a pixel.
// Radii      From the mean loss in rings of one pixel about the centre, in the feature's own ellipse. Outer: where it
//            falls to 5 % of its largest value, or below twice its noise. Inner: where, going inwards, it falls below
//            half of its largest value by more than three times its noise; 0 when it does not. Where no ring is
//            known, the radius of a circle of the footprint's area, and 0.
// No light   Where nothing is left beside the feature (a level of 0), losses are infinite or NaN, and so is what is made
//            of them.
// Errors     One standard deviation: noise of the pixels, and of the level beside.
// Arithmetic Losses and fluxes of pixels are float, sums of them double, in the order of the frame.
#pragma once

#include <cstdint>

#include "fleck/image.hpp"

namespace fleck {

struct FeatureCut {
  View2D<const float> loss, noise, level;
  Mask usable;     // not masked
  Mask free;       // usable, and of no other feature
  Mask footprint;
};

struct FeatureMeasures {
  double x_centroid, y_centroid;  // in the cut
  std::int64_t x_peak, y_peak;
  double radius, radius_inner;
  std::int64_t area, area_50;  // pixels of the grown footprint that lose more than 5 and 50 %
  double semimajor_axis, semiminor_axis, orientation;  // degrees from +x to +y
  double loss_mean, loss_mean_err;
  double loss_max, loss_max_err;
  double lost_flux, lost_flux_err;
};

FeatureMeasures measure_feature(const FeatureCut& cut);

}  // namespace fleck
