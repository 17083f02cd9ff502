#include "fleck/trail_scan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "isa.hpp"
#include "threads.hpp"

namespace fleck {

FLECK_FOR_EACH_ISA(void count_above(const double* values, const double* level, std::int64_t n, std::int64_t first,
                                    std::int64_t last, double* count);)

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double median(std::vector<double>& values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return values.size() % 2 ? *middle : std::midpoint(*std::max_element(values.begin(), middle), *middle);
}

// Variance of the median of n unit normals.
double median_variance(std::size_t n) { return std::numbers::pi / (2.0 * n + (n % 2 ? 1.0 : 2.6)); }

struct Step {
  double excess = nan;
  double variance = nan;
};

// Measures single pixels against their neighbours to the left and right.
class Probe {
 public:
  Probe(const Image& image, const Mask& mask, const Image& noise, const TrailOptions& options)
      : image_(image), mask_(mask), noise_(noise), gap_(options.gap), reach_(options.gap + options.background_width) {
    values_.resize(std::min(2 * reach_ + 1, image.cols));
    sigmas_.resize(values_.size());
    background_.reserve(values_.size());
  }

  bool masked(std::int64_t row, std::int64_t col) const { return mask_ && mask_(row, col); }

  Step measure(std::int64_t row, std::int64_t col) {
    const std::int64_t first = std::max<std::int64_t>(0, col - reach_);
    const std::int64_t last = std::min(image_.cols - 1, col + reach_);
    load_row(image_, row, first, last - first + 1, values_.data());
    load_row(noise_, row, first, last - first + 1, sigmas_.data());
    background_.clear();
    double squares = 0;
    for (std::int64_t c = first; c <= last; ++c) {
      const double value = values_[c - first], sigma = sigmas_[c - first];
      if (std::abs(c - col) <= gap_ || masked(row, c) || !std::isfinite(value) || !std::isfinite(sigma)) continue;
      background_.push_back(value);
      squares += sigma * sigma;
    }
    const double value = values_[col - first], sigma = sigmas_[col - first];
    if (background_.empty() || !std::isfinite(value)) return {};
    const double n = static_cast<double>(background_.size());
    return {value - median(background_), sigma * sigma + squares / n * median_variance(background_.size())};
  }

 private:
  const Image& image_;
  const Mask& mask_;
  const Image& noise_;
  std::int64_t gap_, reach_;
  std::vector<double> values_, sigmas_, background_;
};

Trail walk(Probe& probe, const Seed& seed, const TrailOptions& options, std::int64_t rows, double* profile,
           std::int64_t profile_stride, std::int64_t profile_length) {
  for (std::int64_t k = 0; k < profile_length; ++k) profile[k * profile_stride] = nan;
  Trail trail{probe.measure(seed.row, seed.col).excess};
  const double sign = trail.seed_value > 0 ? 1.0 : -1.0;
  const std::int64_t end = std::min(options.max_length, rows - 1 - seed.row);
  bool walking = trail.seed_value > 0 || trail.seed_value < 0;
  double excess = 0, variance = 0;
  for (std::int64_t k = 1; k <= end && (walking || k <= profile_length); ++k) {
    if (probe.masked(seed.row + k, seed.col)) {
      walking = false;
      continue;
    }
    const Step step = probe.measure(seed.row + k, seed.col);
    if (k <= profile_length) profile[(k - 1) * profile_stride] = step.excess;
    walking = walking && std::isfinite(step.excess) && std::isfinite(step.variance);
    if (!walking) continue;
    excess += step.excess;
    variance += step.variance;
    if (!(sign * step.excess < options.n_sigma * std::sqrt(step.variance))) {  // -inf * 0 counts, too
      trail.length = k;
      trail.excess = excess;
      trail.variance = variance;
    } else {
      walking = k - trail.length < 2;
    }
  }
  return trail;
}

// Seeds of single rows, without sorting any neighbourhood that cannot hold one: a pixel stands above the median of its
// neighbours by more than the threshold only if at most half of them exceed (pixel - threshold).
class SeedFinder {
 public:
  SeedFinder(const Image& image, const Mask& mask, double threshold, const TrailOptions& options)
      : image_(image), mask_(mask), sign_(threshold < 0 ? -1.0 : 1.0), height_(std::abs(threshold)), gap_(options.gap),
        reach_(std::min(gap_ + options.background_width, image.cols)),
        most_above_(static_cast<double>(options.background_width)), padded_(image.cols + 2 * reach_, nan),
        level_(image.cols), above_(image.cols) {}

  void search(std::int64_t row, std::vector<Seed>& found) {
    double* const values = padded_.data() + reach_;  // dark trails are searched upside down
    load_row(image_, row, 0, image_.cols, values);
    for (std::int64_t c = 0; c < image_.cols; ++c) {
      values[c] = std::isfinite(values[c]) && !(mask_ && mask_(row, c)) ? sign_ * values[c] : nan;
      level_[c] = values[c] - height_;
    }
    count_above_(values, level_.data(), image_.cols, gap_ + 1, reach_, above_.data());
    for (std::int64_t c = 0; c < image_.cols; ++c)
      if (above_[c] <= most_above_ && values[c] - background(values + c) > height_) found.push_back({row, c});
  }

 private:
  double background(const double* at) {
    neighbours_.clear();
    for (std::int64_t offset = gap_ + 1; offset <= reach_; ++offset)
      for (const double value : {at[-offset], at[offset]})
        if (!std::isnan(value)) neighbours_.push_back(value);
    return neighbours_.empty() ? nan : median(neighbours_);
  }

  const Image& image_;
  const Mask& mask_;
  double sign_, height_;
  std::int64_t gap_, reach_;
  double most_above_;
  std::vector<double> padded_, level_, above_, neighbours_;
  decltype(FLECK_PICK(count_above)) count_above_ = FLECK_PICK(count_above);
};

}  // namespace

std::vector<Seed> find_seeds(const Image& image, const Mask& mask, double threshold, const TrailOptions& options,
                             int threads) {
  const int workers = resolve_threads(threads);
  std::vector<SeedFinder> finders(workers, SeedFinder(image, mask, threshold, options));
  std::vector<std::vector<Seed>> found(image.rows);
  parallel_for(image.rows, workers, [&](std::int64_t row, int worker) { finders[worker].search(row, found[row]); });
  std::vector<Seed> seeds;
  for (const std::vector<Seed>& row : found) seeds.insert(seeds.end(), row.begin(), row.end());
  return seeds;
}

void trail_scan(const Image& image, const Mask& mask, const Image& noise, const std::vector<Seed>& seeds,
                const TrailOptions& options, Trail* trails, View2D<double> profile, int threads) {
  const int workers = resolve_threads(threads);
  std::vector<Probe> probes(workers, Probe(image, mask, noise, options));
  parallel_for(static_cast<std::int64_t>(seeds.size()), workers, [&](std::int64_t i, int worker) {
    trails[i] = walk(probes[worker], seeds[i], options, image.rows, profile.row(i), profile.col_stride, profile.cols);
  });
}

}  // namespace fleck
