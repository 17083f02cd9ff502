#include "fleck/mesh_statistics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "threads.hpp"

namespace fleck {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Unsigned keys that sort as the numbers do.
template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class Key>
constexpr Key sign_bit = Key{1} << (8 * sizeof(Key) - 1);

template <class T>
KeyOf<T> to_key(T value) {
  const auto bits = std::bit_cast<KeyOf<T>>(value);
  return bits & sign_bit<KeyOf<T>> ? ~bits : bits | sign_bit<KeyOf<T>>;
}

template <class T>
T from_key(KeyOf<T> key) {
  return std::bit_cast<T>(key & sign_bit<KeyOf<T>> ? key & ~sign_bit<KeyOf<T>> : ~key);
}

constexpr int digit_bits = 11;
constexpr std::size_t digits = std::size_t{1} << digit_bits;

template <class T>
struct Scratch {
  std::vector<T> row;
  std::vector<KeyOf<T>> keys, spare;
  std::vector<double> sorted;
  std::vector<std::uint32_t> counts;

  explicit Scratch(const MeshOptions& options)
      : row(options.box_cols),
        keys(options.box_rows * options.box_cols),
        spare(keys.size()),
        sorted(keys.size()),
        counts(passes * digits) {}

  static constexpr int passes = (8 * sizeof(T) + digit_bits - 1) / digit_bits;
  static std::size_t digit(KeyOf<T> key, int pass) { return key >> (pass * digit_bits) & (digits - 1); }

  // Sorts keys[0, n): least significant digit first, digits that all keys share left out.
  void sort_keys(std::int64_t n) {
    if (n < 512) return std::sort(keys.begin(), keys.begin() + n);
    std::fill(counts.begin(), counts.end(), 0);
    for (std::int64_t i = 0; i < n; ++i)
      for (int pass = 0; pass < passes; ++pass) ++counts[pass * digits + digit(keys[i], pass)];
    for (int pass = 0; pass < passes; ++pass) {
      std::uint32_t* const place = &counts[pass * digits];
      if (place[digit(keys[0], pass)] == n) continue;
      for (std::uint32_t d = 0, sum = 0; d < digits; ++d) sum += std::exchange(place[d], sum);
      for (std::int64_t i = 0; i < n; ++i) spare[place[digit(keys[i], pass)]++] = keys[i];
      keys.swap(spare);
    }
  }
};

double median_of_sorted(const double* x, std::int64_t n) { return std::midpoint(x[(n - 1) / 2], x[n / 2]); }

// The k-th smallest |x - centre| (k from 1): the k nearest of a sorted sample are neighbours.
double nearest_deviation(const double* x, std::int64_t n, double centre, std::int64_t k) {
  std::int64_t first = 0, last = n - k;
  while (first < last) {
    const std::int64_t middle = (first + last) / 2;
    if (centre - x[middle] > x[middle + k] - centre)
      first = middle + 1;
    else
      last = middle;
  }
  return std::max(centre - x[first], x[first + k - 1] - centre);
}

double median_deviation(const double* x, std::int64_t n, double centre) {
  return std::midpoint(nearest_deviation(x, n, centre, (n + 1) / 2), nearest_deviation(x, n, centre, n / 2 + 1));
}

// About `centre`, which lies near the mean: no cancellation. Four partial sums, so that additions need not wait.
double standard_deviation(const double* x, std::int64_t n, double centre) {
  if (n < 2) return 0.0;
  double sum[4] = {}, squares[4] = {};
  const auto add = [&](std::int64_t i, int lane) {
    const double d = x[i] - centre;
    sum[lane] += d;
    squares[lane] += d * d;
  };
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int lane = 0; lane < 4; ++lane) add(i + lane, lane);
  for (; i < n; ++i) add(i, 0);
  const double s = sum[0] + sum[1] + sum[2] + sum[3];
  const double q = squares[0] + squares[1] + squares[2] + squares[3];
  return std::sqrt(std::max(0.0, q - s * s / static_cast<double>(n)) / static_cast<double>(n - 1));
}

