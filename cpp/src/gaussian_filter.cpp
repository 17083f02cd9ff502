#include "fleck/gaussian_filter.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "counting.hpp"
#include "fleck/tuning.hpp"
#include "isa/gaussian_filter.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

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

constexpr std::int64_t block = 64;  // columns of which it is known whether all pixels count

float sum_of(const std::vector<float>& weights, float each) {
  float sum = 0;
  for (const float w : weights) sum += w * each;
  return sum;
}

// One band of rows with `radius` rows and columns of zeros or neighbours around it: value (0 where a pixel does
// not count) and count (0 or 1). Where all pixels of a window count, their weight is known without adding it up.
struct Band {
  std::vector<float> value, count, value_row, count_row;
  std::vector<std::int64_t> missing;  // for each row and block: the last row so far where a pixel does not count
  std::int64_t width = 0, blocks = 0;

  void resize(std::int64_t rows, std::int64_t cols) {
    width = cols;
    blocks = (cols + block - 1) / block;
    value.assign(rows * cols, 0.0f);
    count.assign(rows * cols, 0.0f);
    value_row.assign(cols, 0.0f);
    count_row.assign(cols, 0.0f);
    missing.assign(rows * blocks, -1);
  }

  void load(const Image& image, const Mask& mask, std::int64_t row, std::int64_t slot, int radius) {
    float* v = value.data() + slot * width;
    float* c = count.data() + slot * width;
    std::fill(v, v + width, 0.0f);
    std::fill(c, c + width, 0.0f);
    if (row >= 0 && row < image.rows) load_counting(image, mask, row, 0, image.cols, v + radius, c + radius);
    for (std::int64_t b = 0; b < blocks; ++b) {
      float known = 0;
      const std::int64_t end = std::min(width, (b + 1) * block);
      for (std::int64_t x = b * block; x < end; ++x) known += c[x];
      const bool whole = known == static_cast<float>(end - b * block);
      missing[slot * blocks + b] = !whole ? slot : slot ? missing[(slot - 1) * blocks + b] : -1;
    }
  }

  bool whole(std::int64_t first, std::int64_t last, std::int64_t b) const { return missing[last * blocks + b] < first; }
};

// The smoothed row number `first` of a band, whose window is the rows from there to `last`: sums of values and weights,
// put into its slot, which no later row reads.
void smooth_row(Band& band, const std::vector<float>& weights, std::int64_t first, std::int64_t last,
                std::int64_t cols) {
  const auto convolve = FLECK_PICK(convolve_row);
  const int taps = static_cast<int>(weights.size());
  const float in_column = sum_of(weights, 1.0f), in_window = sum_of(weights, in_column);
  float* value = band.value.data() + first * band.width;
  float* count = band.count.data() + first * band.width;
  convolve(value, band.width, weights.data(), taps, band.width, band.value_row.data());
  for (std::int64_t b = 0, x = 0; b < band.blocks; ++b, x += block) {
    const std::int64_t n = std::min(block, band.width - x);
    if (band.whole(first, last, b))
      std::fill_n(band.count_row.data() + x, n, in_column);
    else
      convolve(count + x, band.width, weights.data(), taps, n, band.count_row.data() + x);
  }
  convolve(band.value_row.data(), 1, weights.data(), taps, cols, value);
  for (std::int64_t x = 0; x < cols; x += block) {
    const std::int64_t n = std::min(block, cols - x), end = (x + n + taps - 2) / block;
    std::int64_t b = x / block;
    while (b <= end && band.whole(first, last, b)) ++b;
    if (b > end)
      std::fill_n(count + x, n, in_window);
    else
      convolve(band.count_row.data() + x, 1, weights.data(), taps, n, count + x);
  }
}

}  // namespace

void gaussian_filter(const Image& image, const Mask& mask, double sigma, View2D<float> out, int threads) {
  const std::vector<float> weights = gaussian_weights(sigma);
  const int taps = static_cast<int>(weights.size()), radius = taps / 2;
  const std::int64_t padded = image.cols + 2 * radius;
  const std::int64_t rows_per_band = tuning().gaussian_rows;
  const std::int64_t bands = (image.rows + rows_per_band - 1) / rows_per_band;
  std::vector<Band> scratch(std::min<std::int64_t>(resolve_threads(threads), bands));
  parallel_for(bands, static_cast<int>(scratch.size()), [&](std::int64_t index, int worker) {
    Band& band = scratch[worker];
    const std::int64_t first = index * rows_per_band, last = std::min(first + rows_per_band, image.rows);
    if (band.width != padded) band.resize(rows_per_band + 2 * radius, padded);
    for (std::int64_t row = first - radius; row < last + radius; ++row)
      band.load(image, mask, row, row - first + radius, radius);
    for (std::int64_t row = first; row < last; ++row) {
      const std::int64_t slot = row - first;
      smooth_row(band, weights, slot, slot + 2 * radius, image.cols);
      float* mean = band.value.data() + slot * padded;
      FLECK_PICK(divide_row)(mean, band.count.data() + slot * padded, least_weight, image.cols);
      for (std::int64_t x = 0; x < image.cols; ++x) out(row, x) = mean[x];
    }
  });
}

}  // namespace fleck
