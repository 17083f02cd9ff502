#include "fleck/profile_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "aligned.hpp"
#include "cholesky.hpp"
#include "isa/profile_fit.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// The squared scale of a logistic curve that has the variance of a pixel.
constexpr double pixel_spread = 3 / (std::numbers::pi * std::numbers::pi * 12);
constexpr double least_damping = 1e-7, first_damping = 1e-3, level_bound = 0.5;
constexpr int attempts = 6, level_values = 3;
constexpr std::int64_t blocks_at_once = 32;  // whose derivatives stay in the nearest cache

// Places and weights of Gauss-Legendre integration over a pixel.
ProfileNodes nodes_of(int n) {
  static constexpr double place[3][3] = {{0}, {-0.28867513459481287, 0.28867513459481287},
                                         {-0.3872983346207417, 0, 0.3872983346207417}};
  static constexpr double weight[3][3] = {{1}, {0.5, 0.5}, {5.0 / 18, 8.0 / 18, 5.0 / 18}};
  ProfileNodes nodes{n * n, {}, {}, {}};
  for (int i = 0; i < n * n; ++i) {
    nodes.dy[i] = place[n - 1][i / n];
    nodes.dx[i] = place[n - 1][i % n];
    nodes.weight[i] = weight[n - 1][i / n] * weight[n - 1][i % n];
  }
  return nodes;
}

struct Pixel {
  double y, x, transmission, noise;
};

double squared_distance(const Pixel& pixel, const ProfileStart& start) {
  const double dx = pixel.x - start.value[0], dy = pixel.y - start.value[1];
  return dx * dx + dy * dy;
}

bool within(const Pixel& pixel, const ProfileStart& start, double radius) {
  return radius > 0 && squared_distance(pixel, start) < radius * radius;
}

bool is_near(const Pixel& pixel, const ProfileStart& start) {
  return within(pixel, start, start.reach - profile_margin);
}

// Those that count. Near the first feature come first, of these those near the second, ...:
// what is near one feature lies together.
std::vector<Pixel> pixels_of(const ProfilePatch& patch, std::span<const ProfileStart> starts) {
  const Image& image = patch.transmission;
  std::vector<double> transmission(image.cols), noise(image.cols);
  std::vector<Pixel> pixels;
  for (std::int64_t row = 0; row < image.rows; ++row) {
    load_row(image, row, 0, image.cols, transmission.data());
    load_row(patch.noise, row, 0, image.cols, noise.data());
    for (std::int64_t col = 0; col < image.cols; ++col) {
      const Pixel pixel{static_cast<double>(patch.row + row), static_cast<double>(patch.col + col), transmission[col],
                        noise[col]};
      const bool counts = !(patch.mask && patch.mask(row, col)) && std::isfinite(pixel.transmission) &&
                          std::isfinite(pixel.noise) && pixel.noise > 0 &&
                          std::isfinite(1 / pixel.noise);
      if (counts) pixels.push_back(pixel);
    }
  }
  for (std::size_t i = starts.size(); i-- > 0;)
    std::stable_partition(pixels.begin(), pixels.end(),
                          [&](const Pixel& pixel) { return is_near(pixel, starts[i]); });
  return pixels;
}

// One feature of a fit.
struct Member {
  const ProfileStart& start;
  int values, first_row;  // how many are free; its first row of the derivatives
  ProfileNodes nodes;
  Aligned<double> near, loss;
  std::vector<std::int32_t> blocks, own;

  Member(const ProfileStart& start_, int first_row_, const std::vector<Pixel>& pixels, std::int64_t padded)
      : start(start_),
        values(start.holed ? profile_values : profile_values - 2),
        first_row(first_row_),
        nodes(nodes_of(start.nodes)),
        near(padded),
        loss(padded) {
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      if (within(pixels[i], start, start.own)) own.push_back(static_cast<std::int32_t>(i));
      if (!is_near(pixels[i], start)) continue;
      near[i] = 1;
      const auto block = static_cast<std::int32_t>(i / profile_block);
      if (blocks.empty() || blocks.back() != block) blocks.push_back(block);
    }
  }

  ProfileBlocks where() const { return {blocks.data(), std::ssize(blocks)}; }
};

double mean_square(const std::vector<std::int32_t>& own, const Aligned<double>& residual, std::int64_t n) {
  double sum = 0;
  for (const std::int32_t i : own) sum += residual[i] * residual[i];
  return sum / static_cast<double>(n);
}

