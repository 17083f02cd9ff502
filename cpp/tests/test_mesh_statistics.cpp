#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "fleck/mesh_statistics.hpp"

namespace {

template <class T>
fleck::View2D<T> plane(std::vector<T>& values, std::int64_t rows, std::int64_t cols) {
  return {values.data(), rows, cols, cols, 1};
}

fleck::Image image(const std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
  return {reinterpret_cast<const std::byte*>(values.data()), rows, cols, 4 * cols, 4, fleck::DType::f32, false};
}

}  // namespace

TEST_CASE("a cut normal distribution is narrower") {
  CHECK(fleck::truncation(3.0) == doctest::Approx(0.98658).epsilon(1e-5));
  CHECK(fleck::truncation(2.0) == doctest::Approx(0.87963).epsilon(1e-5));
  CHECK(fleck::truncation(40.0) == 1.0);
}

TEST_CASE("an outlier is cut, a partial box stands alone, an empty box is NaN") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  //                               box 0                   box 1 (partial)
  const std::vector<float> data = {1, 2, 3, 4,             7,
                                   5, 6, 7, 1000,          7,
                                   nan, nan, nan, nan,     nan};
  std::vector<double> level(4), noise(4);
  std::vector<std::int64_t> count(4);
  fleck::mesh_statistics(image(data, 3, 5), {}, {.box_rows = 2, .box_cols = 4}, plane(level, 2, 2), plane(noise, 2, 2),
                         plane(count, 2, 2), 2);
  CHECK(level[0] == 4);
  CHECK(count[0] == 7);
  CHECK(noise[0] == doctest::Approx(std::sqrt(28.0 / 6.0) / fleck::truncation(3.0)));
  CHECK((level[1] == 7 && noise[1] == 0 && count[1] == 2));
  CHECK((std::isnan(level[2]) && std::isnan(noise[3]) && count[2] == 0));

  std::vector<double> filled(4);
  fleck::fill_mesh(plane(level, 2, 2), plane(filled, 2, 2), 1);
  CHECK(filled == std::vector<double>{4, 7, 4, 7});
}

TEST_CASE("a plane through the mesh meets the centres and stays level beyond them") {
  std::vector<double> mesh = {0, 4};
  std::vector<float> out(5);
  fleck::interpolate_mesh(plane(mesh, 1, 2), 3, 3, plane(out, 1, 5), 1);  // centres at 1 and 3.5
  CHECK(out == std::vector<float>{0, 0, 1.6f, 3.2f, 4});
}
