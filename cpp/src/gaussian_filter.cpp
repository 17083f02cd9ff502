#include "fleck/gaussian_filter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "isa/gaussian_filter.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr std::int64_t rows_per_band = 64;
constexpr float least_weight = 0.05f;

std::vector<float> gaussian_weights(double sigma) {
  const int radius = static_cast<int>(std::ceil(3.5 * sigma));
  std::vector<double> w(2 * radius + 1);
  double total = 0;
  for (int k = -radius; k <= radius; ++k) total += w[k + radius] = std::exp(-0.5 * k * k / (sigma * sigma));
  std::vector<float> weights(w.size());
  std::transform(w.begin(), w.end(), weights.begin(), [total](double v) { return static_cast<float>(v / total); });
  return weights;
}

// One band of rows with `radius` rows and columns of zeros or neighbours around it: value (0 where a pixel does
// not count) and count (0 or 1).
struct Band {
  std::vector<float> value, count, value_row, count_row;
  std::int64_t width = 0;

  void resize(std::int64_t rows, std::int64_t cols) {
    width = cols;
    value.assign(rows * cols, 0.0f);
    count.assign(rows * cols, 0.0f);
    value_row.assign(cols, 0.0f);
    count_row.assign(cols, 0.0f);
  }

  void load(const Image& image, const Mask& mask, std::int64_t row, std::int64_t slot, int radius) {
    float* v = value.data() + slot * width;
    float* c = count.data() + slot * width;
    std::fill(v, v + width, 0.0f);
    std::fill(c, c + width, 0.0f);
    if (row < 0 || row >= image.rows) return;
    v += radius;
    c += radius;
    load_row(image, row, 0, image.cols, v);
    for (std::int64_t x = 0; x < image.cols; ++x) {
      const bool counts = std::isfinite(v[x]) && !(mask && mask(row, x));
      c[x] = counts ? 1.0f : 0.0f;
      v[x] = counts ? v[x] : 0.0f;
    }
  }
};

}  // namespace

void gaussian_filter(const Image& image, const Mask& mask, double sigma, View2D<float> out, int threads) {
  const std::vector<float> weights = gaussian_weights(sigma);
  const int taps = static_cast<int>(weights.size()), radius = taps / 2;
  const std::int64_t padded = image.cols + 2 * radius;
  const std::int64_t bands = (image.rows + rows_per_band - 1) / rows_per_band;
  const auto convolve = FLECK_PICK(convolve_row);
  std::vector<Band> scratch(std::min<std::int64_t>(resolve_threads(threads), bands));
  parallel_for(bands, static_cast<int>(scratch.size()), [&](std::int64_t index, int worker) {
    Band& band = scratch[worker];
    const std::int64_t first = index * rows_per_band, last = std::min(first + rows_per_band, image.rows);
    if (band.width != padded) band.resize(rows_per_band + 2 * radius, padded);
    for (std::int64_t row = first - radius; row < last + radius; ++row)
      band.load(image, mask, row, row - first + radius, radius);
    for (std::int64_t row = first; row < last; ++row) {
      const std::int64_t start = (row - first) * padded;
      convolve(band.value.data() + start, padded, weights.data(), taps, padded, band.value_row.data());
      convolve(band.count.data() + start, padded, weights.data(), taps, padded, band.count_row.data());
      // Both rows along x, into the slot that no later row of this band reads.
      float* sum = band.value.data() + start;
      float* weight = band.count.data() + start;
      convolve(band.value_row.data(), 1, weights.data(), taps, image.cols, sum);
      convolve(band.count_row.data(), 1, weights.data(), taps, image.cols, weight);
      for (std::int64_t x = 0; x < image.cols; ++x)
        out(row, x) = weight[x] < least_weight ? std::numeric_limits<float>::quiet_NaN() : sum[x] / weight[x];
    }
  });
}

}  // namespace fleck
