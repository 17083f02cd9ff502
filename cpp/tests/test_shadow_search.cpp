#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "fleck/runtime.hpp"
#include "fleck/shadow_search.hpp"
#include "frames.hpp"
#include "isa/shadow_search.hpp"

#define FLECK_ISA baseline
#include "isa/sectors.hpp"

namespace {

std::vector<float> search(const std::vector<float>& data, std::int64_t rows, std::int64_t cols, double radius,
                          std::int64_t margin, int threads, const std::vector<std::uint8_t>& bad = {},
                          fleck::ShadowPart part = fleck::ShadowPart::whole) {
  const std::int64_t height = rows + 2 * margin, width = cols + 2 * margin;
  std::vector<float> out(height * width, -1.0f);
  const fleck::Mask mask = bad.empty() ? fleck::Mask{} : fleck::Mask{bad.data(), rows, cols, cols, 1};
  fleck::shadow_search(image_of(data, rows, cols), mask, radius, part, {-margin, -margin}, {out.data(), height, width, width, 1},
                       threads);
  return out;
}

// Depth 1 between half the radius and the radius about (row, col).
std::vector<float> ring(std::int64_t rows, std::int64_t cols, double row, double col, double radius) {
  std::vector<float> data(rows * cols);
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < cols; ++x) {
      const double distance = std::hypot(static_cast<double>(y) - row, static_cast<double>(x) - col);
      data[y * cols + x] = distance >= radius / 2 && distance <= radius ? 1.0f : 0.0f;
    }
  return data;
}

// The loops of every instruction set that can run here.
struct Loops {
  decltype(&fleck::baseline::sum_at) sum_at;
  decltype(&fleck::baseline::score_of_sectors) score_of_sectors;
};

std::vector<Loops> loops() {
  std::vector<Loops> all{{&fleck::baseline::sum_at, &fleck::baseline::score_of_sectors}};
#if defined(__x86_64__)
  const std::vector<std::string> names = fleck::available_isas();
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (has("avx2")) all.push_back({&fleck::avx2::sum_at, &fleck::avx2::score_of_sectors});
  if (has("avx512")) all.push_back({&fleck::avx512::sum_at, &fleck::avx512::score_of_sectors});
#endif
  return all;
}

}  // namespace

// A network that sorts every sequence of zeros and ones sorts everything.
TEST_CASE("shadow_search sorts its sectors, and takes the mean of the middle ones") {
  constexpr int all = 1 << fleck::shadow_sectors;
  const std::vector<float> shares(fleck::shadow_sectors + 1, 1.0f);
  for (const Loops& loop : loops())
    for (int first = 0; first < all; first += fleck::shadow_block) {
      alignas(64) float rows[fleck::shadow_sectors][fleck::shadow_block], score[fleck::shadow_block];
      for (int x = 0; x < fleck::shadow_block; ++x)
        for (int k = 0; k < fleck::shadow_sectors; ++k) rows[k][x] = static_cast<float>((first + x) >> k & 1);
      loop.score_of_sectors(rows[0], shares.data(), score);
      bool right = true;
      for (int x = 0; x < fleck::shadow_block; ++x) {
        const int ones = __builtin_popcount(static_cast<unsigned>(first + x));
        right = right && score[x] == static_cast<float>(std::clamp(ones - 2, 0, 8)) / 8.0f;
      }
      CHECK(right);
      fleck::baseline::Sectors value;
      bool sorted = true;
      for (int x = 0; x < fleck::shadow_block; x += fleck::baseline::lanes<float>) {
        for (int k = 0; k < fleck::shadow_sectors; ++k)
          value[k] = fleck::baseline::load<fleck::baseline::Lanes<float>>(&rows[k][x]);
        fleck::baseline::sort(value);
        for (int k = 1; k < fleck::shadow_sectors; ++k)
          for (int i = 0; i < fleck::baseline::lanes<float>; ++i) sorted = sorted && value[k - 1][i] <= value[k][i];
      }
      CHECK(sorted);
    }
}

TEST_CASE("shadow_search leaves out sectors that do not count") {
  const float none = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> shares(fleck::shadow_sectors + 1, 0.5f);
  shares[3] = nan;
  for (const Loops& loop : loops()) {
    alignas(64) float rows[fleck::shadow_sectors][fleck::shadow_block], score[fleck::shadow_block];
    for (int x = 0; x < fleck::shadow_block; ++x)
      for (int k = 0; k < fleck::shadow_sectors; ++k) rows[k][x] = k < 3 + x % 4 ? static_cast<float>(k * k) : none;
    loop.score_of_sectors(rows[0], shares.data(), score);
    CHECK(std::isnan(score[0]));
    CHECK(score[1] == 0.5f * ((0.0f + 1 + 4 + 9) / 4));       // of 4 and 5 none is left out
    CHECK(score[2] == 0.5f * ((0.0f + 1 + 4 + 9 + 16) / 5));
    CHECK(score[3] == 0.5f * ((1.0f + 4 + 9 + 16) / 4));      // of 6 one at either end
  }
}

TEST_CASE("shadow_search adds up a zone in one order in every instruction set") {
  constexpr std::int64_t stride = 100;
  const std::vector<float> data = noise(30 * stride);
  const std::vector<std::int32_t> offsets{-stride, -1, 0, 7, stride + 3, 5 * stride - 2};
  const float* origin = data.data() + 10 * stride + 5;
  std::vector<float> expected(fleck::shadow_block, 0.0f);
  for (const std::int32_t offset : offsets)
    for (std::int64_t x = 0; x < fleck::shadow_block; ++x) expected[x] += origin[offset + x];
  for (const Loops& loop : loops()) {
    std::vector<float> sum(fleck::shadow_block, -1.0f);
    loop.sum_at(origin, offsets.data(), static_cast<std::int64_t>(offsets.size()), sum.data());
    CHECK(same_bytes(sum, expected));
    loop.sum_at(origin, offsets.data(), 0, sum.data());
    CHECK(same_bytes(sum, std::vector<float>(fleck::shadow_block, 0.0f)));
  }
}

