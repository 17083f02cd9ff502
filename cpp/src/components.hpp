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
#include "isa/label_components.hpp"

namespace fleck {

// Foreground pixels [begin, end) of a row.
struct Run {
  std::int64_t row, begin, end;
  std::int64_t object;
};

// The runs of one row: run k is [edges[2 k], edges[2 k + 1]), and belongs to objects[k].
struct RunRow {
  std::vector<std::int64_t> edges, objects;

  std::int64_t size() const { return static_cast<std::int64_t>(objects.size()); }
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

  // Adds the run [begin, end) of row y; the runs of an object come in raster order.
  void add(std::int64_t y, std::int64_t begin, std::int64_t end, const RunSums& run) {
    area += end - begin;
    ymax = y;
    xmin = std::min(xmin, begin);
    xmax = std::max(xmax, end - 1);
    sum += run.sum;
    if (run.peak > peak) {
      peak = run.peak;
      peak_y = y;
      peak_x = begin + static_cast<std::int64_t>(run.peak_x);
    }
    const double dy = static_cast<double>(y - y0), dx = static_cast<double>(begin - x0);
    const double wx_here = run.wx + dx * run.w;
    w += run.w;
    wy += dy * run.w;
    wx += wx_here;
    wyy += dy * dy * run.w;
    wxx += run.wxx + dx * (run.wx + wx_here);
    wxy += dy * wx_here;
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
    const double dy = static_cast<double>(o.y0 - y0), dx = static_cast<double>(o.x0 - x0);
    w += o.w;
    wy += o.wy + dy * o.w;
    wx += o.wx + dx * o.w;
    wyy += o.wyy + 2 * dy * o.wy + dy * dy * o.w;
    wxx += o.wxx + 2 * dx * o.wx + dx * dx * o.w;
    wxy += o.wxy + dy * o.wx + dx * o.wy + dy * dx * o.w;
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
  const std::int64_t* counts(std::int64_t i) const { return counts_.data() + i * levels(); }
  void clear() {
    sums_.clear();
    counts_.clear();
  }
  void reserve(std::int64_t n) {
    sums_.reserve(n);
    counts_.reserve(n * levels());
  }
  // An object without pixels yet, whose first will be at (y, x).
  std::int64_t add(std::int64_t y, std::int64_t x) {
    sums_.emplace_back(y, x);
    counts_.resize(counts_.size() + levels());
    return size() - 1;
  }
  std::int64_t add(const ObjectTable& other, std::int64_t j) {
    sums_.push_back(other.sums_[j]);
    counts_.insert(counts_.end(), other.counts(j), other.counts(j) + levels());
    return size() - 1;
  }
  void drop(std::int64_t i) { sums_[i].area = 0; }

  Sums& operator[](std::int64_t i) { return sums_[i]; }
  std::int64_t* counts(std::int64_t i) { return counts_.data() + i * levels(); }

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

// Sums up runs of pixels of one type.
class Meter {
 public:
  Meter(DType dtype, bool swapped, double threshold, std::span<const double> levels);

  // Bit x of words says whether pixel x of n exceeds the threshold.
  void mark(const std::byte* pixels, std::int64_t n, std::uint64_t* words) const {
    mark_above_(pixels, n, threshold_, words);
  }

  // Adds runs of row y to their objects. Edges count from the first of the n pixels, which lies in column x0.
  void add(const std::byte* pixels, std::int64_t n, std::int64_t y, std::int64_t x0, const RunRow& runs,
           ObjectTable& objects);

 private:
  double threshold_;
  std::span<const double> levels_;
  void (*mark_above_)(const std::byte*, std::int64_t, double, std::uint64_t*) noexcept;
  void (*sum_runs_)(const std::byte*, std::int64_t, const std::int64_t*, std::int64_t, double, RunSums*) noexcept;
  void (*count_above_)(const std::byte*, const std::int64_t*, std::int64_t, double, std::int64_t*) noexcept;
  std::vector<RunSums> sums_;
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
