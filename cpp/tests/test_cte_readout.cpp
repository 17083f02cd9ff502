#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "fleck/cte_readout.hpp"
#include "fleck/smooth_noise.hpp"
#include "frames.hpp"

namespace {

constexpr std::int64_t rows = 200, cols = 37, levels = 40, length = 12;

// Levels in steps of 4 electrons; of what is trapped each packet behind gets half of the rest, the last one all.
struct Table {
  std::vector<double> level, capture, release, remaining;

  Table() {
    for (std::int64_t w = 0; w < levels; ++w) {
      level.push_back(4.0 * static_cast<double>(w + 1));
      capture.push_back(3);
      double left = 1;
      for (std::int64_t t = 0; t < length; ++t) {
        const double given = t + 1 < length ? left / 2 : left;
        release.push_back(given);
        remaining.push_back(left -= given);
      }
    }
  }

  fleck::TrapTable view(int substeps = 2) const {
    return {level, capture, {release.data(), levels, length, length, 1},
            {remaining.data(), levels, length, length, 1}, substeps};
  }
};

// A level with peaks, and nothing in the last rows.
std::vector<float> frame() {
  std::vector<float> data = noise(rows * cols);
  for (float& value : data) value = value < 0.97f ? 60 + 10 * value : 5000 * (value - 0.9f);
  std::fill(data.begin() + 150 * cols, data.end(), 0.0f);
  return data;
}

std::vector<double> read_out(const std::vector<float>& data, const fleck::TrapMap& map, int threads = 1) {
  const Table table;
  std::vector<double> out(data.size());
  fleck::cte_readout(image_of(data, rows, cols), table.view(), map,
                     fleck::View2D<double>{out.data(), rows, cols, cols, 1}, threads);
  return out;
}

}  // namespace

TEST_CASE("cte_readout takes what a packet meets, and gives it to those behind") {
  const double level[] = {10}, capture[] = {8}, release[] = {0.5, 0.25}, remaining[] = {0.5, 0.25};
  const fleck::TrapTable traps{level, capture, {release, 1, 2, 2, 1}, {remaining, 1, 2, 2, 1}, 1};
  const std::vector<float> data{0, 100, 0, 0, 0, 20, 9, 30};
  std::vector<float> out(8);
  const fleck::TrapMap map{{}, 1, 8, 0};  // scale (row + 1) / 8
  fleck::cte_readout(image_of(data, 8, 1), traps, map, fleck::View2D<float>{out.data(), 8, 1, 1, 1}, 1);
  // 2 of 100: 1 and 0.5 go to the next two, the rest is lost. 6 of 20: 3 to the next, and both other parts to the 30,
  // of which 8 are taken.
  const std::vector<float> expected{0, 98, 1, 0.5, 0, 14, 12, 30 + 1.5f + 1.5f - 8};
  for (int i = 0; i < 8; ++i) CHECK(out[i] == expected[i]);
}

TEST_CASE("cte_readout moves charge, and keeps its sum in every column") {
  const std::vector<float> data = frame();
  const std::vector<double> out = read_out(data, {{}, 1, rows, 0});
  double moved = 0;
  for (std::int64_t x = 0; x < cols; ++x) {
    double before = 0, after = 0;
    for (std::int64_t y = 0; y < rows; ++y) {
      before += data[y * cols + x];
      after += out[y * cols + x];
      moved += std::abs(out[y * cols + x] - data[y * cols + x]);
    }
    CHECK(after == doctest::Approx(before).epsilon(1e-12));
  }
  CHECK(moved > 1000);
}

TEST_CASE("cte_restore undoes cte_readout") {
  const std::vector<float> data = frame();
  const fleck::TrapMap map{{}, 0.3, rows, 0};
  const std::vector<double> trailed = read_out(data, map);
  const fleck::Image image{reinterpret_cast<const std::byte*>(trailed.data()), rows, cols, cols * 8, 8,
                           fleck::DType::f64};
  std::vector<double> out(data.size());
  const Table table;
  fleck::cte_restore(image, table.view(), map, {.iterations = 8},
                     fleck::View2D<double>{out.data(), rows, cols, cols, 1}, 2);
  double wrong = 0, before = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    wrong += std::abs(out[i] - data[i]);
    before += std::abs(trailed[i] - data[i]);
  }
  CHECK(wrong < 0.1 * before);
}

TEST_CASE("cte_readout gives the same bytes for any number of threads, and each column its own scale") {
  std::vector<float> data = frame();
  data[70 * cols + 5] = std::numeric_limits<float>::quiet_NaN();
  std::vector<double> nodes(cols * 4);
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i] = 0.2 + static_cast<double>(i * 7 % 11);  // falling too
  const fleck::TrapMap map{{nodes.data(), cols, 4, 4, 1}, 0.1, rows, 0};
  const std::vector<double> one = read_out(data, map);
  for (const int threads : {2, 3, 7}) CHECK(same_bytes(read_out(data, map, threads), one));
  std::vector<float> alone(rows);
  for (std::int64_t y = 0; y < rows; ++y) alone[y] = data[y * cols + 20];
  std::vector<double> out(rows);
  const Table table;
  fleck::cte_readout(image_of(alone, rows, 1), table.view(), {{&nodes[80], 1, 4, 4, 1}, 0.1, rows, 0},
                     fleck::View2D<double>{out.data(), rows, 1, 1, 1}, 1);
  for (std::int64_t y = 0; y < rows; ++y) CHECK(out[y] == one[y * cols + 20]);
}

TEST_CASE("smooth_noise takes out no more than the noise, for any number of threads") {
  std::vector<float> data = noise(rows * cols);
  for (float& value : data) value = 64 + 14 * (value - 0.5f);
  data[50 * cols + 10] = 4000;
  const auto smoothed = [&](int threads) {
    std::vector<float> out(data.size());
    CHECK(fleck::smooth_noise(image_of(data, rows, cols), 4, {out.data(), rows, cols, cols, 1}, threads) > 1);
    return out;
  };
  const std::vector<float> one = smoothed(1);
  for (const int threads : {2, 7}) CHECK(same_bytes(smoothed(threads), one));
  double before = 0, after = 0;
  for (std::int64_t i = 60 * cols; i < rows * cols; ++i) {
    before += std::abs(data[i] - 64);
    after += std::abs(one[i] - 64);
  }
  CHECK(after < 0.7 * before);
  CHECK(one[50 * cols + 10] == doctest::Approx(4000).epsilon(0.002));
}

TEST_CASE("smooth_noise leaves an image without noise as it is") {
  const std::vector<float> data = frame();
  std::vector<float> out(data.size());
  CHECK(fleck::smooth_noise(image_of(data, rows, cols), 0.05, {out.data(), rows, cols, cols, 1}, 1) == 0);
  CHECK(same_bytes(out, data));
}