class Fit {
 public:
  Fit(const std::vector<Pixel>& pixels, std::span<const ProfileStart> starts)
      : padded_((std::ssize(pixels) + profile_block - 1) / profile_block * profile_block),
        y_(padded_),
        x_(padded_),
        transmission_(padded_),
        sharpness_(padded_),
        light_(padded_),
        residual_(padded_),
        weight_(padded_),
        weighted_(padded_),
        gains_((starts.size() + 1) * padded_),
        all_blocks_(padded_ / profile_block) {
    std::iota(all_blocks_.begin(), all_blocks_.end(), 0);
    members_.reserve(starts.size());
    for (const ProfileStart& start : starts) {
      members_.emplace_back(start, rows_, pixels, padded_);
      rows_ += members_.back().values;
      for (int i = 0; i < profile_values; ++i)
        add_value(start.value[i], start.expected[i], start.low[i], start.high[i], i < members_.back().values);
    }
    for (int i = 0; i < level_values; ++i) add_value(0, profile_level, -level_bound, level_bound, true);
    rows_ += level_values;
    derivatives_.resize(rows_ * padded_);
    load(pixels, starts);
    sums_.resize(profile_values * profile_values * profile_block);
    normal_.resize(rows_ * rows_);
    gradient_.resize(rows_);
  }

  void run() {
    double damping = first_damping;
    find_residual();
    for (int i = 0; i < profile_iterations; ++i) {
      const double spread = profile_clip * deviation();
      linearise(spread);
      const double cost = cost_of(spread);
      const std::vector<double> before = value_;
      double gained = 0;
      for (int attempt = 0; attempt < attempts; ++attempt) {
        gained = move(before, damping) ? cost - cost_of(spread) : 0;
        if (gained > 0) break;
        damping *= 10;
      }
      if (!(gained > 0)) {
        value_ = before;
        find_residual();
        return;
      }
      damping = std::max(damping / 10, least_damping);
      if (gained < profile_enough * (spread / profile_clip) * (spread / profile_clip)) return;
    }
  }

  double misfit() const { return mean_square(own_, residual_, std::ssize(own_)); }

