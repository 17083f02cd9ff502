#include "fleck/tuning.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <vector>

#include "fleck/gaussian_filter.hpp"
#include "fleck/median_filter.hpp"
#include "frames.hpp"

namespace {

struct Restored {
  ~Restored() { fleck::set_tuning({}); }
};

}  // namespace

TEST_CASE("a choice out of its range is refused, and the old ones stay") {
  const Restored restored;
  for (const auto& field : fleck::tuning_fields()) {
    CAPTURE(field.name);
    fleck::Tuning choices;
    CHECK(choices.*field.value >= field.least);
    CHECK(choices.*field.value <= field.most);
    choices.*field.value = field.most + field.step;
    CHECK_THROWS_AS(fleck::set_tuning(choices), std::invalid_argument);
    choices.*field.value = field.least - field.step;
    CHECK_THROWS_AS(fleck::set_tuning(choices), std::invalid_argument);
    CHECK(fleck::tuning().*field.value == fleck::Tuning{}.*field.value);
  }
}

TEST_CASE("the number of threads is never more than the tuning's") {
  const Restored restored;
  fleck::Tuning choices;
  choices.threads = 1;
  fleck::set_tuning(choices);
  if (!std::getenv("FLECKCORE_NUM_THREADS")) CHECK(fleck::default_threads() == 1);
}

TEST_CASE("no choice changes a byte of the medians and the smoothed frame") {
  const Restored restored;
  constexpr std::int64_t rows = 150, cols = 300;
  std::vector<float> data = noise(rows * cols);
  data[40 * cols + 70] = std::numeric_limits<float>::quiet_NaN();
  const auto results = [&] {
    std::vector<std::vector<float>> all;
    for (const std::int64_t side : {5, 15, 21, 31, 63, 101, 111}) {
      all.emplace_back(data.size());
      fleck::median_filter<float>(image_of(data, rows, cols), {}, {all.back().data(), rows, cols, cols}, {side, side},
                                  fleck::Border::nearest, nullptr, 1);
    }
    all.emplace_back(data.size());
    fleck::gaussian_filter(image_of(data, rows, cols), {}, 2.0, {all.back().data(), rows, cols, cols, 1}, 1);
    return all;
  };
  const auto plain = results();
  for (const auto& field : fleck::tuning_fields()) {
    for (const int value : {field.least, field.most}) {
      CAPTURE(field.name);
      CAPTURE(value);
      fleck::Tuning choices;
      choices.*field.value = value;
      fleck::set_tuning(choices);
      const auto tuned = results();
      for (std::size_t i = 0; i < plain.size(); ++i) CHECK(same_bytes(tuned[i], plain[i]));
    }
  }
}

TEST_CASE("lanes of as many columns as can be chosen hold their sums of what is left out") {
  const Restored restored;
  constexpr std::int64_t rows = 6, cols = 66000;
  std::vector<float> data = noise(rows * cols), plain(data.size()), wide(data.size());
  for (std::size_t i = 0; i < data.size(); i += 7) data[i] = std::numeric_limits<float>::quiet_NaN();
  const auto filter = [&](std::vector<float>& out) {
    fleck::median_filter<float>(image_of(data, rows, cols), {}, {out.data(), rows, cols, cols}, {3, 3},
                                fleck::Border::nearest, nullptr, 1);
  };
  filter(plain);
  fleck::Tuning choices;
  choices.network_cols = 4096;
  fleck::set_tuning(choices);
  filter(wide);
  CHECK(same_bytes(plain, wide));
}
