#include "fleck/gaussian_filter.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "aligned.hpp"
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

// An odd number of cache lines, so that those above each other do not all want the same place in a cache.
constexpr std::int64_t whole_lines(std::int64_t cols) { return ((cols + 15) / 16 | 1) * 16; }

constexpr std::int64_t block = 64;  // columns of which it is known whether all pixels count

float sum_of(const std::vector<float>& weights, float each) {
  float sum = 0;
  for (const float w : weights) sum += w * each;
  return sum;
}

// One band of rows with `radius` rows and columns of zeros or neighbours around it: value (0 where a pixel does
// not count) and count (0 or 1). Where all pixels of a window count, their weight is known without adding it up.
struct Band {
  Aligned<float> value, count, mean, weight;
  std::vector<std::int64_t> missing;  // for each row and block: the last row so far where a pixel does not count
  std::int64_t width = 0, blocks = 0;

  void resize(std::int64_t rows, std::int64_t cols) {
    width = cols;
    blocks = (cols + block - 1) / block;
    value.assign(rows * cols, 0.0f);
    count.assign(rows * cols, 0.0f);
    mean.resize(cols);
    weight.resize(cols);
    missing.assign(rows * blocks, -1);
  }

  void load(const Image& image, const Mask& mask, std::int64_t row, std::int64_t slot, int radius) {
    float* v = value.data() + slot * width;
    float* c = count.data() + slot * width;
    std::fill(v, v + width, 0.0f);
    std::fill(c, c + width, 0.0f);
    if (row >= 0 && row < image.rows) load_counting(image, mask, row, 0, image.cols, v + radius, c + radius);
    for (std::int64_t b = 0; b < blocks; ++b) {
      int lacking = 0;
      const std::int64_t end = std::min(width, (b + 1) * block);
      for (std::int64_t x = b * block; x < end; ++x) lacking += c[x] == 0;
      missing[slot * blocks + b] = lacking ? slot : slot ? missing[(slot - 1) * blocks + b] : -1;
    }
  }

  bool whole(std::int64_t first, std::int64_t last, std::int64_t b) const { return missing[last * blocks + b] < first; }
};

// Sums of values and weights along the columns, `rows` of them, each put into the slot that its window begins with: no
// later one reads that. Block by block, whose windows stay in the nearest cache.
void sum_columns(Band& band, const std::vector<float>& weights, std::int64_t rows) {
  const auto convolve = FLECK_PICK(convolve_row);
  const int taps = static_cast<int>(weights.size());
  const float in_column = sum_of(weights, 1.0f);
  for (std::int64_t b = 0; b < band.blocks; ++b) {
    const std::int64_t x = b * block, n = std::min(block, band.width - x);
    for (std::int64_t row = 0; row < rows; ++row) {
      float* value = band.value.data() + row * band.width + x;
      float* count = band.count.data() + row * band.width + x;
      convolve(value, band.width, weights.data(), taps, n, value);
      if (band.whole(row, row + taps - 1, b))
        std::fill_n(count, n, in_column);
      else
        convolve(count, band.width, weights.data(), taps, n, count);
    }
  }
}

// Of those the sums along a row, divided.
void sum_row(Band& band, const std::vector<float>& weights, std::int64_t row, std::int64_t cols) {
  const auto convolve = FLECK_PICK(convolve_row);
  const int taps = static_cast<int>(weights.size());
  const float in_window = sum_of(weights, sum_of(weights, 1.0f));
  const float* count = band.count.data() + row * band.width;
  convolve(band.value.data() + row * band.width, 1, weights.data(), taps, cols, band.mean.data());
  for (std::int64_t x = 0; x < cols; x += block) {
    const std::int64_t n = std::min(block, cols - x), end = (x + n + taps - 2) / block;
    std::int64_t b = x / block;
    while (b <= end && band.whole(row, row + taps - 1, b)) ++b;
    if (b > end)
      std::fill_n(band.weight.data() + x, n, in_window);
    else
      convolve(count + x, 1, weights.data(), taps, n, band.weight.data() + x);
  }
  FLECK_PICK(divide_row)(band.mean.data(), band.weight.data(), least_weight, cols);
}

}  // namespace

void gaussian_filter(const Image& image, const Mask& mask, double sigma, View2D<float> out, int threads) {
  const std::vector<float> weights = gaussian_weights(sigma);
  const int taps = static_cast<int>(weights.size()), radius = taps / 2;
  const std::int64_t padded = whole_lines(image.cols + 2 * radius);
  const std::int64_t rows_per_band = tuning().gaussian_rows;
  const std::int64_t bands = (image.rows + rows_per_band - 1) / rows_per_band;
  std::vector<Band> scratch(std::min<std::int64_t>(resolve_threads(threads), bands));
  parallel_for(bands, static_cast<int>(scratch.size()), [&](std::int64_t index, int worker) {
    Band& band = scratch[worker];
    const std::int64_t first = index * rows_per_band, last = std::min(first + rows_per_band, image.rows);
    if (band.width != padded) band.resize(rows_per_band + 2 * radius, padded);
    for (std::int64_t row = first - radius; row < last + radius; ++row)
      band.load(image, mask, row, row - first + radius, radius);
    sum_columns(band, weights, last - first);
    for (std::int64_t row = first; row < last; ++row) {
      sum_row(band, weights, row - first, image.cols);
      if (out.col_stride == 1)
        std::copy_n(band.mean.data(), image.cols, out.row(row));
      else
        for (std::int64_t x = 0; x < image.cols; ++x) out(row, x) = band.mean[x];
    }
  });
}

}  // namespace fleck
