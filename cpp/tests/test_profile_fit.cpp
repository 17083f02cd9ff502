#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cholesky.hpp"
#include "fleck/profile_fit.hpp"
#include "fleck/runtime.hpp"
#include "frames.hpp"
#include "isa/profile_fit.hpp"

namespace {

constexpr std::int64_t side = 40;

fleck::ProfileStart start_at(double x, double y, double radius, bool holed) {
  const double size = std::log(radius), room = 1 + radius / 2;
  fleck::ProfileStart start{{x, y, size, 0.1, 0.05, -0.5, 0.2, 0.5, holed ? 0.2 : 1.0},
                            {room, room, 0.5, 0.7, 0.7, 0.7, 1, 0.2, 1},
                            {x - room, y - room, size - 1, -3, -3, -1.9, 0, 0.05, -0.5},
                            {x + room, y + room, size + 1, 3, 3, 1, 1.1, 0.85, 1},
                            1.5 * radius + 6,
                            1.2 * radius + 1,
                            radius < 2 ? 3 : radius < 8 ? 2 : 1,
                            holed};
  return start;
}

// A shadow of depth 0.3 with sharp edges, in noise of a hundredth.
std::vector<float> disc(double x, double y, double radius) {
  std::vector<float> data = noise(side * side);
  for (std::int64_t i = 0; i < side * side; ++i) {
    const double distance = std::hypot(static_cast<double>(i % side) - x, static_cast<double>(i / side) - y);
    const double loss = 0.3 / (1 + std::exp((distance - radius) / 0.4));
    data[i] = static_cast<float>(1 - loss + 0.035 * (data[i] - 0.5));
  }
  return data;
}

struct Fitted {
  std::vector<fleck::FittedProfile> profiles;
  std::vector<double> misfit;
};

Fitted fit(const std::vector<std::vector<float>>& frames, const std::vector<fleck::ProfileStart>& starts, int threads,
           const std::vector<std::uint8_t>& bad = {}) {
  const std::vector<float> deviation(side * side, 0.01f);
  const fleck::Mask mask = bad.empty() ? fleck::Mask{} : fleck::Mask{bad.data(), side, side, side, 1};
  const auto each = static_cast<std::int64_t>(starts.size() / frames.size());
  std::vector<fleck::ProfilePatch> patches;
  for (const auto& frame : frames)
    patches.push_back({0, 0, each, image_of(frame, side, side), image_of(deviation, side, side), mask});
  Fitted fitted{std::vector<fleck::FittedProfile>(starts.size()), std::vector<double>(frames.size())};
  fleck::profile_fit(patches, starts, fitted.profiles, fitted.misfit, threads);
  return fitted;
}

// The loops of every instruction set that can run here.
struct Loops {
  decltype(&fleck::baseline::profile_loss) loss;
  decltype(&fleck::baseline::profile_derivatives) derivatives;
  decltype(&fleck::baseline::profile_sums) sums;
  decltype(&fleck::baseline::profile_cost) cost;
};

std::vector<Loops> loops() {
  std::vector<Loops> all{{&fleck::baseline::profile_loss, &fleck::baseline::profile_derivatives,
                          &fleck::baseline::profile_sums, &fleck::baseline::profile_cost}};
#if defined(__x86_64__)
  const std::vector<std::string> names = fleck::available_isas();
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (has("avx2"))
    all.push_back({&fleck::avx2::profile_loss, &fleck::avx2::profile_derivatives, &fleck::avx2::profile_sums,
                   &fleck::avx2::profile_cost});
  if (has("avx512"))
    all.push_back({&fleck::avx512::profile_loss, &fleck::avx512::profile_derivatives, &fleck::avx512::profile_sums,
                   &fleck::avx512::profile_cost});
#endif
  return all;
}

// Pixels of a row about a feature at 0, at distances from 1e-3 on.
struct Row {
  static constexpr std::int64_t n = 400;
  std::vector<double> y = std::vector<double>(n), x = std::vector<double>(n), near = std::vector<double>(n, 1.0);
  std::vector<std::int32_t> blocks;
  fleck::ProfileNodes nodes{1, {0}, {0}, {1}};

  Row() {
    for (std::int64_t i = 0; i < n; ++i) x[i] = 1e-3 + 0.05 * static_cast<double>(i);
    for (std::int32_t i = 0; i < n / fleck::profile_block; ++i) blocks.push_back(i);
  }

  fleck::ProfileFeature feature(const double* value, bool holed) const {
    return {value, &nodes, holed, 0.0, y.data(), x.data(), near.data(), {blocks.data(), std::ssize(blocks)}};
  }
};

}  // namespace

TEST_CASE("profile_fit's edges are those of the C library's exponential") {
  const Row row;
  for (const double softness : {0.02, 0.15, 1.0, 7.0})
    for (const Loops& loop : loops()) {
      const double value[fleck::profile_values] = {0, 0, std::log(8.0), 0, 0, std::log(softness), 1, 0.5, 0.25};
      std::vector<double> even(row.n), ring(row.n);
      loop.loss(row.feature(value, false), even.data());
      loop.loss(row.feature(value, true), ring.data());
      bool same = true;
      for (std::int64_t i = 0; i < row.n; ++i) {
        const double outer = 1 / (1 + std::exp((row.x[i] - 8) / softness));
        const double inner = 1 / (1 + std::exp((row.x[i] - 4) / softness));
        same = same && std::abs(even[i] - outer) < 1e-13 && std::abs(ring[i] - (outer - 0.75 * inner)) < 1e-13;
      }
      CHECK(same);
    }
}

