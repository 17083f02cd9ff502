#include "fleck/mesh_statistics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <type_traits>
#include <vector>

#include "aligned.hpp"
#include "isa/mesh_statistics.hpp"
#include "mesh_axis.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Halfway from low to high among the numbers that T can hold, neither of them NaN.
template <class T>
T middle_representable(T low, T high) {
  using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Key sign = Key{1} << (8 * sizeof(Key) - 1);
  const auto to_key = [](T x) {  // sorts as the numbers do
    const auto bits = std::bit_cast<Key>(x);
    return bits & sign ? ~bits : bits | sign;
  };
  const Key from = to_key(low), key = from + (to_key(high) - from) / 2;
  return std::bit_cast<T>(key & sign ? key & ~sign : ~key);
}

// Where ranks are taken: finite numbers, or how far they are from a centre. A sample of a few tells them roughly.
template <class T>
struct Numbers {
  using Value = T;
  const T* data = nullptr;
  std::int64_t size = 0;

  T sampled(std::int64_t i) const { return data[i * (size - 1) / (few - 1)]; }
  Gathered gather(T low, T high, T* out) const { return FLECK_PICK(gather_inside<T>)(data, size, low, high, out); }
};

template <class T>
struct Deviations {
  using Value = double;
  const T* data = nullptr;
  std::int64_t size = 0;
  double centre = 0;

  T sampled(std::int64_t i) const { return static_cast<T>(std::abs(data[i * (size - 1) / (few - 1)] - centre)); }
  Gathered gather(double low, double high, double* out) const {
    return FLECK_PICK(gather_deviations<T>)(data, size, centre, low, high, out);
  }
};

// Numbers by their rank, counted from 0, without sorting them all. The last box or a sample of a few tells a range of
// values, the band, that holds the rank; counting what lies below a bound, again and again, narrows it to a window of
// a few numbers, which are sorted. Ranks near one that was asked for are then at hand. A guess that fails costs time.
template <template <class> class Of, class Number>
class Ranks {
 public:
  using Source = Of<Number>;
  using T = typename Source::Value;

  explicit Ranks(std::int64_t most) : gathered_(most + gather_slack) {}

  void assign(const Source& source) {
    source_ = source;
    band_ = window_ = {};
  }

  T operator[](std::int64_t rank) {
    if (!window_.holds(rank)) {
      if (!band_.holds(rank)) choose_band(rank);
      narrow(rank);
    }
    return numbers_[tied_ ? 0 : rank - window_.first];
  }

 private:
  struct Span {  // of neighbouring ranks
    std::int64_t first = 0, size = 0;
    bool holds(std::int64_t rank) const { return rank >= first && rank < first + size; }
  };

  void choose_band(std::int64_t rank) {
    if (source_.size > few && (near_last(rank) || by_sample(rank))) return;
    gather(-infinity, std::numeric_limits<T>::max());
    tighten(low_, high_);
  }

  // Boxes side by side are often alike: where the last one had it, in a quarter of the range that a sample tells, or
  // on that side of it where the rank must lie.
  bool near_last(std::int64_t rank) {
    if (!(reach_ > 0)) return false;
    gather(last_ - reach_, last_ + reach_);
    if (!band_.holds(rank)) rank < band_.first ? gather(low_ - 3 * reach_, low_) : gather(high_, high_ + 3 * reach_);
    if (band_.holds(rank) && band_.size < source_.size / 4) return true;
    reach_ = 0;
    return band_.holds(rank);
  }

  bool by_sample(std::int64_t rank) {
    alignas(64) Number sample[few], sorted[few];
    for (std::int64_t i = 0; i < few; ++i) sample[i] = source_.sampled(i);
    FLECK_PICK(sort_few<Number>)(sample, few, sorted);
    const std::int64_t at = rank * few / source_.size;
    for (std::int64_t margin = 10; margin < 2 * few; margin *= 2) {  // 10 is 2.5 deviations of a sample's median
      gather(sorted[std::max<std::int64_t>(at - margin, 0)], sorted[std::min<std::int64_t>(at + margin, few - 1)]);
      if (band_.holds(rank)) {
        reach_ = (high_ - low_) / 8;
        return true;
      }
    }
    return false;
  }