struct Clipped {
  double level = nan, noise = nan;
  std::int64_t count = 0;
};

Clipped clip_sorted(const double* x, std::int64_t n, const MeshOptions& options, double correction) {
  Clipped result{median_of_sorted(x, n), 0.0, n};
  result.noise = median_deviation(x, n, result.level) / 0.6744897501960817;  // the upper quartile of a unit normal
  if (result.noise == 0.0) result.noise = standard_deviation(x, n, result.level) / correction;
  // Half of the kept lies on each side of its median, so 1.5 standard deviations always keep some again.
  const double *first = x, *last = x;
  for (int iteration = 0; iteration < options.max_iterations && result.noise > 0.0; ++iteration) {
    const double reach = options.clip * result.noise;
    const double* const from = std::lower_bound(x, x + n, result.level - reach);
    const double* const to = std::upper_bound(from, x + n, result.level + reach);
    if (from == first && to == last) break;
    first = from;
    last = to;
    result.count = last - first;
    result.level = median_of_sorted(first, result.count);
    result.noise = standard_deviation(first, result.count, result.level) / correction;
  }
  return result;
}

struct Box {
  std::int64_t row, col, rows, cols;
};

template <class T>
Clipped measure_box(const Image& image, const Mask& mask, const MeshOptions& options, double correction,
                    const Box& box, Scratch<T>& scratch) {
  std::int64_t n = 0;
  for (std::int64_t r = box.row; r < box.row + box.rows; ++r) {
    load_row(image, r, box.col, box.cols, scratch.row.data());
    for (std::int64_t c = 0; c < box.cols; ++c) {
      scratch.keys[n] = to_key(scratch.row[c]);
      n += std::isfinite(scratch.row[c]) && !(mask && mask(r, box.col + c));
    }
  }
  if (n == 0 || static_cast<double>(n) < options.min_valid * static_cast<double>(box.rows * box.cols)) return {};
  scratch.sort_keys(n);
  for (std::int64_t i = 0; i < n; ++i) scratch.sorted[i] = from_key<T>(scratch.keys[i]);
  return clip_sorted(scratch.sorted.data(), n, options, correction);
}

template <class T>
void measure_all(const Image& image, const Mask& mask, MeshOptions options, View2D<double> level,
                 View2D<double> noise, View2D<std::int64_t> count, int threads) {
  options.box_rows = std::min(options.box_rows, image.rows);
  options.box_cols = std::min(options.box_cols, image.cols);
  const double correction = truncation(options.clip);
  const int workers = resolve_threads(threads);
  std::vector<Scratch<T>> scratch(workers, Scratch<T>(options));
  parallel_for(level.rows * level.cols, workers, [&](std::int64_t job, int worker) {
    const std::int64_t r = job / level.cols, c = job % level.cols;
    const std::int64_t row = r * options.box_rows, col = c * options.box_cols;
    const Box box{row, col, std::min(options.box_rows, image.rows - row), std::min(options.box_cols, image.cols - col)};
    const Clipped found = measure_box(image, mask, options, correction, box, scratch[worker]);
    level(r, c) = found.level;
    noise(r, c) = found.noise;
    count(r, c) = found.count;
  });
}

bool exact_in_float(DType dtype) {
  switch (dtype) {
    case DType::u8:
    case DType::i8:
    case DType::u16:
    case DType::i16:
    case DType::f16:
    case DType::f32: return true;
    default: return false;
  }
}

