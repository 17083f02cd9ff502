#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fleck/mesh_statistics.hpp"
#include "frames.hpp"

namespace {

template <class T>
fleck::View2D<T> plane(std::vector<T>& values, std::int64_t rows, std::int64_t cols) {
  return {values.data(), rows, cols, cols, 1};
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
  fleck::mesh_statistics(image_of(data, 3, 5), {}, {.box_rows = 2, .box_cols = 4}, plane(level, 2, 2),
                         plane(noise, 2, 2), plane(count, 2, 2), 2);
  CHECK(level[0] == 4);
  CHECK(count[0] == 7);
  CHECK(noise[0] == doctest::Approx(std::sqrt(28.0 / 6.0) / fleck::truncation(3.0)));
  CHECK((level[1] == 7 && noise[1] == 0 && count[1] == 2));
  CHECK((std::isnan(level[2]) && std::isnan(noise[3]) && count[2] == 0));

  std::vector<double> filled(4);
  fleck::fill_mesh(plane(level, 2, 2), plane(filled, 2, 2), 1);
  CHECK(filled == std::vector<double>{4, 7, 4, 7});
}

TEST_CASE("ramps in boxes of every size keep their median and all their pixels") {
  constexpr std::int64_t rows = 70, cols = 83;
  std::vector<float> data(rows * cols);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
  for (std::int64_t side = 1; side <= 90; ++side) {
    const std::int64_t down = fleck::mesh_size(rows, std::min(side, rows));
    const std::int64_t across = fleck::mesh_size(cols, std::min(side, cols));
    std::vector<double> level(down * across), noise(down * across);
    std::vector<std::int64_t> count(down * across);
    fleck::mesh_statistics(image_of(data, rows, cols), {}, {.box_rows = side, .box_cols = side},
                           plane(level, down, across), plane(noise, down, across), plane(count, down, across), 1);
    bool right = true;
    for (std::int64_t r = 0; r < down; ++r)
      for (std::int64_t c = 0; c < across; ++c) {
        const std::int64_t last_row = std::min((r + 1) * side, rows) - 1;
        const std::int64_t last_col = std::min((c + 1) * side, cols) - 1;
        const double middle = 0.5 * static_cast<double>((r * side + last_row) * cols + c * side + last_col);
        right &= level[r * across + c] == middle;
        right &= count[r * across + c] == (last_row - r * side + 1) * (last_col - c * side + 1);
      }
    CHECK_MESSAGE(right, side);
  }
}

TEST_CASE("a plane through the mesh meets the centres and stays level beyond them") {
  std::vector<double> mesh = {0, 4};
  std::vector<float> out(5);
  fleck::interpolate_mesh(plane(mesh, 1, 2), 3, 3, {1, 5}, plane(out, 1, 5), 1);  // centres at 1 and 3.5
  CHECK(out == std::vector<float>{0, 0, 1.6f, 3.2f, 4});
  out.resize(2);
  fleck::interpolate_mesh(plane(mesh, 1, 2), 3, 3, {1, 5, 0, 2}, plane(out, 1, 2), 1);
  CHECK(out == std::vector<float>{1.6f, 3.2f});
}

TEST_CASE("a mesh and the plane through it are the same bytes for any number of threads") {
  constexpr std::int64_t rows = 150, cols = 170, box = 16;
  std::vector<float> data = noise(rows * cols);
  for (std::int64_t i = 0; i < 40 * cols; ++i) data[i] = std::numeric_limits<float>::quiet_NaN();  // empty boxes
  const std::int64_t down = fleck::mesh_size(rows, box), across = fleck::mesh_size(cols, box);
  struct Planes {
    std::vector<double> level, noise, filled;
    std::vector<std::int64_t> count;
    std::vector<float> smooth;
  };
  const auto measured = [&](int threads) {
    const std::size_t boxes = down * across;
    Planes p{std::vector<double>(boxes), std::vector<double>(boxes), std::vector<double>(boxes),
             std::vector<std::int64_t>(boxes), std::vector<float>(rows * cols)};
    fleck::mesh_statistics(image_of(data, rows, cols), {}, {.box_rows = box, .box_cols = box},
                           plane(p.level, down, across), plane(p.noise, down, across), plane(p.count, down, across),
                           threads);
    fleck::fill_mesh(plane(p.level, down, across), plane(p.filled, down, across), threads);
    fleck::interpolate_mesh(plane(p.filled, down, across), box, box, {rows, cols}, plane(p.smooth, rows, cols), threads);
    return p;
  };
  const Planes one = measured(1);
  for (const int threads : {2, 3, 7}) {
    const Planes several = measured(threads);
    CHECK(same_bytes(several.level, one.level));
    CHECK(same_bytes(several.noise, one.noise));
    CHECK(same_bytes(several.count, one.count));
    CHECK(same_bytes(several.filled, one.filled));
    CHECK(same_bytes(several.smooth, one.smooth));
  }
}
