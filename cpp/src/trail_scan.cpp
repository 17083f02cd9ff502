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

// Median of the first `count` neighbours of one of the pixels sorted together.
double median(const double* sorted, std::int64_t count) {
  const double* const middle = sorted + count / 2 * together;
  return count % 2 ? *middle : std::midpoint(*middle, middle[-together]);
}

// Variance of the median of n unit normals.
double median_variance(std::int64_t n) {
  return std::numbers::pi / (2.0 * static_cast<double>(n) + (n % 2 ? 1.0 : 2.6));
}

// --- Walks -----------------------------------------------------------------------------------------------------

struct Step {
  double excess = nan;
  double variance = nan;
};

// Measures pixels one behind the other against their neighbours to the left and right.
class Probe {
 public:
  // Sees everything transposed, so that steps are neighbours in a row.
  Probe(const Image& image, const Mask& mask, const Image& noise, const TrailOptions& options)
      : image_(transposed(image)), mask_(transposed(mask)), noise_(transposed(noise)), gap_(options.gap),
        reach_(options.gap + options.background_width), last_(options.max_length) {
    for (auto* plane : {&values_, &sigmas_, &background_})
      plane->resize(std::min(2 * reach_ + 1, image.cols) * together);
    if (!noise_varies()) {
      load_row(noise_, 0, 0, 1, sigmas_.data());
      std::fill(sigmas_.begin(), sigmas_.end(), sigmas_[0]);
    }
  }

  // The seed itself.
  Step start(const Seed& seed) {
    seed_ = seed;
    measure(0);
    return steps_[0];
  }

  // The k-th step behind it, one after the other.
  Step step(std::int64_t k) {
    if (k % together == 0) measure(k);
    return steps_[k % together];
  }

 private:
  bool noise_varies() const { return noise_.row_stride != 0 || noise_.col_stride != 0; }

  void measure(std::int64_t first) {
    const std::int64_t row = seed_.row + first, n = std::min({together, image_.cols - row, last_ + 1 - first});
    const std::int64_t from = std::max<std::int64_t>(0, seed_.col - reach_), centre = seed_.col - from;
    const std::int64_t cols = std::min(image_.rows, seed_.col + reach_ + 1) - from;
    copy_block(image_, mask_, from, row, View2D<double>{values_.data(), cols, n, together, 1});
    if (noise_varies()) copy_block(noise_, {}, from, row, View2D<double>{sigmas_.data(), cols, n, together, 1});
    double* const value = &values_[centre * together];
    const double* const sigma = &sigmas_[centre * together];
    if (first == 0) load_row(image_, seed_.col, seed_.row, 1, value);  // a mask on the seed is of no matter

    Background sums{};
    const std::int64_t left = std::max<std::int64_t>(0, centre - gap_), right = std::min(cols, centre + gap_ + 1);
    const auto add = FLECK_PICK(add_background);
    add(values_.data(), sigmas_.data(), left, background_.data(), sums);
    add(values_.data() + right * together, sigmas_.data() + right * together, cols - right,
        background_.data() + left * together, sums);
    FLECK_PICK(sort_background)(background_.data(), left + cols - right);
    for (std::int64_t k = 0; k < n; ++k) {
      const auto count = static_cast<std::int64_t>(sums.count[k]);
      steps_[k] = {};
      if (count == 0 || !std::isfinite(value[k])) continue;
      steps_[k] = {value[k] - median(&background_[k], count),
                   sigma[k] * sigma[k] + sums.squares[k] / sums.count[k] * median_variance(count)};
    }
  }

  Image image_;
  Mask mask_;
  Image noise_;
  std::int64_t gap_, reach_, last_;
  Seed seed_{};
  Step steps_[together];
  Aligned<double> values_, sigmas_, background_;
};