// The mean of the numbers nearest to a box. A square of half-width `radius` holds every number up to that distance.
double nearest_mean(View2D<const double> mesh, std::int64_t row, std::int64_t col) {
  for (std::int64_t radius = 1;; radius *= 2) {
    const std::int64_t top = std::max<std::int64_t>(0, row - radius), bottom = std::min(mesh.rows - 1, row + radius);
    const std::int64_t left = std::max<std::int64_t>(0, col - radius), right = std::min(mesh.cols - 1, col + radius);
    std::int64_t nearest = std::numeric_limits<std::int64_t>::max();
    double sum = nan, number = 0;
    for (std::int64_t r = top; r <= bottom; ++r)
      for (std::int64_t c = left; c <= right; ++c) {
        const std::int64_t distance = (r - row) * (r - row) + (c - col) * (c - col);
        if (distance > nearest || std::isnan(mesh(r, c))) continue;
        if (distance < nearest) sum = number = 0;
        nearest = distance;
        sum += mesh(r, c);
        ++number;
      }
    if (nearest <= radius * radius || radius >= std::max(mesh.rows, mesh.cols)) return sum / number;
  }
}

// Where the pixels of one axis lie between box centres: pixel i is at weight[i] of the way from centre node[i] to the
// next.
struct Axis {
  std::vector<std::int64_t> node;
  std::vector<double> weight;

  Axis(std::int64_t size, std::int64_t box) : node(size), weight(size) {
    box = std::min(box, size);
    const std::int64_t boxes = mesh_size(size, box);
    const auto centre = [&](std::int64_t k) {
      return 0.5 * static_cast<double>(k * box + std::min((k + 1) * box, size) - 1);
    };
    for (std::int64_t i = 0, k = 0; i < size; ++i) {
      const double at = static_cast<double>(i);
      while (k + 1 < boxes && at >= centre(k + 1)) ++k;
      node[i] = k;
      const bool between = k + 1 < boxes && at >= centre(k);
      weight[i] = between ? (at - centre(k)) / (centre(k + 1) - centre(k)) : 0.0;
    }
  }
};

}  // namespace

double truncation(double clip) {
  const double density = std::exp(-0.5 * clip * clip) / std::sqrt(2.0 * std::numbers::pi);
  return std::sqrt(1.0 - 2.0 * clip * density / std::erf(clip / std::numbers::sqrt2));
}

void mesh_statistics(const Image& image, const Mask& mask, const MeshOptions& options, View2D<double> level,
                     View2D<double> noise, View2D<std::int64_t> count, int threads) {
  const auto measure = exact_in_float(image.dtype) ? &measure_all<float> : &measure_all<double>;
  measure(image, mask, options, level, noise, count, threads);
}

void fill_mesh(View2D<const double> mesh, View2D<double> out, int threads) {
  parallel_for(mesh.rows, threads, [&](std::int64_t r, int) {
    for (std::int64_t c = 0; c < mesh.cols; ++c)
      out(r, c) = std::isnan(mesh(r, c)) ? nearest_mean(mesh, r, c) : mesh(r, c);
  });
}

void interpolate_mesh(View2D<const double> mesh, std::int64_t box_rows, std::int64_t box_cols, View2D<float> out,
                      int threads) {
  const Axis down(out.rows, box_rows), across(out.cols, box_cols);
  const int workers = resolve_threads(threads);
  // One node more than boxes, so that the last centre has a next one (at weight 0).
  std::vector<std::vector<double>> lines(workers, std::vector<double>(mesh.cols + 1));
  parallel_for(out.rows, workers, [&](std::int64_t r, int worker) {
    double* const line = lines[worker].data();
    const std::int64_t above = down.node[r], below = std::min(above + 1, mesh.rows - 1);
    for (std::int64_t k = 0; k < mesh.cols; ++k)
      line[k] = mesh(above, k) + down.weight[r] * (mesh(below, k) - mesh(above, k));
    line[mesh.cols] = line[mesh.cols - 1];
    for (std::int64_t c = 0; c < out.cols;) {
      const std::int64_t k = across.node[c];
      const double start = line[k], step = line[k + 1] - start;
      for (; c < out.cols && across.node[c] == k; ++c)
        out(r, c) = static_cast<float>(start + across.weight[c] * step);
    }
  });
}

}  // namespace fleck