  void describe(std::span<FittedProfile> fitted) const {
    std::vector<double> scale(rows_, 1.0);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const Member& member = members_[i];
      const auto freedom = std::max<std::int64_t>(1, std::ssize(member.own) - member.values);
      fitted[i].rms = std::sqrt(mean_square(member.own, residual_, freedom));
      const double over = std::max(fitted[i].rms, 1.0);
      std::fill_n(scale.begin() + member.first_row, member.values, over);
      for (int k = rows_ - level_values; k < rows_; ++k) scale[k] = std::max(scale[k], over);
    }
    std::vector<double> curvature = normal_;
    for (int i = 0; i < rows_; ++i)
      for (int j = 0; j < rows_; ++j) curvature[i * rows_ + j] /= scale[i] * scale[j];
    for (int i = 0; i < rows_; ++i) curvature[i * rows_ + i] += stiffness_[i];
    const Cholesky solver(std::move(curvature), rows_);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      std::copy_n(value_.begin() + i * profile_values, profile_values, fitted[i].value);
      std::fill_n(fitted[i].covariance[0], profile_values * profile_values, nan);
      if (solver) invert(solver, members_[i], fitted[i]);
    }
  }

 private:
  void add_value(double start, double expected, double low, double high, bool is_free) {
    if (is_free) {
      free_.push_back(static_cast<int>(value_.size()));
      stiffness_.push_back(1 / (expected * expected));
    }
    start_.push_back(start);
    value_.push_back(start);
    low_.push_back(low);
    high_.push_back(high);
  }

  void load(const std::vector<Pixel>& pixels, std::span<const ProfileStart> starts) {
    double cy = 0, cx = 0, size = 0;
    for (const ProfileStart& start : starts) {
      cx += start.value[0] / static_cast<double>(starts.size());
      cy += start.value[1] / static_cast<double>(starts.size());
      size = std::max(size, start.reach);
    }
    sizes_.resize(pixels.size());
    double* rows = &derivatives_[(rows_ - level_values) * padded_];
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      const Pixel& pixel = pixels[i];
      y_[i] = pixel.y;
      x_[i] = pixel.x;
      transmission_[i] = pixel.transmission;
      sharpness_[i] = 1 / pixel.noise;
      rows[i] = 1;
      rows[padded_ + i] = (pixel.x - cx) / size;
      rows[2 * padded_ + i] = (pixel.y - cy) / size;
      if (std::any_of(starts.begin(), starts.end(),
                      [&](const ProfileStart& start) { return within(pixel, start, start.own); }))
        own_.push_back(static_cast<std::int32_t>(i));
    }
  }

  ProfilePixels pixels() const {
    const double* rows = &derivatives_[(rows_ - level_values) * padded_];
    return {padded_, transmission_.data(), sharpness_.data(), rows + 2 * padded_, rows + padded_};
  }

  ProfileFeature feature(std::size_t i) const {
    const Member& m = members_[i];
    return {&value_[i * profile_values],           &m.nodes, m.start.holed != 0,
            m.nodes.n == 1 ? pixel_spread : 0.0, y_.data(), x_.data(),
            m.near.data(),                         m.where()};
  }

  ProfileBlocks everywhere() const { return {all_blocks_.data(), std::ssize(all_blocks_)}; }

  // What passes `level` and the members, all but `without` (-1: all).
  void find_light(const double* level, int without) {
    std::vector<const double*> losses;
    for (const Member& member : members_) losses.push_back(member.loss.data());
    const int n = static_cast<int>(losses.size());
    FLECK_PICK(profile_light)(pixels(), level, losses.data(), n, without, light_.data());
  }

  const double* level() const { return &value_[value_.size() - level_values]; }

  void find_residual() {
    for (std::size_t i = 0; i < members_.size(); ++i) FLECK_PICK(profile_loss)(feature(i), members_[i].loss.data());
    find_light(level(), -1);
    FLECK_PICK(profile_residual)(pixels(), light_.data(), residual_.data());
  }

  // Typical residual within the features, in units of the noise, at least 1.
  double deviation() {
    if (own_.empty()) return 1;
    if (!find_median(median_ / 1.25, median_ * 1.25)) find_median(0, std::numeric_limits<double>::infinity());
    return std::max(1.0, 1.4826 * median_);
  }

  // Of the size of the residuals, if it is from `low` to `high`: it changes little from step to step.
  bool find_median(double low, double high) {
    std::int64_t below = 0, n = 0;
    for (const std::int32_t i : own_) {
      const double size = std::abs(residual_[i]);
      sizes_[n] = size;
      n += size >= low && size <= high;
      below += size < low;
    }
    const std::int64_t all = std::ssize(own_), middle = all / 2 - below;
    if (middle >= n || middle < (all % 2 ? 0 : 1)) return false;
    const auto first = sizes_.begin(), at = first + middle;
    std::nth_element(first, at, first + n);
    median_ = all % 2 ? *at : 0.5 * (*std::max_element(first, at) + *at);
    return true;
  }

  // Those of a member, or of the level, which is beside all of them.
  struct Rows {
    int first, n;
    ProfileBlocks blocks;
    double* gain;  // times this they are the model's derivatives in units of the noise
  };

  Rows rows_of(std::size_t i) {
    double* gain = &gains_[i * padded_];
    if (i == members_.size()) return {rows_ - level_values, level_values, everywhere(), gain};
    return {members_[i].first_row, members_[i].values, members_[i].where(), gain};
  }

  void find_derivatives() {
    static constexpr double even[level_values] = {};
    const auto multiply = FLECK_PICK(profile_product);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const Rows rows = rows_of(i);
      FLECK_PICK(profile_derivatives)(feature(i), &derivatives_[rows.first * padded_], padded_);
      find_light(level(), static_cast<int>(i));
      multiply(light_.data(), sharpness_.data(), padded_, rows.gain);
    }
    find_light(even, -1);
    multiply(light_.data(), sharpness_.data(), padded_, rows_of(members_.size()).gain);
  }

  // The weighted products of the derivatives with each other and with the residual.
  void linearise(double spread) {
    find_derivatives();
    FLECK_PICK(profile_weight)(residual_.data(), padded_, spread, weight_.data());
    for (std::size_t a = 0; a <= members_.size(); ++a) {
      const Rows rows = rows_of(a);
      FLECK_PICK(profile_product)(weight_.data(), rows.gain, padded_, weighted_.data());
      find_gradient(rows);
      for (std::size_t b = a; b <= members_.size(); ++b) find_products(rows, rows_of(b));
    }
    for (int i = 0; i < rows_; ++i) gradient_[i] += stiffness_[i] * away(i);
  }

  void find_gradient(const Rows& rows) {
    std::fill_n(sums_.begin(), rows.n * profile_block, 0.0);
    const double* from = &derivatives_[rows.first * padded_];
    FLECK_PICK(profile_sums)(weighted_.data(), residual_.data(), from, rows.n, padded_, rows.blocks, sums_.data());
    for (int i = 0; i < rows.n; ++i) gradient_[rows.first + i] = profile_total(&sums_[i * profile_block]);
  }

  void find_products(const Rows& a, const Rows& b) {
    const auto sum = FLECK_PICK(profile_sums);
    FLECK_PICK(profile_product)(weighted_.data(), b.gain, padded_, light_.data());
    std::fill_n(sums_.begin(), a.n * b.n * profile_block, 0.0);
    const auto first = [&](int i) { return a.first == b.first ? i : 0; };
    for (std::int64_t block = 0; block < a.blocks.n; block += blocks_at_once) {
      const ProfileBlocks some{a.blocks.index + block, std::min(blocks_at_once, a.blocks.n - block)};
      for (int i = 0; i < a.n; ++i)
        sum(&derivatives_[(a.first + i) * padded_], light_.data(), &derivatives_[(b.first + first(i)) * padded_],
            b.n - first(i), padded_, some, &sums_[(i * b.n + first(i)) * profile_block]);
    }
    for (int i = 0; i < a.n; ++i)
      for (int j = first(i); j < b.n; ++j) {
        double& product = normal_[(a.first + i) * rows_ + b.first + j];
        product = profile_total(&sums_[(i * b.n + j) * profile_block]);
        normal_[(b.first + j) * rows_ + a.first + i] = product;
      }
  }

  double away(int row) const { return start_[free_[row]] - value_[free_[row]]; }

  double cost_of(double spread) const {
    double kept = 0;
    for (int i = 0; i < rows_; ++i) kept += stiffness_[i] * away(i) * away(i);
    return spread * spread * FLECK_PICK(profile_cost)(residual_.data(), padded_, spread) + 0.5 * kept;
  }

  // A step from `before`; false if there is none.
  bool move(const std::vector<double>& before, double damping) {
    std::vector<double> matrix = normal_, step = gradient_;
    for (int i = 0; i < rows_; ++i) {
      double& diagonal = matrix[i * rows_ + i];
      diagonal += stiffness_[i];
      diagonal += damping * diagonal;
    }
    const Cholesky solver(std::move(matrix), rows_);
    if (!solver) return false;
    solver.solve(step);
    value_ = before;
    for (int i = 0; i < rows_; ++i) value_[free_[i]] += step[i];
    for (std::size_t i = 0; i < value_.size(); ++i) value_[i] = std::min(std::max(value_[i], low_[i]), high_[i]);
    find_residual();
    return true;
  }

  void invert(const Cholesky& solver, const Member& member, FittedProfile& fitted) const {
    for (int j = 0; j < member.values; ++j) {
      std::vector<double> column(rows_);
      column[member.first_row + j] = 1;
      solver.solve(column);
      for (int i = 0; i < member.values; ++i) fitted.covariance[i][j] = column[member.first_row + i];
    }
  }

  std::int64_t padded_;  // number of pixels, in whole blocks
  double median_ = 1;    // of the size of the own pixels' residuals
  int rows_ = 0;         // of the derivatives: values that are free
  Aligned<double> y_, x_, transmission_, sharpness_, light_, residual_, weight_, weighted_, gains_;
  Aligned<double> sums_;
  Aligned<double> derivatives_;
  std::vector<std::int32_t> all_blocks_, own_;
  std::vector<Member> members_;
  std::vector<double> value_, start_, low_, high_, stiffness_, normal_, gradient_, sizes_;
  std::vector<int> free_;
};

