// Objects under construction: runs of pixels, what is summed over them, and which of them are one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "fleck/label_components.hpp"

namespace fleck {

// Foreground pixels [begin, end) of a row.
struct Run {
  std::int64_t row, begin, end;
  std::int64_t object;
};

// Disjoint sets of 0 .. n-1. The root of a set is its smallest member.
class UnionFind {
 public:
  explicit UnionFind(std::int64_t n = 0) : parent_(n) { std::iota(parent_.begin(), parent_.end(), std::int64_t{0}); }

  std::int64_t size() const { return static_cast<std::int64_t>(parent_.size()); }
  void clear() { parent_.clear(); }
  std::int64_t add() {
    parent_.push_back(size());
    return size() - 1;
  }
  std::int64_t find(std::int64_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void unite(std::int64_t a, std::int64_t b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::int64_t> parent_;
};

// Sums over one object. Coordinates count from its first pixel in raster order, which keeps the moments of a small
// object exact anywhere on a large frame.
struct Sums {
  std::int64_t y0, x0;
  std::int64_t area = 0;
  std::int64_t ymax, xmin, xmax;
  double sum = 0;
  double peak = -std::numeric_limits<double>::infinity();
  std::int64_t peak_y, peak_x;
  double w = 0, wy = 0, wx = 0, wyy = 0, wxx = 0, wxy = 0;  // of weight data - threshold

  Sums(std::int64_t y, std::int64_t x) : y0(y), x0(x), ymax(y), xmin(x), xmax(x), peak_y(y), peak_x(x) {}

  // Adds weights summed about the point (dy, dx) from this object's origin.
  void add_weights(double dy, double dx, double v, double vy, double vx, double vyy, double vxx, double vxy) {
    w += v;
    wy += vy + dy * v;
    wx += vx + dx * v;
    wyy += vyy + 2 * dy * vy + dy * dy * v;
    wxx += vxx + 2 * dx * vx + dx * dx * v;
    wxy += vxy + dy * vx + dx * vy + dy * dx * v;
  }

  // Adds a run whose pixels are values[0], values[1], ...; runs of an object come in raster order.
  template <class T>
  void add_run(const Run& run, const T* values, double threshold) {
    double s = 0, v = 0, vx = 0, vxx = 0;
    const std::int64_t n = run.end - run.begin;
    for (std::int64_t i = 0; i < n; ++i) {
      const double value = values[i];
      const double weight = value - threshold;
      const double dx = static_cast<double>(i);
      s += value;
      v += weight;
      vx += dx * weight;
      vxx += dx * dx * weight;
      if (value > peak) {
        peak = value;
        peak_y = run.row;
        peak_x = run.begin + i;
      }
    }
    area += n;
    ymax = run.row;
    xmin = std::min(xmin, run.begin);
    xmax = std::max(xmax, run.end - 1);
    sum += s;
    add_weights(static_cast<double>(run.row - y0), static_cast<double>(run.begin - x0), v, 0, vx, 0, vxx, 0);
  }

  // Adds an object that begins later in raster order.
  void add(const Sums& o) {
    area += o.area;
    ymax = std::max(ymax, o.ymax);
    xmin = std::min(xmin, o.xmin);
    xmax = std::max(xmax, o.xmax);
    sum += o.sum;
    if (o.peak > peak ||
        (o.peak == peak && std::pair(o.peak_y, o.peak_x) < std::pair(peak_y, peak_x))) {
      peak = o.peak;
      peak_y = o.peak_y;
      peak_x = o.peak_x;
    }
    add_weights(static_cast<double>(o.y0 - y0), static_cast<double>(o.x0 - x0), o.w, o.wy, o.wx, o.wyy, o.wxx, o.wxy);
  }

  Component finish() const {
    const double cy = wy / w, cx = wx / w;
    return {area, y0, ymax, xmin, xmax, sum, peak, peak_y, peak_x,
            static_cast<double>(y0) + cy, static_cast<double>(x0) + cx,
            wyy / w - cy * cy, wxx / w - cx * cx, wxy / w - cy * cx};
  }
};

// Objects with their level counts.
class ObjectTable {
 public:
  explicit ObjectTable(const LabelParameters& parameters) : parameters_(&parameters) {}

  std::int64_t size() const { return static_cast<std::int64_t>(sums_.size()); }
  const Sums& operator[](std::int64_t i) const { return sums_[i]; }
  std::span<const std::int64_t> counts(std::int64_t i) const { return {counts_.data() + i * levels(), levels()}; }
  void clear() {
    sums_.clear();
    counts_.clear();
  }
  void reserve(std::int64_t n) {
    sums_.reserve(n);
    counts_.reserve(n * levels());
  }
  std::int64_t add(const Run& first) {
    sums_.emplace_back(first.row, first.begin);
    counts_.resize(counts_.size() + levels());
    return size() - 1;
  }
  std::int64_t add(const ObjectTable& other, std::int64_t j) {
    sums_.push_back(other.sums_[j]);
    const auto row = other.counts(j);
    counts_.insert(counts_.end(), row.begin(), row.end());
    return size() - 1;
  }
  void drop(std::int64_t i) { sums_[i].area = 0; }

  template <class T>
  void add_run(const Run& run, const T* values) {
    sums_[run.object].add_run(run, values, parameters_->threshold);
    std::int64_t* count = counts_.data() + run.object * levels();
    for (const double level : parameters_->levels) {
      for (std::int64_t i = 0; i < run.end - run.begin; ++i) *count += static_cast<double>(values[i]) > level;
      ++count;
    }
  }

  void merge(std::int64_t i, const ObjectTable& other, std::int64_t j) {
    sums_[i].add(other.sums_[j]);
    for (std::size_t k = 0; k < levels(); ++k) counts_[i * levels() + k] += other.counts_[j * levels() + k];
  }

 private:
  std::size_t levels() const { return parameters_->levels.size(); }

  const LabelParameters* parameters_;
  std::vector<Sums> sums_;
  std::vector<std::int64_t> counts_;
};

// The parts of one object, in raster order of their first pixels, and its runs cut up among them. One part: the
// object is whole, and runs is empty.
struct Parts {
  ObjectTable objects;
  std::vector<Run> runs;
};

// Deblends the object made of these runs (raster order) by the rule in fleck/label_components.hpp.
Parts deblend(const Image& image, std::span<const Run> runs, double total, const LabelParameters& parameters);

}  // namespace fleck