TEST_CASE("shadow_search scores a ring by its depth, and nothing where nothing is") {
  const std::vector<float> out = search(ring(50, 90, 24, 40, 8), 50, 90, 8, 0, 1);
  CHECK(out[24 * 90 + 40] == doctest::Approx(1.0f));
  CHECK(*std::max_element(out.begin(), out.end()) == out[24 * 90 + 40]);
  CHECK(out[24 * 90 + 70] == doctest::Approx(0.0f));
}

TEST_CASE("shadow_search scores the edge alone, whatever stands within") {
  std::vector<float> data = ring(90, 120, 44, 50, 24);
  for (std::int64_t y = 30; y < 60; ++y) data[y * 120 + 50] = 7.0f;
  const std::vector<float> out = search(data, 90, 120, 24, 0, 1, {}, fleck::ShadowPart::edge);
  CHECK(out[44 * 120 + 50] == doctest::Approx(1.0f));
  CHECK(*std::max_element(out.begin(), out.end()) == out[44 * 120 + 50]);
}

TEST_CASE("shadow_search puts the image's first pixel at (margin, margin), and scores beyond the frame") {
  const std::vector<float> inside = search(ring(40, 75, 20, 30, 8), 40, 75, 8, 0, 1);
  const std::vector<float> wider = search(ring(40, 75, 20, 30, 8), 40, 75, 8, 3, 1);
  bool same = true;
  for (std::int64_t y = 0; y < 40; ++y)
    same = same && std::memcmp(&inside[y * 75], &wider[(y + 3) * 81 + 3], 75 * sizeof(float)) == 0;
  CHECK(same);
  const std::vector<float> beyond = search(ring(40, 75, 20, -2, 8), 40, 75, 8, 3, 1);
  CHECK(beyond[23 * 81 + 1] > 0.5f);
  CHECK(beyond[23 * 81 + 1] < 1.0f);
}

TEST_CASE("shadow_search scores some places as it scores all") {
  std::vector<float> data = noise(60 * 150);
  data[30 * 150 + 70] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> all = search(data, 60, 150, 7, 0, 1);
  for (const fleck::ShadowPlaces& places : {fleck::ShadowPlaces{0, 0, 1}, {11, 33, 1}, {2, 50, 9}}) {
    std::vector<float> some(5 * 80);
    fleck::shadow_search(image_of(data, 60, 150), {}, 7, fleck::ShadowPart::whole, places, {some.data(), 5, 80, 80, 1},
                         2);
    for (std::int64_t y = 0; y < 5; ++y) {
      const float* expected = &all[(places.row + y * places.row_step) * 150 + places.col];
      CHECK(std::memcmp(&some[y * 80], expected, 80 * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("shadow_search leaves out masked and not finite pixels") {
  const std::vector<float> clean = ring(50, 90, 24, 40, 8);
  std::vector<float> data = clean;
  std::vector<std::uint8_t> bad(data.size(), 0);
  for (std::int64_t i = 0; i < 50 * 90; i += 7) {
    data[i] = i % 2 ? 1e30f : std::numeric_limits<float>::quiet_NaN();
    bad[i] = i % 2 != 0;
  }
  data[24 * 90 + 47] = std::numeric_limits<float>::infinity();
  const std::vector<float> out = search(data, 50, 90, 8, 2, 1, bad);
  CHECK(out[26 * 94 + 42] == doctest::Approx(1.0f));
  for (std::int64_t i = 0; i < 50 * 90; ++i)
    if (!std::isfinite(data[i])) bad[i] = 1;
  CHECK(same_bytes(search(clean, 50, 90, 8, 2, 1, bad), out));
}

TEST_CASE("shadow_search says NaN where too little counts") {
  const std::vector<float> data(30 * 70, 1.0f);
  for (const float value : search(data, 30, 70, 5.3, 4, 2, std::vector<std::uint8_t>(data.size(), 1)))
    CHECK(std::isnan(value));
  for (const float value : search({1.0f}, 1, 1, 1000, 0, 1)) CHECK(std::isnan(value));
}

TEST_CASE("shadow_search leaves out the sectors of small radii that hold no pixel") {
  const std::vector<float> out = search(std::vector<float>(30 * 140, 1.0f), 30, 140, 2.5, 0, 1);
  for (const float value : out) CHECK((std::isnan(value) || std::abs(value) < 1e-6f));
  CHECK(std::isfinite(out[15 * 140 + 70]));
}

TEST_CASE("shadow_search takes frames smaller than its reach") {
  for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 70}, {70, 3}, {1, 64}, {2, 65}})
    for (const double radius : {2.0, 5.3, 11.0})
      for (const std::int64_t margin : {0, 3, 16})
        CHECK(search(noise(rows * cols), rows, cols, radius, margin, 2).size() ==
              static_cast<std::size_t>((rows + 2 * margin) * (cols + 2 * margin)));
}

TEST_CASE("shadow_search gives the same bytes for any number of threads") {
  std::vector<float> data = noise(60 * 150);
  data[30 * 150 + 20] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> one = search(data, 60, 150, 7, 2, 1);
  for (const int threads : {2, 3, 7}) CHECK(same_bytes(search(data, 60, 150, 7, 2, threads), one));
}