Trail walk(Probe& probe, const Seed& seed, const TrailOptions& options, std::int64_t rows, double* profile,
           std::int64_t profile_stride, std::int64_t profile_length) {
  for (std::int64_t k = 0; k < profile_length; ++k) profile[k * profile_stride] = nan;
  Trail trail{probe.start(seed).excess};
  const double sign = trail.seed_value > 0 ? 1.0 : -1.0;
  const std::int64_t end = std::min(options.max_length, rows - 1 - seed.row);
  bool walking = trail.seed_value > 0 || trail.seed_value < 0;
  double excess = 0, variance = 0;
  for (std::int64_t k = 1; k <= end && (walking || k <= profile_length); ++k) {
    const Step step = probe.step(k);
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

// --- Seeds -----------------------------------------------------------------------------------------------------

// Seeds of a few rows, without sorting the neighbours of any pixel that cannot be one: it stands above their median
// by more than the threshold only if at most half of them exceed (pixel - threshold). Neighbours lie in the same row
// or, across, in the same column.
template <class T>
class SeedFinder {
 public:
  static constexpr std::int64_t rows = 64;

  SeedFinder(const Image& image, const Mask& mask, bool across, double threshold, const TrailOptions& options)
      : image_(image), mask_(mask), sign_(threshold < 0 ? T(-1) : T(1)), height_(std::abs(threshold)),
        first_(options.gap + 1),
        reach_(std::min(options.gap + options.background_width, (across ? image.rows : image.cols) - 1)),
        above_(across ? reach_ : 0), beside_(across ? 0 : reach_), tile_rows_(across ? rows : 1),
        tile_cols_(padded(across ? std::min(tile / (rows + 2 * reach_) + 1, image.cols) : image.cols)),
        pitch_(tile_cols_ + 2 * beside_), values_((tile_rows_ + 2 * above_) * pitch_, absent<T>), list_(tile_cols_),
        background_(2 * (reach_ - first_ + 1) * together) {}

  // Seeds of the rows from `first` on; those of one row, and those of one column, are in order.
  void search(std::int64_t first, std::vector<Seed>& found) {
    for (std::int64_t row = first; row < std::min(first + rows, image_.rows); row += tile_rows_)
      for (std::int64_t col = 0; col < image_.cols; col += tile_cols_) search_tile({row, col}, found);
    judge(found);
  }

 private:
  static constexpr std::int64_t tile = (1 << 18) / sizeof(T);  // stays near

  struct Candidate {
    Seed seed{};
    double value = 0;
    std::int64_t count = 0;  // of its background
  };

  static std::int64_t padded(std::int64_t n) { return (n + seed_block - 1) / seed_block * seed_block; }

  // Rounded down, a threshold lets nothing slip through.
  static T not_above(double height) {
    const T rounded = static_cast<T>(height);
    return rounded > height ? std::nextafter(rounded, T(0)) : rounded;
  }

  bool across() const { return above_ > 0; }
  T* tile_row(std::int64_t r) { return values_.data() + (above_ + r) * pitch_ + beside_; }

  void search_tile(Seed corner, std::vector<Seed>& found) {
    const std::int64_t n = std::min(tile_rows_, image_.rows - corner.row);
    const std::int64_t cols = std::min(tile_cols_, image_.cols - corner.col);
    fill_tile(corner, -above_, n + above_, cols);
    const Neighbours neighbours{first_, reach_, across() ? pitch_ : 1};
    for (std::int64_t r = 0; r < n; ++r) {
      const std::int64_t listed = FLECK_PICK(list_prominent<T>)(tile_row(r), padded(cols), neighbours,
                                                                not_above(height_), list_.data());
      for (std::int64_t i = 0; i < listed; ++i)
        add({corner.row + r, corner.col + list_[i]}, tile_row(r) + list_[i], neighbours, found);
    }
  }

  // Rows [first, end) of the tile; dark trails are searched upside down.
  void fill_tile(Seed corner, std::int64_t first, std::int64_t end, std::int64_t cols) {
    const std::int64_t top = std::max(first, -corner.row), bottom = std::min(end, image_.rows - corner.row);
    const View2D<const T> block = read_block(image_, mask_, corner.row + top, corner.col,
                                             View2D<T>{tile_row(top), bottom - top, cols, pitch_, 1});
    for (std::int64_t r = first; r < end; ++r) {
      const bool inside = top <= r && r < bottom;
      if (inside) FLECK_PICK(settle_row<T>)(block.row(r - top), cols, sign_, tile_row(r));
      std::fill(tile_row(r) + (inside ? cols : 0), tile_row(r) + padded(cols), absent<T>);
    }
  }

  void add(Seed seed, const T* at, const Neighbours& neighbours, std::vector<Seed>& found) {
    Candidate& candidate = candidates_[waiting_] = {seed, *at, 0};
    double* out = &background_[waiting_];
    for (std::int64_t k = neighbours.first; k <= neighbours.last; ++k)
      for (const T value : {at[-k * neighbours.distance], at[k * neighbours.distance]}) {
        const bool counts = value > absent<T>;
        *out = counts ? value : std::numeric_limits<double>::infinity();
        candidate.count += counts;
        out += together;
      }
    if (++waiting_ == together) judge(found);
  }

  void judge(std::vector<Seed>& found) {
    FLECK_PICK(sort_background)(background_.data(), static_cast<std::int64_t>(background_.size()) / together);
    for (std::int64_t k = 0; k < waiting_; ++k) {
      const Candidate& candidate = candidates_[k];
      if (candidate.count > 0 && candidate.value - median(&background_[k], candidate.count) > height_)
        found.push_back(candidate.seed);
    }
    waiting_ = 0;
  }

  Image image_;
  Mask mask_;
  T sign_;
  double height_;
  std::int64_t first_, reach_, above_, beside_, tile_rows_, tile_cols_, pitch_;
  Aligned<T> values_;
  std::vector<std::int64_t> list_;
  Candidate candidates_[together];
  std::int64_t waiting_ = 0;
  Aligned<double> background_;
};

// In raster order. Those of a row are in order already.
std::vector<Seed> sorted(const std::vector<std::vector<Seed>>& found, std::int64_t rows) {
  std::vector<std::int64_t> next(rows + 1);
  for (const std::vector<Seed>& band : found)
    for (const Seed& seed : band) ++next[seed.row + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<Seed> seeds(next.back());
  for (const std::vector<Seed>& band : found)
    for (const Seed& seed : band) seeds[next[seed.row]++] = seed;
  return seeds;
}

template <class T>
std::vector<Seed> find_all(const Image& image, const Mask& mask, bool along_rows, double threshold,
                           const TrailOptions& options, int threads) {
  const bool swap = turned(image);  // to search along the lines in memory
  const Image lines = swap ? transposed(image) : image;
  const Mask left_out = swap ? transposed(mask) : mask;
  const std::int64_t bands = (lines.rows + SeedFinder<T>::rows - 1) / SeedFinder<T>::rows;
  const int workers = resolve_threads(threads);
  std::vector<SeedFinder<T>> finders(workers, SeedFinder<T>(lines, left_out, along_rows != swap, threshold, options));
  std::vector<std::vector<Seed>> found(bands);
  parallel_for(bands, workers, [&](std::int64_t band, int worker) {
    finders[worker].search(band * SeedFinder<T>::rows, found[band]);
    if (swap)
      for (Seed& seed : found[band]) std::swap(seed.row, seed.col);
  });
  return sorted(found, image.rows);
}

}  // namespace

std::vector<Seed> find_seeds(const Image& image, const Mask& mask, bool along_rows, double threshold,
                             const TrailOptions& options, int threads) {
  if (options.gap >= (along_rows ? image.rows : image.cols) - 1) return {};  // no pixel has a neighbour
  const auto find = exact_in_float(image.dtype) ? &find_all<float> : &find_all<double>;
  return find(image, mask, along_rows, threshold, options, threads);
}

void trail_scan(const Image& image, const Mask& mask, const Image& noise, const std::vector<Seed>& seeds,
                const TrailOptions& options, Trail* trails, View2D<double> profile, int threads) {
  if (seeds.empty()) return;
  const int workers = resolve_threads(threads);
  std::vector<Probe> probes(workers, Probe(image, mask, noise, options));
  parallel_for(static_cast<std::int64_t>(seeds.size()), workers, [&](std::int64_t i, int worker) {
    trails[i] = walk(probes[worker], seeds[i], options, image.rows, profile.row(i), profile.col_stride, profile.cols);
  });
}

}  // namespace fleck
