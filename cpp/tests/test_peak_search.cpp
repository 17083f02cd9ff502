#include <doctest/doctest.h>

#include <vector>

#include "fleck/mesh_statistics.hpp"
#include "fleck/peak_search.hpp"
#include "frames.hpp"

namespace {

constexpr std::int64_t rows = 100, cols = 70, box = 32;

fleck::Peaks search(const std::vector<float>& data, const std::vector<float>& doubt, float limit, int threads) {
  static const std::vector<double> mesh(fleck::mesh_size(rows, box) * fleck::mesh_size(cols, box), 0.5);
  const std::int64_t across = fleck::mesh_size(cols, box);
  const fleck::PeakNoise noise{{mesh.data(), fleck::mesh_size(rows, box), across, across, 1}, box, box, 1e-5f, {}, 1,
                               doubt.empty() ? fleck::Image{} : image_of(doubt, rows, cols)};
  return fleck::peak_search(image_of(data, rows, cols), {}, noise, limit, -0.5f, threads);
}

}  // namespace

TEST_CASE("peak_search finds a maximum in a corner, and the first of equal ones") {
  std::vector<float> data(rows * cols, 0.0f);
  data[0] = data[rows * cols - 1] = 2.0f;
  data[50 * cols + 20] = data[50 * cols + 21] = 1.0f;
  data[70 * cols + 5] = 0.7f;
  const fleck::Peaks found = search(data, {}, 1.5f, 2);
  REQUIRE(found.peaks.size() == 3);
  CHECK(found.peaks[0].row == 0);
  CHECK(found.peaks[1].col == 20);
  CHECK(found.peaks[1].significance == 2.0f);
  CHECK(found.peaks[2].row == rows - 1);
  CHECK(found.sampled == 34 * 24);
  CHECK(found.opposite.back() == -4.0f);
}

TEST_CASE("peak_search gives the same bytes for any number of threads") {
  const std::vector<float> data = noise(rows * cols);
  std::vector<float> doubt = data;
  for (float& value : doubt) value *= 0.25f;
  const fleck::Peaks one = search(data, doubt, 1.0f, 1);
  REQUIRE(one.peaks.size() > 20);
  for (const int threads : {2, 3, 7}) {
    const fleck::Peaks other = search(data, doubt, 1.0f, threads);
    CHECK(same_bytes(other.opposite, one.opposite));
    REQUIRE(other.peaks.size() == one.peaks.size());
    for (std::size_t i = 0; i < one.peaks.size(); ++i) {
      CHECK(other.peaks[i].row == one.peaks[i].row);
      CHECK(other.peaks[i].col == one.peaks[i].col);
      CHECK(other.peaks[i].significance == one.peaks[i].significance);
    }
  }
}
