#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "fleck/label_components.hpp"
#include "frames.hpp"

TEST_CASE("objects, labels and statistics") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values = {0, 2, 0, 0, nan,  //
                                     3, 0, 0, 4, 0,    //
                                     0, 0, 0, 2, 0};
  std::vector<std::int32_t> labels(15, -1);
  const fleck::View2D<std::int32_t> painted{labels.data(), 3, 5, 5};
  const fleck::LabelParameters parameters{.threshold = 1, .levels = {2}};
  const auto found = fleck::label_components(image_of(values, 3, 5), {}, parameters, painted, 1);
  CHECK(labels == std::vector<std::int32_t>{0, 1, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 2, 0});
  REQUIRE(found.objects.size() == 2);
  const fleck::Component& first = found.objects[0];
  CHECK(first.area == 2);
  CHECK(first.sum == 5);
  CHECK((first.ymin == 0 && first.ymax == 1 && first.xmin == 0 && first.xmax == 1));
  CHECK((first.peak == 3 && first.peak_y == 1 && first.peak_x == 0));
  CHECK(first.centroid_y == doctest::Approx(2.0 / 3));  // weights 1 and 2
  CHECK(first.centroid_x == doctest::Approx(1.0 / 3));
  CHECK(first.moment_xy == doctest::Approx(-2.0 / 9));
  CHECK(found.level_counts == std::vector<std::int64_t>{1, 1});
}

TEST_CASE("connectivity, masks and small objects") {
  std::vector<float> values(200 * 70);
  for (int i = 0; i < 70; ++i) values[i * 70 + i] = 1;  // a diagonal, over two bands
  const fleck::Image image = image_of(values, 200, 70);
  CHECK(fleck::label_components(image, {}, {.threshold = 0, .connectivity = 8}, {}, 2).objects.size() == 1);
  CHECK(fleck::label_components(image, {}, {.threshold = 0, .connectivity = 4}, {}, 2).objects.size() == 70);
  std::vector<std::uint8_t> left_out(200 * 70);
  left_out[10 * 70 + 10] = 1;
  const fleck::Mask mask{left_out.data(), 200, 70, 70};
  const auto cut = fleck::label_components(image, mask, {.threshold = 0, .min_area = 11}, {}, 2);
  REQUIRE(cut.objects.size() == 1);
  CHECK(cut.objects[0].area == 59);
}

TEST_CASE("deblending keeps two significant branches apart and drops a third") {
  const std::vector<float> values = {9, 8, 2, 8, 9, 4, 5};
  std::vector<std::int32_t> labels(7);
  const fleck::View2D<std::int32_t> painted{labels.data(), 1, 7, 7};
  // Above the saddle at 2 the branches hold 13 and 13 + 5 of 45; above the saddle at 4 the last pixel holds 1.
  fleck::label_components(image_of(values, 1, 7), {}, {.threshold = 0, .deblend = 0.1}, painted, 1);
  CHECK(labels == std::vector<std::int32_t>{1, 1, 1, 2, 2, 2, 2});
}

TEST_CASE("objects, taken apart and painted, are the same bytes for any number of threads") {
  constexpr std::int64_t rows = 300, cols = 90;  // five bands
  const std::vector<float> data = noise(rows * cols);
  std::vector<std::uint8_t> left_out(rows * cols);
  for (std::int64_t i = 0; i < rows * cols; i += 11) left_out[i] = 1;
  const fleck::Mask mask{left_out.data(), rows, cols, cols};
  for (const double deblend : {0.0, 0.01}) {
    std::vector<std::int32_t> labels(data.size());
    const auto labelled = [&](int threads) {
      const fleck::LabelParameters parameters{.threshold = 0.6, .min_area = 2, .deblend = deblend, .levels = {0.9}};
      return fleck::label_components(image_of(data, rows, cols), mask, parameters, {labels.data(), rows, cols, cols},
                                     threads);
    };
    const fleck::Components one = labelled(1);
    const std::vector<std::int32_t> one_labels = labels;
    for (const int threads : {2, 3, 7}) {
      const fleck::Components several = labelled(threads);
      CHECK(same_bytes(several.objects, one.objects));
      CHECK(several.level_counts == one.level_counts);
      CHECK(labels == one_labels);
    }
  }
}
