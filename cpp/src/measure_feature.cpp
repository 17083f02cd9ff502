#include "fleck/measure_feature.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace fleck {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr float aperture_loss = 0.05f, core_loss = 0.5f;
constexpr int inner_margin = 3, outer_margin = 6;  // pixels between footprint and ring, and the ring's width
constexpr std::size_t least_ring = 8;
constexpr double median_error = 1.2533;  // of the median of normals, in units of that of their mean
constexpr double pixel_moment = 1.0 / 12;
constexpr double degree = std::numbers::pi / 180;

struct Place {
  std::int64_t row, col;
};

struct Box {
  std::int64_t top, bottom, left, right;  // the second ones beyond

  std::int64_t rows() const { return bottom - top; }
  std::int64_t cols() const { return right - left; }

  Box grown(std::int64_t margin, std::int64_t rows, std::int64_t cols) const {
    return {std::max<std::int64_t>(0, top - margin), std::min(rows, bottom + margin),
            std::max<std::int64_t>(0, left - margin), std::min(cols, right + margin)};
  }
};

// Pixels of a box that are set, one byte each.
class Region {
 public:
  Region(const Box& box, const Mask& from) : box_(box), set_(box.rows() * box.cols()) {
    for (std::int64_t r = 0; r < box.rows(); ++r)
      for (std::int64_t c = 0; c < box.cols(); ++c) set_[r * box.cols() + c] = from(box.top + r, box.left + c) != 0;
  }

  // Dilates by `steps` pixels, diamond and square in turn (nearly round).
  void grow(int steps) {
    const std::int64_t rows = box_.rows(), cols = box_.cols();
    std::vector<std::uint8_t> wide(set_.size());
    for (int step = 0; step < steps; ++step) {
      for (std::int64_t r = 0; r < rows; ++r) widen(&set_[r * cols], cols, &wide[r * cols]);
      const std::vector<std::uint8_t>& tall = step % 2 ? wide : set_;
      std::vector<std::uint8_t> grown = wide;
      for (std::int64_t i = cols; i < rows * cols; ++i) {
        grown[i] |= tall[i - cols];
        grown[i - cols] |= tall[i];
      }
      set_.swap(grown);
    }
  }

  bool operator()(std::int64_t row, std::int64_t col) const {
    return set_[(row - box_.top) * box_.cols() + col - box_.left] != 0;
  }

 private:
  static void widen(const std::uint8_t* __restrict from, std::int64_t n, std::uint8_t* __restrict to) {
    std::copy_n(from, n, to);
    for (std::int64_t c = 1; c < n; ++c) to[c] |= from[c - 1];
    for (std::int64_t c = 1; c < n; ++c) to[c - 1] |= from[c];
  }

  Box box_;
  std::vector<std::uint8_t> set_;
};

// The middle of some numbers, or the mean of the two; NaN if there is one among them.
float median(std::vector<float>& values) {
  if (std::any_of(values.begin(), values.end(), [](float x) { return std::isnan(x); }))
    return std::numeric_limits<float>::quiet_NaN();
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return values.size() % 2 ? *middle : (*std::max_element(values.begin(), middle) + *middle) / 2;
}

class Measuring {
 public:
  explicit Measuring(const FeatureCut& cut) : cut_(cut) {
    box_ = {cut.footprint.rows, 0, cut.footprint.cols, 0};
    for (std::int64_t r = 0; r < cut.footprint.rows; ++r)
      for (std::int64_t c = 0; c < cut.footprint.cols; ++c)
        if (cut.footprint(r, c)) {
          places_.push_back({r, c});
          box_ = {std::min(box_.top, r), r + 1, std::min(box_.left, c), std::max(box_.right, c + 1)};
        }
  }

  FeatureMeasures run() {
    find_level_beside();
    find_moments();
    find_peak();
    find_radii();
    sum_aperture();
    return out_;
  }

 private:
  // Against the level beside the feature.
  float loss(std::int64_t row, std::int64_t col) const { return (cut_.loss(row, col) - beside_) / light_beside_; }

  Box around(std::int64_t margin) const { return box_.grown(margin, cut_.loss.rows, cut_.loss.cols); }