double fit_patch(const ProfilePatch& patch, std::span<const ProfileStart> starts, std::span<FittedProfile> fitted) {
  const std::vector<Pixel> pixels = pixels_of(patch, starts);
  if (std::ssize(pixels) < 5 + 7 * std::ssize(starts)) {
    for (FittedProfile& profile : fitted) {
      std::fill_n(profile.value, profile_values, nan);
      std::fill_n(profile.covariance[0], profile_values * profile_values, nan);
      profile.rms = nan;
    }
    return nan;
  }
  Fit fit(pixels, starts);
  fit.run();
  fit.describe(fitted);
  return fit.misfit();
}

}  // namespace

void profile_fit(std::span<const ProfilePatch> patches, std::span<const ProfileStart> starts,
                 std::span<FittedProfile> fitted, std::span<double> misfit, int threads) {
  std::vector<std::int64_t> first(patches.size()), order(patches.size());
  for (std::size_t i = 1; i < patches.size(); ++i) first[i] = first[i - 1] + patches[i - 1].features;
  std::iota(order.begin(), order.end(), 0);
  const auto size = [&](std::int64_t i) { return patches[i].transmission.rows * patches[i].transmission.cols; };
  // The largest first, or one of them would be left over at the end.
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return size(a) > size(b); });
  parallel_for(std::ssize(patches), threads, [&](std::int64_t job, int) {
    const std::int64_t i = order[job], n = patches[i].features;
    misfit[i] = fit_patch(patches[i], starts.subspan(first[i], n), fitted.subspan(first[i], n));
  });
}

}  // namespace fleck