TEST_CASE("profile_fit's derivatives are differences of its loss") {
  Row row;
  for (std::int64_t i = 0; i < row.n; ++i) row.y[i] = 0.3 * static_cast<double>(i % 50);
  const double value[fleck::profile_values] = {0.3, 0.2, std::log(8.0), 0.4, -0.3, std::log(0.9), 0.3, 0.5, 0.25};
  for (const Loops& loop : loops()) {
    std::vector<double> rows(fleck::profile_values * row.n);
    loop.derivatives(row.feature(value, true), rows.data(), row.n);
    for (int k = 0; k < fleck::profile_values; ++k) {
      std::vector<double> more(row.n), less(row.n);
      double changed[fleck::profile_values];
      std::copy_n(value, fleck::profile_values, changed);
      changed[k] = value[k] + 1e-5;
      loop.loss(row.feature(changed, true), more.data());
      changed[k] = value[k] - 1e-5;
      loop.loss(row.feature(changed, true), less.data());
      double worst = 0;
      for (std::int64_t i = 0; i < row.n; ++i)
        worst = std::max(worst, std::abs(rows[k * row.n + i] + (more[i] - less[i]) / 2e-5));
      CHECK(worst < 1e-8);
    }
  }
}

TEST_CASE("profile_fit adds up in one order in every instruction set") {
  const Row row;
  std::vector<double> a(row.n), b(row.n), rows(7 * row.n);
  const std::vector<float> numbers = noise(9 * row.n);
  std::copy_n(numbers.begin(), row.n, a.begin());
  std::copy_n(numbers.begin() + row.n, row.n, b.begin());
  std::copy_n(numbers.begin() + 2 * row.n, 7 * row.n, rows.begin());
  std::vector<double> expected(7 * fleck::profile_block);
  for (int k = 0; k < 7; ++k)
    for (std::int64_t i = 0; i < row.n; ++i)
      expected[k * fleck::profile_block + i % fleck::profile_block] += a[i] * b[i] * rows[k * row.n + i];
  std::vector<double> costs;
  for (const Loops& loop : loops()) {
    std::vector<double> sums(expected.size());
    loop.sums(a.data(), b.data(), rows.data(), 7, row.n, {row.blocks.data(), std::ssize(row.blocks)}, sums.data());
    CHECK(same_bytes(sums, expected));
    costs.push_back(loop.cost(a.data(), row.n, 0.3));
  }
  for (const double cost : costs) CHECK(cost == costs[0]);
}

TEST_CASE("Cholesky solves what is positive definite, and says what is not") {
  const std::vector<double> matrix{4, 0, 0, 2, 5, 0, -1, 3, 6};
  const fleck::Cholesky solver(matrix, 3);
  REQUIRE(solver);
  std::vector<double> x{4 + 4 - 3, 2 + 10 + 9, -1 + 6 + 18};
  solver.solve(x);
  for (int i = 0; i < 3; ++i) CHECK(x[i] == doctest::Approx(i + 1));
  CHECK(!fleck::Cholesky({1, 0, 2, 1}, 2));
  CHECK(!fleck::Cholesky({std::numeric_limits<double>::quiet_NaN()}, 1));
}

TEST_CASE("profile_fit finds a disc") {
  for (const double radius : {1.7, 4.0, 9.0}) {
    const Fitted fitted = fit({disc(19.3, 20.6, radius)}, {start_at(20, 20, radius * 1.2, false)}, 1);
    const double* value = fitted.profiles[0].value;
    CHECK(value[0] == doctest::Approx(19.3).epsilon(0.01));
    CHECK(value[1] == doctest::Approx(20.6).epsilon(0.01));
    CHECK(std::exp(value[2]) == doctest::Approx(radius).epsilon(0.05));
    CHECK(value[6] == doctest::Approx(0.3).epsilon(0.1));
    CHECK(std::isnan(fitted.profiles[0].covariance[7][7]));
    CHECK(fitted.profiles[0].rms == doctest::Approx(1).epsilon(0.2));
    CHECK(fitted.misfit[0] == doctest::Approx(1).epsilon(0.3));
  }
}

TEST_CASE("profile_fit gives NaN where too few pixels count") {
  const std::vector<std::uint8_t> all(side * side, 1);
  const Fitted fitted = fit({disc(20, 20, 4)}, {start_at(20, 20, 4, true)}, 1, all);
  for (const double value : fitted.profiles[0].value) CHECK(std::isnan(value));
  CHECK(std::isnan(fitted.profiles[0].rms));
  CHECK(std::isnan(fitted.misfit[0]));
}

TEST_CASE("profile_fit gives the same bytes for any number of threads") {
  std::vector<std::vector<float>> frames;
  std::vector<fleck::ProfileStart> starts;
  for (int i = 0; i < 12; ++i) {
    frames.push_back(disc(18 + 0.3 * i, 21, 2 + 0.6 * i));
    starts.push_back(start_at(18, 20, 2 + 0.5 * i, i % 2));
    starts.push_back(start_at(18 + i, 24, 3, false));
  }
  const Fitted one = fit(frames, starts, 1);
  for (const int threads : {2, 3, 7}) {
    const Fitted more = fit(frames, starts, threads);
    const std::size_t bytes = one.profiles.size() * sizeof(fleck::FittedProfile);
    CHECK(std::memcmp(more.profiles.data(), one.profiles.data(), bytes) == 0);
    CHECK(same_bytes(more.misfit, one.misfit));
  }
}