  // Makes the ends of [low, high) numbers of the band.
  void tighten(T& low, T& high) const {
    const auto [least, greatest] = FLECK_PICK(extremes_inside<T>)(gathered_.data(), band_.size, low, high);
    low = least;
    high = std::nextafter(greatest, infinity);
  }

  void gather(T first, T last) {
    low_ = first;
    high_ = std::nextafter(last, infinity);
    const Gathered found = source_.gather(low_, high_, gathered_.data());
    band_ = {found.below, found.inside};
  }

  // The rank lies in the band, whose numbers lie in [low_, high_).
  void narrow(std::int64_t rank) {
    T low = low_, high = high_;
    std::int64_t below = 0, upto = band_.size;  // of the band: numbers less than low, and less than high
    tied_ = false;
    for (int step = 0; upto - below > few; ++step) {
      T bound = high;
      if (step % 5 < 3) {  // a little beyond the rank, on either side in turn, if density were even
        const std::int64_t aim = rank - band_.first - below + (step % 2 ? few / 3 : -few / 3);
        bound = low + static_cast<T>(aim) / static_cast<T>(upto - below) * (high - low);
      } else if (step % 5 == 3) {  // ties
        tighten(low, high);
      }
      // Halving what can be represented comes to an end with any density.
      if (!(low < bound && bound < high)) bound = middle_representable(low, high);
      tied_ = !(low < bound && bound < high);
      if (tied_) break;
      const std::int64_t count = FLECK_PICK(count_below<T>)(gathered_.data(), band_.size, bound);
      const bool before = rank < band_.first + count;
      (before ? high : low) = bound;
      (before ? upto : below) = count;
    }
    window_ = {band_.first + below, upto - below};
    if (tied_)
      numbers_[0] = low + T(0);
    else
      sort_window(low, high);
    last_ = low;
  }

  void sort_window(T low, T high) {
    alignas(64) T numbers[few + gather_slack];
    const std::int64_t n = FLECK_PICK(gather_inside<T>)(gathered_.data(), band_.size, low, high, numbers).inside;
    std::fill(numbers + n, numbers + few, infinity);
    FLECK_PICK(sort_few<T>)(numbers, static_cast<int>(n), numbers_);
  }

  static constexpr T infinity = std::numeric_limits<T>::infinity();

  Source source_;
  Aligned<T> gathered_;
  Span band_, window_;
  T low_ = 0, high_ = 0;   // the band's numbers lie in [low_, high_)
  T last_ = 0, reach_ = 0;  // where the band is looked for first, if anywhere
  T numbers_[few] = {};   // the window's, sorted; only the first when all are tied_
  bool tied_ = false;
};

// The mean of the two numbers in the middle of `count` neighbouring ranks.
template <class Ranks>
double median(Ranks& ranks, std::int64_t first, std::int64_t count) {
  return std::midpoint<double>(ranks[first + (count - 1) / 2], ranks[first + count / 2]);
}

double standard_deviation(const BoxSums& of) {
  if (of.count < 2) return 0.0;
  const double n = static_cast<double>(of.count);
  return std::sqrt(std::max(0.0, of.squares - of.first * of.first / n) / (n - 1));
}

// low <= x < high.
template <class T>
struct Range {
  T low, high;

  // All x with |x - centre| <= reach.
  static Range about(double centre, double reach) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    Range range{static_cast<T>(centre - reach), static_cast<T>(centre + reach)};
    if (range.low < centre - reach) range.low = std::nextafter(range.low, infinity);
    if (range.high <= centre + reach) range.high = std::nextafter(range.high, infinity);
    return range;
  }
  bool covers(const Range& other) const { return low <= other.low && high >= other.high; }
  Range common(const Range& other) const { return {std::max(low, other.low), std::min(high, other.high)}; }
};

