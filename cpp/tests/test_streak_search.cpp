#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fleck/streak_search.hpp"
#include "frames.hpp"

namespace {

std::vector<float> search(const std::vector<float>& data, std::int64_t rows, std::int64_t cols, double length,
                          double angle, int threads, const std::vector<std::uint8_t>& bad = {}) {
  std::vector<float> out(rows * cols, -1.0f);
  const fleck::Mask mask = bad.empty() ? fleck::Mask{} : fleck::Mask{bad.data(), rows, cols, cols, 1};
  fleck::streak_search(image_of(data, rows, cols), mask, length, angle, {out.data(), rows, cols, cols, 1}, threads);
  return out;
}

// Depth 1 on three rows.
std::vector<float> bar(std::int64_t rows, std::int64_t cols, std::int64_t row) {
  std::vector<float> data(rows * cols);
  std::fill(data.begin() + (row - 1) * cols, data.begin() + (row + 2) * cols, 1.0f);
  return data;
}

}  // namespace

TEST_CASE("streak_search scores a streak by its depth along it, and nothing across it or beside it") {
  const std::vector<float> data = bar(60, 150, 30);
  const std::vector<float> along = search(data, 60, 150, 24, 0, 1), across = search(data, 60, 150, 24, 90, 1);
  CHECK(along[30 * 150 + 75] == doctest::Approx(1.0f));
  CHECK(along[45 * 150 + 75] == doctest::Approx(0.0f));
  CHECK(across[30 * 150 + 75] == doctest::Approx(0.0f));
}

TEST_CASE("streak_search leaves out masked and not finite pixels") {
  const std::vector<float> clean = bar(60, 150, 30);
  std::vector<float> data = clean;
  std::vector<std::uint8_t> bad(data.size(), 0);
  for (std::int64_t i = 0; i < 60 * 150; i += 7) {
    data[i] = i % 2 ? 1e30f : std::numeric_limits<float>::quiet_NaN();
    bad[i] = i % 2 != 0;
  }
  const std::vector<float> out = search(data, 60, 150, 24, 0, 1, bad);
  CHECK(out[30 * 150 + 75] == doctest::Approx(1.0f));
  for (std::int64_t i = 0; i < 60 * 150; ++i)
    if (!std::isfinite(data[i])) bad[i] = 1;
  CHECK(same_bytes(search(clean, 60, 150, 24, 0, 1, bad), out));
}

TEST_CASE("streak_search says NaN where too little counts") {
  const std::vector<float> data(30 * 70, 1.0f);
  for (const float value : search(data, 30, 70, 12, 30, 2, std::vector<std::uint8_t>(data.size(), 1)))
    CHECK(std::isnan(value));
  for (const float value : search({1.0f}, 1, 1, 1000, 0, 1)) CHECK(std::isnan(value));
}

TEST_CASE("streak_search takes frames smaller than its reach") {
  for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 70}, {70, 3}, {1, 64}, {2, 65}})
    for (const double length : {8.0, 24.0, 100.0})
      CHECK(search(noise(rows * cols), rows, cols, length, 20, 2).size() == static_cast<std::size_t>(rows * cols));
}

TEST_CASE("streak_search gives the same bytes for any number of threads") {
  std::vector<float> data = noise(60 * 150);
  data[30 * 150 + 20] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> one = search(data, 60, 150, 24, 30, 1);
  for (const int threads : {2, 3, 7}) CHECK(same_bytes(search(data, 60, 150, 24, 30, threads), one));
}
