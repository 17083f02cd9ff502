#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "fleck/median_filter.hpp"

namespace {

constexpr float none = std::numeric_limits<float>::quiet_NaN();

fleck::Image image_of(const std::vector<float>& data, std::int64_t rows, std::int64_t cols) {
  return {reinterpret_cast<const std::byte*>(data.data()), rows, cols, 4 * cols, 4, fleck::DType::f32, false};
}

std::vector<float> median(const std::vector<float>& data, std::int64_t rows, std::int64_t cols,
                          fleck::MedianWindow window, fleck::Border border, const fleck::Mask& mask = {},
                          int threads = 1) {
  std::vector<float> out(data.size(), -1.0f);
  fleck::median_filter<float>(image_of(data, rows, cols), mask, {out.data(), rows, cols, cols}, window, border,
                              nullptr, threads);
  return out;
}

// Window by window, with everything beyond the frame left out.
float by_sorting(const std::vector<float>& data, const std::vector<std::uint8_t>& mask, std::int64_t rows,
                 std::int64_t cols, std::int64_t r, std::int64_t c, fleck::MedianWindow window) {
  std::vector<float> left;
  for (std::int64_t y = std::max<std::int64_t>(0, r - window.rows / 2); y <= std::min(rows - 1, r + window.rows / 2); ++y)
    for (std::int64_t x = std::max<std::int64_t>(0, c - window.cols / 2); x <= std::min(cols - 1, c + window.cols / 2);
         ++x)
      if (!mask[y * cols + x] && !std::isnan(data[y * cols + x])) left.push_back(data[y * cols + x]);
  if (left.empty()) return none;
  std::sort(left.begin(), left.end());
  const std::size_t n = left.size();
  return n % 2 ? left[n / 2] : (left[n / 2 - 1] + left[n / 2]) / 2;
}

bool same(float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

TEST_CASE("three pixels, every border") {
  const std::vector<float> data{5, 1, 3};
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::reflect) == std::vector<float>{5, 3, 3});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::nearest) == std::vector<float>{5, 3, 3});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::mirror) == std::vector<float>{1, 3, 1});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::wrap) == std::vector<float>{3, 3, 3});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::constant) == std::vector<float>{1, 3, 1});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::shrink) == std::vector<float>{3, 3, 2});
}

TEST_CASE("nothing left is NaN") {
  const auto found = median({none, none, 4}, 1, 3, {1, 1}, fleck::Border::reflect);
  CHECK(std::isnan(found[0]));
  CHECK(std::isnan(found[1]));
  CHECK(found[2] == 4.0f);
}

TEST_CASE("frames of all kinds equal sorting, on any number of threads") {
  const std::int64_t rows = 75, cols = 141;
  std::mt19937 random(1);
  std::vector<std::uint8_t> masked(rows * cols);
  for (auto& m : masked) m = random() % 5 == 0;
  const fleck::Mask mask{masked.data(), rows, cols, cols};
  for (int kind = 0; kind < 5; ++kind) {
    std::vector<float> data(rows * cols);
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const float noise = static_cast<float>(random() % 100000) / 1000;
      data[i] = kind == 0   ? noise
                : kind == 1 ? 7.0f
                : kind == 2 ? std::floor(noise / 50)
                : kind == 3 ? static_cast<float>(i % cols) * 1000 + static_cast<float>(i / cols)
                            : (random() % 2 ? none : noise * noise * noise);
    }
    for (const fleck::MedianWindow window : {fleck::MedianWindow{3, 3}, {1, 9}, {31, 15}, {75, 141}}) {
      const auto found = median(data, rows, cols, window, fleck::Border::shrink, mask);
      int wrong = 0;
      for (std::int64_t i = 0; i < rows * cols; i += window.rows > 31 ? 97 : 1)
        wrong += !same(found[i], by_sorting(data, masked, rows, cols, i / cols, i % cols, window));
      CHECK_MESSAGE(wrong == 0, "kind ", kind, " window ", window.rows, " x ", window.cols);
      const auto threaded = median(data, rows, cols, window, fleck::Border::shrink, mask, 3);
      CHECK(std::equal(found.begin(), found.end(), threaded.begin(), same));
    }
  }
}

TEST_CASE("64-bit integers, all bits, in place of nothing") {
  std::vector<std::uint64_t> data{~0ull, ~0ull - 1, ~0ull - 2, 0, ~0ull};
  const fleck::Image image{reinterpret_cast<const std::byte*>(data.data()), 1, 5, 40, 8, fleck::DType::u64, false};
  std::vector<std::uint64_t> out(5);
  fleck::median_filter<std::uint64_t>(image, {}, {out.data(), 1, 5, 5}, {1, 3}, fleck::Border::reflect, nullptr, 1);
  CHECK(out == std::vector<std::uint64_t>{~0ull, ~0ull - 1, ~0ull - 2, ~0ull - 2, ~0ull});
}

TEST_CASE("a window that does not fit, or an output of the wrong type, is refused") {
  const std::vector<float> data(6);
  CHECK_THROWS_AS(median(data, 2, 3, {2, 3}, fleck::Border::reflect), std::invalid_argument);
  CHECK_THROWS_AS(median(data, 2, 3, {3, 3}, fleck::Border::reflect), std::invalid_argument);
  CHECK_THROWS_AS(median(data, 2, 3, {1, -1}, fleck::Border::reflect), std::invalid_argument);
  std::vector<double> out(6);
  CHECK_THROWS_AS(fleck::median_filter<double>(image_of(data, 2, 3), {}, {out.data(), 2, 3, 3}, {1, 3},
                                               fleck::Border::reflect, nullptr, 1),
                  std::invalid_argument);
}
