#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "fleck/gaussian_filter.hpp"
#include "frames.hpp"

TEST_CASE("gaussian_filter keeps a constant, up to the border") {
  const std::vector<float> data(70 * 90, 3.0f);
  std::vector<float> out(data.size());
  fleck::gaussian_filter(image_of(data, 70, 90), {}, 2.0, {out.data(), 70, 90, 90, 1}, 2);
  for (const float value : out) CHECK(value == doctest::Approx(3.0f).epsilon(1e-6));
}

TEST_CASE("gaussian_filter leaves out masked pixels and NaN") {
  std::vector<float> data(33 * 20, 1.0f);
  std::vector<std::uint8_t> mask(data.size(), 0);
  data[5 * 20 + 5] = 1e30f;
  mask[5 * 20 + 5] = 1;
  data[20 * 20 + 10] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> out(data.size());
  fleck::gaussian_filter(image_of(data, 33, 20), {mask.data(), 33, 20, 20, 1}, 1.0, {out.data(), 33, 20, 20, 1}, 1);
  for (const float value : out) CHECK(value == doctest::Approx(1.0f).epsilon(1e-6));
}

TEST_CASE("gaussian_filter says NaN where too little counts") {
  std::vector<float> data(9 * 9, std::numeric_limits<float>::quiet_NaN());
  data[0] = 7.0f;
  std::vector<float> out(data.size());
  fleck::gaussian_filter(image_of(data, 9, 9), {}, 1.0, {out.data(), 9, 9, 9, 1}, 3);
  CHECK(out[0] == doctest::Approx(7.0f));
  CHECK(std::isnan(out[80]));
}

TEST_CASE("gaussian_filter gives the same bytes for any number of threads") {
  constexpr std::int64_t rows = 300, cols = 70;
  std::vector<float> data = noise(rows * cols);
  data[100 * cols + 20] = std::numeric_limits<float>::quiet_NaN();
  const auto filtered = [&](int threads) {
    std::vector<float> out(data.size());
    fleck::gaussian_filter(image_of(data, rows, cols), {}, 2.0, {out.data(), rows, cols, cols, 1}, threads);
    return out;
  };
  const std::vector<float> one = filtered(1);
  for (const int threads : {2, 3, 7}) CHECK(same_bytes(filtered(threads), one));
}