// The mean lies farther from the centre than a standard deviation: its square and the mean square cancel.
bool cancels(const BoxSums& of) { return 2 * of.first * of.first > of.squares * static_cast<double>(of.count); }

// BoxSums over a range that changes little from round to round: those of its core are taken once, and then only what
// lies outside the core is looked at.
template <class T>
class RangeSums {
 public:
  explicit RangeSums(std::int64_t most) : outside_(most + gather_slack) {}

  void assign(const T* numbers, std::int64_t n, double centre, const Range<T>& core) {
    centre_ = static_cast<T>(centre);
    core_ = core;
    inside_ = FLECK_PICK(sum_inside<T>)(numbers, n, core.low, core.high, centre_, outside_.data());
    outside_size_ = n - inside_.count;
  }

  const Range<T>& core() const { return core_; }

  // The range covers the core.
  BoxSums operator()(const Range<T>& range) const {
    BoxSums all = FLECK_PICK(sum_inside<T>)(outside_.data(), outside_size_, range.low, range.high, centre_, nullptr);
    all.count += inside_.count;
    all.first += inside_.first;
    all.squares += inside_.squares;
    return all;
  }

  std::int64_t below(const Range<T>& range) const {
    return FLECK_PICK(count_below<T>)(outside_.data(), outside_size_, range.low);
  }

 private:
  T centre_ = 0;
  Range<T> core_{};
  BoxSums inside_;
  std::int64_t outside_size_ = 0;
  Aligned<T> outside_;
};

struct Clipped {
  double level = nan, noise = nan;
  std::int64_t count = 0;
};

// Clips the samples of boxes, one after another.
template <class T>
class Clipper {
 public:
  Clipper(const MeshOptions& options, std::int64_t most)
      : options_(options), correction_(truncation(options.clip)), ranks_(most), deviation_ranks_(most), sums_(most) {}

  Clipped operator()(const T* sample, std::int64_t n) {
    ranks_.assign({sample, n});
    Clipped result{median(ranks_, 0, n), 0.0, n};
    result.noise = start(sample, n, result.level);
    std::int64_t below = -1;
    // Half of the kept lies on each side of its median, so 1.5 standard deviations always keep some again.
    for (int round = 0; round < options_.max_iterations && result.noise > 0.0; ++round) {
      const double reach = options_.clip * result.noise;
      const auto range = Range<T>::about(result.level, reach), core = Range<T>::about(result.level, 0.75 * reach);
      if (round == 0 || !range.covers(sums_.core())) sums_.assign(sample, n, result.level, core);
      BoxSums kept = sums_(range);
      if (sums_.below(range) == below && kept.count == result.count) break;
      below = sums_.below(range);
      result.count = kept.count;
      result.level = median(ranks_, below, kept.count);
      if (cancels(kept)) {
        sums_.assign(sample, n, result.level, Range<T>::about(result.level, 0.75 * reach).common(range));
        kept = sums_(range);
      }
      result.noise = standard_deviation(kept) / correction_;
    }
    return result;
  }

 private:
  double start(const T* sample, std::int64_t n, double level) {
    deviation_ranks_.assign({sample, n, level});
    const double deviation = median(deviation_ranks_, 0, n);
    if (deviation > 0.0) return deviation / 0.6744897501960817;  // the upper quartile of a unit normal
    constexpr T all = std::numeric_limits<T>::infinity();
    const BoxSums sums = FLECK_PICK(sum_inside<T>)(sample, n, -all, all, static_cast<T>(level), nullptr);
    return standard_deviation(sums) / correction_;
  }

