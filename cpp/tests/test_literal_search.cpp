#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "fleck/literal_search.hpp"
#include "fleck/mesh_statistics.hpp"
#include "frames.hpp"

namespace {

constexpr std::int64_t rows = 300, cols = 200, box = 64;
const fleck::LiteralRecipe recipe{.level_box = box, .noise_box = box, .window_rows = 15, .window_cols = 15, .sigma = 5,
                                  .min_area = 25, .deviation = 6, .least_noise = 1e-5, .few_valid = 0.02,
                                  .without_deviants = true};

struct Result {
  std::vector<double> level, noise;
  std::vector<std::uint8_t> state;
  fleck::LiteralObjects found;
};

Result search(const std::vector<float>& data, const std::vector<std::int16_t>& quality, int threads) {
  const std::int64_t ny = fleck::mesh_size(rows, box), nx = fleck::mesh_size(cols, box);
  Result result{std::vector<double>(ny * nx), std::vector<double>(ny * nx), std::vector<std::uint8_t>(rows * cols), {}};
  fleck::Image flags;
  if (!quality.empty())
    flags = {reinterpret_cast<const std::byte*>(quality.data()), rows, cols, 2 * cols, 2, fleck::DType::i16, false};
  result.found = fleck::literal_search(image_of(data, rows, cols), flags, 4, recipe, {result.level.data(), ny, nx, nx, 1},
                                       {result.noise.data(), ny, nx, nx, 1}, {result.state.data(), rows, cols, cols, 1},
                                       threads);
  return result;
}

// Even light with noise of 2 %, and a disc that loses a tenth.
std::vector<float> spotted() {
  std::vector<float> data = noise(rows * cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const double y = static_cast<double>(i / cols) - 150, x = static_cast<double>(i % cols) - 90;
    data[i] = (1000 + 60 * (data[i] - 0.5f)) * (y * y + x * x < 144 ? 0.9f : 1.0f);
  }
  return data;
}

}  // namespace

TEST_CASE("a disc is one object, and nothing else is") {
  const Result result = search(spotted(), {}, 2);
  REQUIRE(result.found.peaks.size() == 1);
  CHECK(result.found.peaks[0] == doctest::Approx(10).epsilon(0.1));
  std::int64_t area = 0;
  for (const auto& run : result.found.runs) {
    area += run.end - run.begin;
    for (const std::int64_t col : {run.begin, run.end - 1})  // a window that holds nothing of the disc has no loss
      CHECK(std::hypot(static_cast<double>(run.row - 150), static_cast<double>(col - 90)) < 12 + 7 * std::sqrt(2.0));
  }
  CHECK(area > 400);  // of 441 pixels of the disc
  CHECK((result.found.counts[0] == 0 && result.found.counts[1] == 0 && result.found.counts[2] == 0));
}

TEST_CASE("pixels are left out for one reason each") {
  std::vector<float> data = spotted();
  std::vector<std::int16_t> quality(rows * cols, 3);
  data[5] = std::numeric_limits<float>::quiet_NaN();
  data[70 * cols + 9] = 1500;
  quality[5] = quality[6] = 5;
  data[6] = 9000;
  const Result result = search(data, quality, 1);
  CHECK((result.state[5] == fleck::flagged && result.state[6] == fleck::flagged));
  CHECK(result.state[70 * cols + 9] == fleck::deviant);
  CHECK((result.found.counts[0] == 2 && result.found.counts[1] == 0 && result.found.counts[2] == 1));
}

TEST_CASE("noise that differs from box to box: the same bytes for any number of threads") {
  std::vector<float> data = spotted();
  const std::vector<float> more = noise(2 * rows * cols);
  for (std::int64_t i = 0; i < rows * cols; ++i)
    if (i % cols > 128) data[i] += 900 * (more[rows * cols + i / 9] - 0.5f);
  for (std::int64_t i = 0; i < 20 * cols; ++i) data[i] = -1;
  const Result one = search(data, {}, 1);
  CHECK(one.found.runs.size() > 20);
  for (const int threads : {2, 3, 7}) {
    const Result many = search(data, {}, threads);
    CHECK(same_bytes(one.level, many.level));
    CHECK(same_bytes(one.noise, many.noise));
    CHECK(same_bytes(one.state, many.state));
    CHECK(same_bytes(one.found.peaks, many.found.peaks));
    CHECK(same_bytes(one.found.runs, many.found.runs));
    CHECK(one.found.noise == many.found.noise);
  }
}
