#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "fleck/trail_scan.hpp"
#include "frames.hpp"

namespace {

constexpr std::int64_t rows = 8, cols = 7;

fleck::Image image(const std::vector<double>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), rows, cols, 8 * cols, 8, fleck::DType::f64, false};
}

fleck::Image constant(const double& value) {
  return {reinterpret_cast<const std::byte*>(&value), rows, cols, 0, 0, fleck::DType::f64, false};
}

// A sink pixel at (1, 3) with a trail of four pixels behind it.
std::vector<double> sink_frame() {
  std::vector<double> data(rows * cols, 100.0);
  const double trail[] = {-50, -20, -10, -1, -5};
  for (std::int64_t k = 0; k < 5; ++k) data[(1 + k) * cols + 3] += trail[k];
  return data;
}

}  // namespace

TEST_CASE("a trail is followed past one weak step, and summed with its error") {
  const std::vector<double> data = sink_frame();
  const double sigma = 1.0;
  const fleck::TrailOptions options{.background_width = 1, .gap = 1};
  const std::vector<fleck::Seed> seeds = fleck::find_seeds(image(data), {}, false, -30.0, options, 2);
  REQUIRE(seeds.size() == 1);
  CHECK((seeds[0].row == 1 && seeds[0].col == 3));

  fleck::Trail trail;
  std::vector<double> profile(12);
  fleck::trail_scan(image(data), {}, constant(sigma), seeds, options, &trail, {profile.data(), 1, 12, 12, 1}, 2);
  CHECK(trail.seed_value == -50);
  CHECK(trail.length == 4);
  CHECK(trail.excess == -36);
  CHECK(trail.variance == doctest::Approx(4 * 1.5).epsilon(0.02));  // pixel + mean of two neighbours
  CHECK(profile[0] == -20);
  CHECK(profile[5] == 0);             // the last row
  CHECK(std::isnan(profile[6]));      // beyond it
}

TEST_CASE("a mask ends the walk, not the profile") {
  const std::vector<double> data = sink_frame();
  const double sigma = 1.0;
  std::vector<std::uint8_t> bad(rows * cols, 0);
  bad[3 * cols + 3] = 1;
  fleck::Trail trail;
  std::vector<double> profile(3);
  fleck::trail_scan(image(data), {bad.data(), rows, cols, cols, 1}, constant(sigma), {{1, 3}}, {}, &trail,
                    {profile.data(), 1, 3, 3, 1}, 1);
  CHECK(trail.length == 1);
  CHECK(trail.excess == -20);
  CHECK((profile[0] == -20 && std::isnan(profile[1]) && profile[2] == -1));
}

TEST_CASE("a seed without background has no sign and no trail") {
  std::vector<double> data(rows * cols, 1.0);
  const double sigma = 1.0;
  fleck::Trail trail{.length = 9};
  fleck::trail_scan(image(data), {}, constant(sigma), {{0, 0}}, {.background_width = 5, .gap = 20}, &trail, {}, 1);
  CHECK(std::isnan(trail.seed_value));
  CHECK((trail.length == 0 && trail.excess == 0 && trail.variance == 0));
  CHECK(fleck::find_seeds(image(data), {}, false, 0.5, {.background_width = 5, .gap = 20}, 1).empty());
}

TEST_CASE("seeds are what stands out from a median, wherever neighbours lie in memory") {
  constexpr std::int64_t height = 150, width = 950;  // more than a tile
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr double threshold = 0.6;
  std::vector<float> data = noise(height * width), turned(data.size());
  for (std::size_t i = 0; i < data.size(); i += 11) data[i] = i % 3 ? infinity : -infinity;
  for (std::int64_t r = 0; r < height; ++r)
    for (std::int64_t c = 0; c < width; ++c) turned[c * height + r] = data[r * width + c];
  const fleck::Image lying = fleck::transposed(image_of(turned, width, height));

  const auto stands_out = [&](std::int64_t row, std::int64_t col, bool along_rows,
                              const fleck::TrailOptions& options) {
    std::vector<double> background;
    for (std::int64_t k = options.gap + 1; k <= options.gap + options.background_width; ++k)
      for (const std::int64_t step : {-k, k}) {
        const std::int64_t r = along_rows ? row + step : row, c = along_rows ? col : col + step;
        if (r < 0 || r >= height || c < 0 || c >= width || std::isinf(data[r * width + c])) continue;
        background.push_back(data[r * width + c]);
      }
    std::sort(background.begin(), background.end());
    const std::size_t n = background.size();
    const double value = data[row * width + col];
    return n > 0 && std::isfinite(value) && value - (background[(n - 1) / 2] + background[n / 2]) / 2 > threshold;
  };
  for (const fleck::TrailOptions& options : {fleck::TrailOptions{}, {.background_width = 40, .gap = 3}})
    for (const bool along_rows : {false, true}) {
      std::vector<fleck::Seed> expected;
      for (std::int64_t r = 0; r < height; ++r)
        for (std::int64_t c = 0; c < width; ++c)
          if (stands_out(r, c, along_rows, options)) expected.push_back({r, c});
      for (const fleck::Image& frame : {image_of(data, height, width), lying})
        CHECK(same_bytes(fleck::find_seeds(frame, {}, along_rows, threshold, options, 2), expected));
      CHECK(expected.size() > 10);
    }
}

TEST_CASE("seeds and trails are the same bytes for any number of threads") {
  constexpr std::int64_t height = 200, width = 90, steps = 12;
  const std::vector<float> data = noise(height * width);
  const double sigma = 0.3;
  const fleck::Image frame = image_of(data, height, width);
  const fleck::Image errors{reinterpret_cast<const std::byte*>(&sigma), height, width, 0, 0, fleck::DType::f64};
  struct Found {
    std::vector<fleck::Seed> seeds;
    std::vector<fleck::Trail> trails;
    std::vector<double> profile;
  };
  const auto scan = [&](int threads) {
    Found found{fleck::find_seeds(frame, {}, false, 0.6, {}, threads), {}, {}};
    const std::int64_t n = std::ssize(found.seeds);
    found.trails.resize(n);
    found.profile.resize(n * steps);
    fleck::trail_scan(frame, {}, errors, found.seeds, {}, found.trails.data(),
                      {found.profile.data(), n, steps, steps, 1}, threads);
    return found;
  };
  const Found one = scan(1);
  CHECK(one.seeds.size() > 100);
  for (const int threads : {2, 3, 7}) {
    const Found several = scan(threads);
    CHECK(same_bytes(several.seeds, one.seeds));
    CHECK(same_bytes(several.trails, one.trails));
    CHECK(same_bytes(several.profile, one.profile));
  }
}
