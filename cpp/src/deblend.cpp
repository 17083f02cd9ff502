#include <algorithm>
#include <array>
#include <unordered_map>

#include "components.hpp"

namespace fleck {
namespace {

// Pixels of one object in raster order; flooding, and who owns what has been flooded.
class Flood {
 public:
  Flood(const Image& image, std::span<const Run> runs, double total, const LabelParameters& parameters)
      : parameters_(parameters), needed_(parameters.deblend * total), top_(runs.front().row) {
    std::int64_t n = 0;
    for (const Run& run : runs) n += run.end - run.begin;
    y_.reserve(n);
    x_.reserve(n);
    value_.resize(n);
    row_begin_.reserve(runs.back().row - top_ + 2);
    for (const Run& run : runs) {
      while (top_ + static_cast<std::int64_t>(row_begin_.size()) <= run.row) row_begin_.push_back(x_.size());
      load_row(image, run.row, run.begin, run.end - run.begin, value_.data() + x_.size());
      for (std::int64_t x = run.begin; x < run.end; ++x) {
        y_.push_back(run.row);
        x_.push_back(x);
      }
    }
    row_begin_.push_back(n);
    owner_ = UnionFind(n);
    branch_ = UnionFind(n);
    sums_.resize(n);
    run();
  }

  std::int64_t owner(std::int64_t pixel) { return owner_.find(pixel); }
  const double* values() const { return value_.data(); }

 private:
  struct Branch {  // valid at the root of a branch; area = 0 marks a pixel not yet flooded
    std::int64_t area = 0;
    double weight = 0;  // sum of data - threshold
  };
  using Neighbours = std::array<std::int64_t, 8>;

  bool floods_before(std::int64_t a, std::int64_t b) const {
    return value_[a] > value_[b] || (value_[a] == value_[b] && a < b);
  }

  bool significant(const Branch& branch, double saddle) const {
    const double above = branch.weight - static_cast<double>(branch.area) * (saddle - parameters_.threshold);
    return branch.area >= parameters_.min_area && above > needed_;
  }

  // Flooded neighbours of a pixel, in raster order; how many.
  int flooded_neighbours(std::int64_t pixel, Neighbours& found) const {
    int n = 0;
    for (std::int64_t dy = -1; dy <= 1; ++dy) {
      const std::int64_t row = y_[pixel] - top_ + dy;
      if (row < 0 || row + 1 >= static_cast<std::int64_t>(row_begin_.size())) continue;
      const std::int64_t reach = dy == 0 || parameters_.connectivity == 8 ? 1 : 0;
      const auto end = x_.begin() + row_begin_[row + 1];
      for (auto q = std::lower_bound(x_.begin() + row_begin_[row], end, x_[pixel] - reach);
           q != end && *q <= x_[pixel] + reach; ++q) {
        const std::int64_t i = q - x_.begin();
        if (i != pixel && sums_[i].area > 0) found[n++] = i;
      }
    }
    return n;
  }

  void flood(std::int64_t pixel) {
    Neighbours around;
    const int n = flooded_neighbours(pixel, around);
    std::array<bool, 8> strong{};
    int heir = -1;  // the neighbour whose object takes what is not kept apart
    for (int i = 0; i < n; ++i) {
      strong[i] = significant(sums_[branch_.find(around[i])], value_[pixel]);
      if (heir < 0 || strong[i] > strong[heir] ||
          (strong[i] == strong[heir] && floods_before(around[i], around[heir])))
        heir = i;
    }
    for (int i = 0; i < n; ++i)
      if (!strong[i]) owner_.unite(around[i], around[heir]);
    if (heir >= 0) owner_.unite(pixel, around[heir]);
    join(pixel, {around.data(), static_cast<std::size_t>(n)});
  }

  void join(std::int64_t pixel, std::span<const std::int64_t> neighbours) {
    Branch whole{1, value_[pixel] - parameters_.threshold};
    for (const std::int64_t q : neighbours) {
      const std::int64_t root = branch_.find(q);
      if (root == branch_.find(pixel)) continue;
      whole.area += sums_[root].area;
      whole.weight += sums_[root].weight;
      branch_.unite(root, pixel);
    }
    sums_[pixel] = whole;  // flooded
    sums_[branch_.find(pixel)] = whole;
  }

  void run() {
    std::vector<std::int64_t> order(value_.size());
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::sort(order.begin(), order.end(), [this](std::int64_t a, std::int64_t b) { return floods_before(a, b); });
    for (const std::int64_t pixel : order) flood(pixel);
  }

  const LabelParameters& parameters_;
  double needed_;
  std::int64_t top_;
  std::vector<std::int64_t> y_, x_, row_begin_;
  std::vector<double> value_;
  UnionFind owner_, branch_;
  std::vector<Branch> sums_;
};

}  // namespace

Parts deblend(const Image& image, std::span<const Run> runs, double total, const LabelParameters& parameters) {
  Flood flood(image, runs, total, parameters);
  Meter meter(DType::f64, false, parameters.threshold, parameters.levels);
  Parts parts{ObjectTable(parameters), {}};
  std::unordered_map<std::int64_t, std::int64_t> part_of;  // by owner
  RunRow pieces;                                           // of one run
  std::int64_t first = 0;                                  // pixel of the run
  for (const Run& run : runs) {
    const std::int64_t n = run.end - run.begin;
    pieces = {};
    for (std::int64_t begin = 0, end; begin < n; begin = end) {
      const std::int64_t owner = flood.owner(first + begin);
      for (end = begin + 1; end < n && flood.owner(first + end) == owner;) ++end;
      const auto [part, is_new] = part_of.try_emplace(owner, parts.objects.size());
      if (is_new) parts.objects.add(run.row, run.begin + begin);
      pieces.edges.insert(pieces.edges.end(), {begin, end});
      pieces.objects.push_back(part->second);
      parts.runs.push_back({run.row, run.begin + begin, run.begin + end, part->second});
    }
    meter.add(reinterpret_cast<const std::byte*>(flood.values() + first), n, run.row, run.begin, pieces,
              parts.objects);
    first += n;
  }
  if (parts.objects.size() == 1) parts = {ObjectTable(parameters), {}};
  return parts;
}

}  // namespace fleck