  const MeshOptions& options_;
  double correction_;
  Ranks<Numbers, T> ranks_;
  Ranks<Deviations, T> deviation_ranks_;
  RangeSums<T> sums_;
};

// Boxes side by side, read together: short rows of single boxes would cost more than the reading.
template <class T>
class Strip {
 public:
  static std::int64_t boxes(const MeshOptions& options) { return std::max<std::int64_t>(1, 512 / options.box_cols); }

  explicit Strip(const MeshOptions& options)
      : options_(options), pitch_((options.box_rows * options.box_cols + gather_slack + 15) / 16 * 16),
        sizes_(boxes(options)), samples_(sizes_.size() * pitch_), rows_(lines * sizes_.size() * options.box_cols),
        clip_(options, options.box_rows * options.box_cols) {}

  void measure(const Image& image, const Mask& mask, std::int64_t mesh_row, std::int64_t first, std::int64_t last,
               View2D<double> level, View2D<double> noise, View2D<std::int64_t> count) {
    const std::int64_t row = mesh_row * options_.box_rows, rows = std::min(options_.box_rows, image.rows - row);
    load(image, mask, row, rows, first, last);
    for (std::int64_t k = first; k < last; ++k) {
      const std::int64_t cols = std::min(options_.box_cols, image.cols - k * options_.box_cols);
      const std::int64_t n = sizes_[k - first];
      const bool enough = n > 0 && static_cast<double>(n) >= options_.min_valid * static_cast<double>(rows * cols);
      const Clipped found = enough ? clip_(sample(k - first), n) : Clipped{};
      level(mesh_row, k) = found.level;
      noise(mesh_row, k) = found.noise;
      count(mesh_row, k) = found.count;
    }
  }

 private:
  static constexpr std::int64_t lines = 16;

  T* sample(std::int64_t k) { return samples_.data() + k * pitch_; }

  void load(const Image& image, const Mask& mask, std::int64_t row, std::int64_t rows, std::int64_t first,
            std::int64_t last) {
    const std::int64_t col = first * options_.box_cols, cols = std::min(last * options_.box_cols, image.cols) - col;
    std::fill(sizes_.begin(), sizes_.end(), 0);
    for (std::int64_t r = 0; r < rows; r += lines) {
      const View2D<const T> block =
          read_block(image, mask, row + r, col, View2D<T>{rows_.data(), std::min(lines, rows - r), cols, cols, 1});
      const bool last_block = r + lines >= rows;  // the next one lies in the next strip
      const std::int64_t next_row = row + (last_block ? 0 : r + lines), next_col = col + (last_block ? cols : 0);
      for (std::int64_t i = 0; i < block.rows; ++i) {
        ask_for(image, next_row + i, next_col, cols);
        for (std::int64_t k = 0; k < last - first; ++k) {
          const std::int64_t from = k * options_.box_cols, width = std::min(options_.box_cols, cols - from);
          sizes_[k] += gather_(block.row(i) + from, width, sample(k) + sizes_[k]);
        }
      }
    }
  }

  // Pixels that are soon read: rows of a strip lie too far apart for the processor to guess.
  static void ask_for(const Image& image, std::int64_t row, std::int64_t col, std::int64_t cols) {
    constexpr std::int64_t line = 64;
    if (row >= image.rows || col >= image.cols || image.col_stride > line) return;
    const std::byte* const end = image.at(row, std::min(col + cols, image.cols));
    for (const std::byte* p = image.at(row, col); p < end; p += line) __builtin_prefetch(p);
    asm volatile("");  // gcc leaves out functions that only prefetch
  }

  const MeshOptions& options_;
  std::int64_t pitch_;
  std::vector<std::int64_t> sizes_;
  Aligned<T> samples_, rows_;
  Clipper<T> clip_;
  decltype(&baseline::gather_finite<T>) gather_ = FLECK_PICK(gather_finite<T>);
};

