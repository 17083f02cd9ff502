#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "fleck/photon_noise.hpp"
#include "frames.hpp"

namespace {

std::vector<float> drawn(const std::vector<float>& expected, std::int64_t rows, std::int64_t cols, double read_noise,
                         const std::vector<std::uint64_t>& seed, int threads) {
  std::vector<float> out(expected.size());
  fleck::photon_noise(image_of(expected, rows, cols), read_noise, seed, {out.data(), rows, cols, cols}, threads);
  return out;
}

}  // namespace

TEST_CASE("photon noise: the number of threads changes nothing, the seed does") {
  const std::vector<float> expected(40 * 50, 100.25f);
  const std::vector<float> one = drawn(expected, 40, 50, 4, {1, 2}, 1);
  CHECK(same_bytes(one, drawn(expected, 40, 50, 4, {1, 2}, 3)));
  CHECK(!same_bytes(one, drawn(expected, 40, 50, 4, {2, 1}, 1)));
}

TEST_CASE("photon noise: mean and variance") {
  for (const float mean : {0.3f, 7.5f, 64.0f, 5000.75f}) {
    const std::int64_t n = 300 * 300;
    const std::vector<float> out = drawn(std::vector<float>(n, mean), 300, 300, 3, {9}, 1);
    double sum = 0, squares = 0;
    for (const float value : out) sum += value, squares += (value - mean) * (value - mean);
    const double variance = mean + 9;
    CHECK(std::abs(sum / n - mean) < 5 * std::sqrt(variance / n));
    CHECK(std::abs(squares / n / variance - 1) < 5 * std::sqrt(2.5 / n));
  }
}

TEST_CASE("photon noise: nothing expected, nothing seen") {
  for (const float value : drawn(std::vector<float>(20, 0.0f), 4, 5, 0, {}, 1)) CHECK(value == 0);
}

TEST_CASE("photon noise: a row's numbers stay") {
  const std::vector<float> seen = drawn({0, 0.5f, 3, 64, 300.25f, 40000, 2e6f}, 1, 7, 0, {1, 2, 3}, 1);
  CHECK(seen == std::vector<float>{0, 3, 4, 63, 308, 39760, 2000394});
}
