#include <doctest/doctest.h>

#include <vector>

#include "fleck/measure_feature.hpp"
#include "frames.hpp"

namespace {

constexpr std::int64_t rows = 41, cols = 50;

struct Planes {
  std::vector<float> loss = std::vector<float>(rows * cols, 0.1f), noise = std::vector<float>(rows * cols, 0.01f),
                     level = std::vector<float>(rows * cols, 1000.0f);
  std::vector<std::uint8_t> all = std::vector<std::uint8_t>(rows * cols, 1),
                            footprint = std::vector<std::uint8_t>(rows * cols, 0);

  fleck::FeatureMeasures measure() const {
    const auto plane = [](const std::vector<float>& p) { return fleck::View2D<const float>{p.data(), rows, cols, cols, 1}; };
    const auto mask = [](const std::vector<std::uint8_t>& m) { return fleck::Mask{m.data(), rows, cols, cols, 1}; };
    return fleck::measure_feature({plane(loss), plane(noise), plane(level), mask(all), mask(all), mask(footprint)});
  }
};

}  // namespace

TEST_CASE("measure_feature measures a disc against the level beside it") {
  Planes planes;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      if ((r - 20) * (r - 20) + (c - 24) * (c - 24) <= 36) {
        planes.footprint[r * cols + c] = 1;
        planes.loss[r * cols + c] = 0.55f;
      }
  const fleck::FeatureMeasures found = planes.measure();
  CHECK(found.x_centroid == doctest::Approx(24));
  CHECK(found.y_centroid == doctest::Approx(20));
  CHECK(found.area == 113);
  CHECK(found.area_50 == 113);
  CHECK(found.loss_mean == doctest::Approx(0.5));
  CHECK(found.lost_flux == doctest::Approx(113 * 500));
  CHECK(found.radius == doctest::Approx(6.5).epsilon(0.1));
  CHECK(found.radius_inner == 0);
  CHECK(found.semimajor_axis == doctest::Approx(found.semiminor_axis));
}

TEST_CASE("measure_feature takes a single pixel in a corner") {
  Planes planes;
  planes.footprint[0] = 1;
  planes.loss[0] = 0.4f;
  const fleck::FeatureMeasures found = planes.measure();
  CHECK(found.x_peak == 0);
  CHECK(found.area == 1);
  CHECK(found.loss_max == doctest::Approx((0.4 - 0.1) / 0.9));
  CHECK(found.semimajor_axis == doctest::Approx(0.288675));
}

TEST_CASE("measure_feature takes what fills its cut") {
  Planes planes;
  planes.footprint = planes.all;
  const fleck::FeatureMeasures found = planes.measure();
  CHECK(found.area == rows * cols);
  CHECK(found.loss_mean == doctest::Approx(0.1));
}
