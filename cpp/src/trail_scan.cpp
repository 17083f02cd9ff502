#include "fleck/trail_scan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "aligned.hpp"
#include "isa/trail_scan.hpp"
#include "threads.hpp"

namespace fleck {

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

// Seeds of a few rows, without sorting any neighbourhood that cannot hold one: a pixel stands above the median of its
// neighbours by more than the threshold only if at most half of them exceed (pixel - threshold).
template <class T>
class SeedFinder {
 public:
  static constexpr std::int64_t rows = 32;  // read together, so that turned images are read along their lines

  SeedFinder(const Image& image, const Mask& mask, double threshold, const TrailOptions& options)
      : image_(image), mask_(mask), sign_(threshold < 0 ? T(-1) : T(1)), height_(std::abs(threshold)),
        gap_(options.gap), reach_(std::min(gap_ + options.background_width, image.cols)),
        width_(options.background_width),
        judged_((image.cols + seed_block - 1) / seed_block * seed_block), room_(rows * image.cols),
        padded_(judged_ + 2 * reach_, std::numeric_limits<T>::quiet_NaN()), list_(judged_) {}

  // Seeds of the rows from `first` on.
  void search(std::int64_t first, std::vector<Seed>& found) {
    const View2D<T> room{room_.data(), std::min(rows, image_.rows - first), image_.cols, image_.cols, 1};
    const View2D<const T> block = read_block(image_, mask_, first, 0, room);
    for (std::int64_t r = 0; r < block.rows; ++r) search_row(block.row(r), first + r, found);
  }

 private:
  void search_row(const T* row, std::int64_t index, std::vector<Seed>& found) {
    T* const values = padded_.data() + reach_;  // dark trails are searched upside down
    FLECK_PICK(settle_row<T>)(row, image_.cols, sign_, values);
    const std::int64_t n = FLECK_PICK(list_prominent<T>)(values, judged_, gap_ + 1, reach_, static_cast<T>(width_),
                                                         not_above(height_), list_.data());
    for (std::int64_t i = 0; i < n; ++i)
      if (values[list_[i]] - background(values + list_[i]) > height_) found.push_back({index, list_[i]});
  }

  // Rounded down, a threshold lets nothing slip through.
  static T not_above(double height) {
    const T rounded = static_cast<T>(height);
    return rounded > height ? std::nextafter(rounded, T(0)) : rounded;
  }

  double background(const T* at) {
    neighbours_.clear();
    for (std::int64_t offset = gap_ + 1; offset <= reach_; ++offset)
      for (const T value : {at[-offset], at[offset]})
        if (!std::isnan(value)) neighbours_.push_back(value);
    return neighbours_.empty() ? nan : median(neighbours_);
  }

  const Image& image_;
  const Mask& mask_;
  T sign_;
  double height_;
  std::int64_t gap_, reach_, width_, judged_;
  Aligned<T> room_, padded_;
  std::vector<std::int64_t> list_;
  std::vector<double> neighbours_;
};

template <class T>
std::vector<Seed> find_all(const Image& image, const Mask& mask, double threshold, const TrailOptions& options,
                           int threads) {
  const std::int64_t blocks = (image.rows + SeedFinder<T>::rows - 1) / SeedFinder<T>::rows;
  const int workers = resolve_threads(threads);
  std::vector<SeedFinder<T>> finders(workers, SeedFinder<T>(image, mask, threshold, options));
  std::vector<std::vector<Seed>> found(blocks);
  parallel_for(blocks, workers, [&](std::int64_t block, int worker) {
    finders[worker].search(block * SeedFinder<T>::rows, found[block]);
  });
  std::vector<Seed> seeds;
  for (const std::vector<Seed>& block : found) seeds.insert(seeds.end(), block.begin(), block.end());
  return seeds;
}

}  // namespace

std::vector<Seed> find_seeds(const Image& image, const Mask& mask, double threshold, const TrailOptions& options,
                             int threads) {
  const auto find = exact_in_float(image.dtype) ? &find_all<float> : &find_all<double>;
  return find(image, mask, threshold, options, threads);
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