  void find_level_beside() {
    const Box box = around(inner_margin + outer_margin);
    Region inner(box, cut_.footprint);
    inner.grow(inner_margin);
    Region outer = inner;
    outer.grow(outer_margin);
    std::vector<float> losses, noises;
    for (std::int64_t r = box.top; r < box.bottom; ++r)
      for (std::int64_t c = box.left; c < box.right; ++c)
        if (outer(r, c) && !inner(r, c) && cut_.free(r, c)) {
          losses.push_back(cut_.loss(r, c));
          noises.push_back(cut_.noise(r, c));
        }
    if (losses.size() < least_ring) return;
    beside_ = median(losses);
    light_beside_ = static_cast<float>(1.0 - static_cast<double>(beside_));
    beside_err_ = median_error * median(noises) / std::sqrt(static_cast<double>(losses.size()));
  }

  void find_moments() {
    double total = 0;
    std::vector<double> weights;
    for (const Place& at : places_) {
      const double value = loss(at.row, at.col);
      weights.push_back(value > 1e-9 ? value : 1e-9);
      total += weights.back();
    }
    for (std::size_t i = 0; i < places_.size(); ++i) {
      weights[i] /= total;
      y_ += weights[i] * static_cast<double>(places_[i].row);
      x_ += weights[i] * static_cast<double>(places_[i].col);
    }
    double yy = pixel_moment, xx = pixel_moment, xy = 0;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const double dy = static_cast<double>(places_[i].row) - y_, dx = static_cast<double>(places_[i].col) - x_;
      yy += weights[i] * dy * dy;
      xx += weights[i] * dx * dx;
      xy += weights[i] * dx * dy;
    }
    const double mean = (xx + yy) / 2, half = std::hypot((xx - yy) / 2, xy);
    out_.x_centroid = x_;
    out_.y_centroid = y_;
    out_.semimajor_axis = std::sqrt(mean + half);
    out_.semiminor_axis = std::sqrt(std::max(mean - half, pixel_moment));
    out_.orientation = 0.5 * std::atan2(2 * xy, xx - yy) / degree;
  }

  void find_peak() {
    Place peak = places_.front();
    for (const Place& at : places_)
      if (loss(at.row, at.col) > loss(peak.row, peak.col)) peak = at;
    out_.x_peak = peak.col;
    out_.y_peak = peak.row;
    out_.loss_max = loss(peak.row, peak.col);
    out_.loss_max_err = std::hypot(cut_.noise(peak.row, peak.col), beside_err_);
  }

  void find_radii() {
    const double size = std::sqrt(static_cast<double>(places_.size()) / std::numbers::pi);
    const auto rings = static_cast<std::int64_t>(1.6 * size) + 4;
    out_.radius = size;
    if (!std::isfinite(y_) || !std::isfinite(x_) || !std::isfinite(out_.semimajor_axis)) return;
    std::vector<double> profile(rings), noise(rings);
    mean_of_rings(profile, noise);
    std::int64_t top = -1;
    for (std::int64_t k = 0; k < rings; ++k)
      if (profile[k] == profile[k] && (top < 0 || profile[k] > profile[top])) top = k;
    if (std::none_of(profile.begin(), profile.end(), [](double p) { return std::isfinite(p); })) return;
    out_.radius = outer_radius(profile, noise, top);
    out_.radius_inner = inner_radius(profile, noise, top);
  }

  void mean_of_rings(std::vector<double>& profile, std::vector<double>& noise) const {
    const std::int64_t rings = std::ssize(profile);
    const double ratio = out_.semimajor_axis / out_.semiminor_axis, stretch = std::sqrt(ratio);
    const double cos = std::cos(out_.orientation * degree), sin = std::sin(out_.orientation * degree);
    const auto farthest = static_cast<std::int64_t>(static_cast<double>(rings) * std::sqrt(ratio)) + 1;
    const auto row = static_cast<std::int64_t>(y_), col = static_cast<std::int64_t>(x_);
    const Box box = Box{row, row + 1, col, col + 1}.grown(farthest, cut_.loss.rows, cut_.loss.cols);
    std::vector<std::int64_t> count(rings);
    for (std::int64_t r = box.top; r < box.bottom; ++r)
      for (std::int64_t c = box.left; c < box.right; ++c) {
        if (!cut_.free(r, c) && !(cut_.footprint(r, c) && cut_.usable(r, c))) continue;
        const double dy = static_cast<double>(r) - y_, dx = static_cast<double>(c) - x_;
        const double along = (dx * cos + dy * sin) / stretch, across = (dy * cos - dx * sin) * stretch;
        const double ring = std::nearbyint(std::sqrt(along * along + across * across));
        if (!(ring < static_cast<double>(rings))) continue;
        ++count[static_cast<std::int64_t>(ring)];
        profile[static_cast<std::int64_t>(ring)] += loss(r, c);
      }
    std::vector<float> noises;
    for (const Place& at : places_) noises.push_back(cut_.noise(at.row, at.col));
    const double typical = median(noises);
    for (std::int64_t k = 0; k < rings; ++k) {
      const auto n = static_cast<double>(count[k]);
      profile[k] = count[k] ? profile[k] / n : nan;
      noise[k] = typical / std::sqrt(std::max(n, 1.0));
    }
  }

  static double outer_radius(const std::vector<double>& profile, const std::vector<double>& noise, std::int64_t top) {
    const std::int64_t rings = std::ssize(profile);
    for (std::int64_t k = top + 1; k < rings; ++k) {
      const double limit = std::max(0.05 * profile[top], 2 * noise[k]);
      if (profile[k] >= limit) continue;
      const double step = profile[k - 1] - profile[k];
      const double part = step > 0 ? (profile[k - 1] - limit) / step : 0.5;
      return static_cast<double>(k - 1) + std::min(std::max(part, 0.0), 1.0);
    }
    return static_cast<double>(rings - 1);
  }

  static double inner_radius(const std::vector<double>& profile, const std::vector<double>& noise, std::int64_t top) {
    for (std::int64_t k = top - 1; k >= 0; --k)
      if (profile[k] < 0.5 * profile[top] && profile[top] - profile[k] > 3 * std::hypot(noise[k], noise[top]))
        return static_cast<double>(k) + 0.5;
    return 0;
  }

  void sum_aperture() {
    const Box box = around(1);
    Region grown(box, cut_.footprint);
    grown.grow(1);
    const auto every = [&](auto&& take) {
      for (std::int64_t r = box.top; r < box.bottom; ++r)
        for (std::int64_t c = box.left; c < box.right; ++c) take(r, c);
    };
    Sums deep, whole;
    every([&](std::int64_t r, std::int64_t c) {
      const bool own = cut_.footprint(r, c), in_zone = (grown(r, c) && cut_.free(r, c)) || (own && cut_.usable(r, c));
      if (!own && !in_zone) return;
      const Sums pixel = sums_of(r, c);
      if (own) whole += pixel;
      if (!in_zone || !(loss(r, c) > aperture_loss)) return;
      deep += pixel;
      out_.area_50 += loss(r, c) > core_loss;
    });
    out_.area = deep.n;
    const Sums& aperture = deep.n ? deep : whole;
    const auto n = static_cast<double>(aperture.n);
    out_.loss_mean = aperture.loss / n;
    out_.loss_mean_err = std::hypot(std::sqrt(aperture.noise_squared) / n, beside_err_);
    out_.lost_flux = aperture.flux;
    out_.lost_flux_err = std::hypot(std::sqrt(aperture.flux_noise_squared), beside_err_ * aperture.level);
  }

  struct Sums {
    std::int64_t n = 0;
    double loss = 0, noise_squared = 0, flux = 0, flux_noise_squared = 0, level = 0;

    void operator+=(const Sums& other) {
      n += other.n;
      loss += other.loss;
      noise_squared += other.noise_squared;
      flux += other.flux;
      flux_noise_squared += other.flux_noise_squared;
      level += other.level;
    }
  };

  Sums sums_of(std::int64_t row, std::int64_t col) const {
    const float lost = loss(row, col), noise = cut_.noise(row, col), level = cut_.level(row, col);
    const double flux_noise = noise * level, deviation = noise;
    return {1, lost, deviation * deviation, lost * level, flux_noise * flux_noise, level};
  }

  const FeatureCut& cut_;
  std::vector<Place> places_;
  Box box_;
  float beside_ = 0, light_beside_ = 1;
  double beside_err_ = 0, y_ = 0, x_ = 0;
  FeatureMeasures out_{};
};

}  // namespace

FeatureMeasures measure_feature(const FeatureCut& cut) { return Measuring(cut).run(); }

}  // namespace fleck
