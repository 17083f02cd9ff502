#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "fleck/gaussian_filter.hpp"

namespace {

fleck::Image image_of(const std::vector<float>& data, std::int64_t rows, std::int64_t cols) {
  return {reinterpret_cast<const std::byte*>(data.data()), rows, cols, cols * 4, 4, fleck::DType::f32, false};
}

}  // namespace

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