template <class T>
void measure_all(const Image& image, const Mask& mask, MeshOptions options, View2D<double> level,
                 View2D<double> noise, View2D<std::int64_t> count, int threads) {
  options.box_rows = std::min(options.box_rows, image.rows);
  options.box_cols = std::min(options.box_cols, image.cols);
  const std::int64_t boxes = Strip<T>::boxes(options), strips = mesh_size(level.cols, boxes);
  const int workers = resolve_threads(threads);
  std::vector<Strip<T>> scratch(workers, Strip<T>(options));
  parallel_for(level.rows * strips, workers, [&](std::int64_t job, int worker) {
    const std::int64_t first = job % strips * boxes, last = std::min(first + boxes, level.cols);
    scratch[worker].measure(image, mask, job / strips, first, last, level, noise, count);
  });
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

// Sorts the numbers; of an even count, the mean of the two in the middle; NaN of none.
double middle_of(std::vector<double>& numbers) {
  if (numbers.empty()) return nan;
  std::sort(numbers.begin(), numbers.end());
  return (numbers[(numbers.size() - 1) / 2] + numbers[numbers.size() / 2]) / 2;
}

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

void median_mesh(View2D<const double> mesh, std::int64_t size, View2D<double> out) {
  const std::int64_t half = size / 2;
  std::vector<double> window;
  for (std::int64_t r = 0; r < mesh.rows; ++r)
    for (std::int64_t c = 0; c < mesh.cols; ++c) {
      window.clear();
      const std::int64_t bottom = std::min(r + half, mesh.rows - 1), right = std::min(c + half, mesh.cols - 1);
      for (std::int64_t y = std::max<std::int64_t>(r - half, 0); y <= bottom; ++y)
        for (std::int64_t x = std::max<std::int64_t>(c - half, 0); x <= right; ++x)
          if (!std::isnan(mesh(y, x))) window.push_back(mesh(y, x));
      out(r, c) = std::isnan(mesh(r, c)) ? nan : middle_of(window);
    }
}

double median_of_mesh(View2D<const double> mesh) {
  std::vector<double> numbers;
  for (std::int64_t r = 0; r < mesh.rows; ++r)
    for (std::int64_t c = 0; c < mesh.cols; ++c)
      if (!std::isnan(mesh(r, c))) numbers.push_back(mesh(r, c));
  return middle_of(numbers);
}

void MeshRows::row(std::int64_t i, float* out) {
  double* const line = line_.data();
  const std::int64_t above = down_.node[i], below = std::min(above + 1, mesh_.rows - 1);
  for (std::int64_t k = 0; k < mesh_.cols; ++k)
    line[k] = mesh_(above, k) + down_.weight[i] * (mesh_(below, k) - mesh_(above, k));
  line[mesh_.cols] = line[mesh_.cols - 1];  // so that the last centre has a next one, at weight 0
  FLECK_PICK(interpolate_row)(line, across_.begin.data(), mesh_.cols, across_.weight.data(), out);
}

void interpolate_mesh(View2D<const double> mesh, std::int64_t box_rows, std::int64_t box_cols, const Part& part,
                      View2D<float> out, int threads) {
  const MeshAxis down(part.image_rows, box_rows, part.row, part.row + out.rows);
  const MeshAxis across(part.image_cols, box_cols, part.col, part.col + out.cols);
  const int workers = resolve_threads(threads);
  std::vector<MeshRows> planes(workers, MeshRows(mesh, down, across));
  std::vector<std::vector<float>> rows(workers, std::vector<float>(out.col_stride == 1 ? 0 : out.cols));
  parallel_for(out.rows, workers, [&](std::int64_t r, int worker) {
    float* const row = out.col_stride == 1 ? out.row(r) : rows[worker].data();
    planes[worker].row(r, row);
    if (out.col_stride != 1)
      for (std::int64_t c = 0; c < out.cols; ++c) out(r, c) = row[c];
  });
}

}  // namespace fleck
