#include "fleck/label_components.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "components.hpp"
#include "element.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr std::int64_t band_rows = 64;  // fixed: sums are grouped by band, whoever works on it

// ---- Pixels to runs

// The T for which value > limit, in T, says the same as value > threshold in double, for every T value: the largest
// that does not exceed the threshold.
template <class T>
T strict_limit(double threshold) {
  if constexpr (std::is_same_v<T, double>) {
    return threshold;
  } else {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (threshold < -std::numeric_limits<float>::max()) return -infinity;
    if (threshold >= std::numeric_limits<float>::max()) return std::numeric_limits<float>::max();
    const float nearest = static_cast<float>(threshold);
    return nearest > threshold ? std::nextafter(nearest, -infinity) : nearest;
  }
}

// Bit i is byte i of 64 bytes that are 0 or 1. The product moves the lowest bits of eight bytes into the top byte.
std::uint64_t pack(const std::uint8_t* bytes) {
  std::uint64_t eights[8], any = 0, word = 0;
  std::memcpy(eights, bytes, 64);
  for (const std::uint64_t eight : eights) any |= eight;
  if (any == 0) return 0;
  for (int k = 0; k < 8; ++k) {
    const std::uint64_t eight = std::endian::native == std::endian::little ? eights[k] : swap_bytes(eights[k]);
    word |= (eight * 0x0102040810204080u >> 56) << 8 * k;
  }
  return word;
}

// Which of n <= 64 pixels belong to objects.
template <class T>
std::uint64_t foreground(const T* values, std::int64_t n, T limit, const std::uint8_t* mask, std::int64_t mask_stride) {
  alignas(64) std::uint8_t above[64];
  if (n == 64) {
    for (int i = 0; i < 64; ++i) above[i] = values[i] > limit;
  } else {
    std::memset(above, 0, sizeof above);
    for (std::int64_t i = 0; i < n; ++i) above[i] = values[i] > limit;
  }
  std::uint64_t word = pack(above);
  if (mask)
    for (std::uint64_t left = word; left; left &= left - 1) {
      const int i = std::countr_zero(left);
      if (mask[i * mask_stride]) word &= ~(std::uint64_t{1} << i);
    }
  return word;
}

// Appends the runs of one row.
template <class T>
void find_runs(const T* values, std::int64_t row, std::int64_t cols, T limit, const Mask& mask,
               std::vector<Run>& runs) {
  std::int64_t begin = -1;  // of the open run
  for (std::int64_t col = 0; col < cols; col += 64) {
    const std::uint8_t* mask_at = mask ? &mask(row, col) : nullptr;
    const std::uint64_t word = foreground(values + col, std::min<std::int64_t>(64, cols - col), limit, mask_at,
                                          mask.col_stride);
    for (std::uint64_t edges = word ^ (word << 1 | std::uint64_t{begin >= 0}); edges; edges &= edges - 1) {
      const std::int64_t x = col + std::countr_zero(edges);
      if (begin < 0) {
        begin = x;
      } else {
        runs.push_back({row, begin, x, -1});
        begin = -1;
      }
    }
  }
  if (begin >= 0) runs.push_back({row, begin, cols, -1});
}

// Row y of the image in T: where it lies when it is native T, else loaded into the buffer.
template <class T>
const T* row_in(const Image& image, std::int64_t y, std::vector<T>& buffer) {
  constexpr DType native = std::is_same_v<T, float> ? DType::f32 : DType::f64;
  const std::byte* p = image.at(y, 0);
  if (image.dtype == native && !image.swapped && image.col_stride == static_cast<std::int64_t>(sizeof(T)) &&
      reinterpret_cast<std::uintptr_t>(p) % alignof(T) == 0)
    return reinterpret_cast<const T*>(p);
  load_row(image, y, 0, image.cols, buffer.data());
  return buffer.data();
}

// ---- Runs to objects

// Calls touch(a, b) for every pair of touching runs of two neighbouring rows, in raster order.
template <class Touch>
void for_each_touching(std::span<Run> above, std::span<Run> below, int connectivity, Touch&& touch) {
  const std::int64_t reach = connectivity == 8 ? 1 : 0;
  auto first = above.begin();
  for (Run& b : below) {
    while (first != above.end() && first->end + reach <= b.begin) ++first;
    for (auto a = first; a != above.end() && a->begin < b.end + reach; ++a) touch(*a, b);
  }
}

struct Band {
  explicit Band(const LabelParameters& parameters) : objects(parameters) {}

  ObjectTable objects;           // that are whole and large enough, or reach the band's first or last row
  std::vector<Run> first, last;  // runs of those two rows
  std::vector<Run> runs;         // all runs, if kept; object = -1 for dropped ones
};

// One worker's scratch for labelling bands.
template <class T>
struct Labeller {
  const Image& image;
  const Mask& mask;
  const LabelParameters& parameters;
  bool keep_runs;
  T limit = strict_limit<T>(parameters.threshold);
  std::vector<T> buffer = std::vector<T>(image.cols);
  std::vector<Run> runs{};
  ObjectTable pieces{parameters};  // of objects, as far as known row by row
  UnionFind sets = UnionFind(0);
  std::vector<std::int64_t> object_of{};  // by piece

  Band label(std::int64_t row0, std::int64_t row1) {
    runs.clear();
    pieces.clear();
    sets.clear();
    std::int64_t above = 0, below = 0, second = 0;  // where rows begin among the runs
    for (std::int64_t y = row0; y < row1; ++y) {
      above = std::exchange(below, static_cast<std::int64_t>(runs.size()));
      add_row(y, above, below);
      if (y == row0) second = runs.size();
    }
    Band band(parameters);
    collect(row0, row1, band.objects);
    for (Run& run : runs) run.object = object_of[run.object];
    band.first.assign(runs.begin(), runs.begin() + second);
    band.last.assign(runs.begin() + below, runs.end());
    if (keep_runs) band.runs = runs;  // a copy of the right size; the scratch keeps its room
    return band;
  }

 private:
  void add_row(std::int64_t y, std::int64_t above, std::int64_t below) {
    const T* values = row_in(image, y, buffer);
    find_runs(values, y, image.cols, limit, mask, runs);
    const std::span<Run> all(runs);
    for_each_touching(all.subspan(above, below - above), all.subspan(below), parameters.connectivity,
                      [&](const Run& a, Run& b) {
                        if (b.object < 0)
                          b.object = a.object;
                        else
                          sets.unite(a.object, b.object);
                      });
    for (Run& run : all.subspan(below)) {
      if (run.object < 0) {
        run.object = sets.add();
        pieces.add(run);
      }
      pieces.add_run(run, values + run.begin);
    }
  }

  // Pieces become objects. What is whole and too small is dropped at once, so noise costs no memory.
  void collect(std::int64_t row0, std::int64_t row1, ObjectTable& objects) {
    object_of.resize(sets.size());
    for (std::int64_t i = 0; i < sets.size(); ++i)
      if (const std::int64_t root = sets.find(i); root != i) pieces.merge(root, pieces, i);
    for (std::int64_t i = 0; i < sets.size(); ++i) {
      const std::int64_t root = sets.find(i);
      const Sums& sums = pieces[root];
      if (root != i)
        object_of[i] = object_of[root];
      else if (sums.area < parameters.min_area && sums.y0 > row0 && sums.ymax < row1 - 1)
        object_of[i] = -1;
      else
        object_of[i] = objects.add(pieces, i);
    }
  }
};

template <class T>
std::vector<Band> label_bands(const Image& image, const Mask& mask, const LabelParameters& parameters, bool keep_runs,
                              int threads) {
  const std::int64_t count = (image.rows + band_rows - 1) / band_rows;
  const int workers = static_cast<int>(std::min<std::int64_t>(resolve_threads(threads), count));
  std::vector<Labeller<T>> labellers;
  labellers.reserve(workers);
  for (int i = 0; i < workers; ++i) labellers.push_back({image, mask, parameters, keep_runs});
  std::vector<Band> bands(count, Band(parameters));
  parallel_for(count, workers, [&](std::int64_t i, int worker) {
    bands[i] = labellers[worker].label(i * band_rows, std::min((i + 1) * band_rows, image.rows));
  });
  return bands;
}

// ---- Bands to the frame

struct Labelling {
  ObjectTable objects;
  std::vector<std::vector<Run>> runs;  // by band, if kept; object = index into objects, -1 for dropped ones
  std::vector<Run> parts;              // runs of the parts of objects that were taken apart
};

// Joins the bands' objects in band order, which is raster order of their first pixels.
Labelling join(std::vector<Band>& bands, const LabelParameters& parameters, int threads) {
  std::vector<std::int64_t> offset{0};
  for (const Band& band : bands) offset.push_back(offset.back() + band.objects.size());
  UnionFind sets(offset.back());
  for (std::size_t i = 1; i < bands.size(); ++i)
    for_each_touching(bands[i - 1].last, bands[i].first, parameters.connectivity, [&](const Run& a, const Run& b) {
      sets.unite(offset[i - 1] + a.object, offset[i] + b.object);
    });

  Labelling joined{ObjectTable(parameters), {}, {}};
  joined.objects.reserve(offset.back());
  std::vector<std::int64_t> object_of(offset.back());
  for (std::size_t i = 0; i < bands.size(); ++i) {
    for (std::int64_t j = 0; j < bands[i].objects.size(); ++j) {
      const std::int64_t root = sets.find(offset[i] + j);
      if (root == offset[i] + j)
        object_of[root] = joined.objects.add(bands[i].objects, j);
      else
        joined.objects.merge(object_of[offset[i] + j] = object_of[root], bands[i].objects, j);
    }
    bands[i].objects = ObjectTable(parameters);
    joined.runs.push_back(std::move(bands[i].runs));
  }
  parallel_for(std::ssize(joined.runs), threads, [&](std::int64_t i, int) {
    for (Run& run : joined.runs[i])
      if (run.object >= 0) run.object = object_of[offset[i] + run.object];
  });
  return joined;
}

// Replaces every object that falls apart: it is dropped, and its parts are appended with runs of their own.
void deblend_all(const Image& image, const LabelParameters& parameters, int threads, Labelling& labelling) {
  ObjectTable& objects = labelling.objects;
  std::vector<std::int64_t> end(objects.size() + 1);  // of each object's runs, one place up
  for (const auto& group : labelling.runs)
    for (const Run& run : group)
      if (run.object >= 0) ++end[run.object + 1];
  std::partial_sum(end.begin(), end.end(), end.begin());
  std::vector<Run> sorted(end.back());
  for (const auto& group : labelling.runs)
    for (const Run& run : group)
      if (run.object >= 0) sorted[end[run.object]++] = run;

  std::vector<std::int64_t> candidates;
  for (std::int64_t i = 0; i < objects.size(); ++i)
    if (objects[i].area / 2 >= parameters.min_area) candidates.push_back(i);
  std::vector<Parts> parts(candidates.size(), Parts{ObjectTable(parameters), {}});
  parallel_for(std::ssize(candidates), threads, [&](std::int64_t k, int) {
    const std::int64_t i = candidates[k];
    const std::int64_t begin = i == 0 ? 0 : end[i - 1];
    parts[k] = deblend(image, {sorted.data() + begin, sorted.data() + end[i]}, objects[i].w, parameters);
  });

  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (parts[k].runs.empty()) continue;
    objects.drop(candidates[k]);
    const std::int64_t first = objects.size();
    for (std::int64_t j = 0; j < parts[k].objects.size(); ++j) objects.add(parts[k].objects, j);
    for (Run run : parts[k].runs) {
      run.object += first;
      labelling.parts.push_back(run);
    }
  }
}

// Indices of the objects that are large enough, in raster order of their first pixels.
std::vector<std::int64_t> in_order(const ObjectTable& objects, std::int64_t min_area) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < objects.size(); ++i)
    if (objects[i].area >= min_area) order.push_back(i);
  const auto first_pixel = [&](std::int64_t i) { return std::pair(objects[i].y0, objects[i].x0); };
  const auto before = [&](std::int64_t a, std::int64_t b) { return first_pixel(a) < first_pixel(b); };
  if (!std::is_sorted(order.begin(), order.end(), before)) std::sort(order.begin(), order.end(), before);
  return order;
}

void paint(const Labelling& labelling, const std::vector<std::int64_t>& order, const View2D<std::int32_t>& labels,
           int threads) {
  if (order.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::overflow_error("more objects than an int32 label can number");
  std::vector<std::int32_t> label_of(labelling.objects.size());
  for (std::size_t i = 0; i < order.size(); ++i) label_of[order[i]] = static_cast<std::int32_t>(i + 1);
  const auto paint_run = [&](const Run& run) {
    if (run.object >= 0)
      std::fill(labels.row(run.row) + run.begin, labels.row(run.row) + run.end, label_of[run.object]);
  };
  parallel_for(std::ssize(labelling.runs), threads, [&](std::int64_t i, int) {
    const std::int64_t end = std::min((i + 1) * band_rows, labels.rows);
    for (std::int64_t y = i * band_rows; y < end; ++y) std::fill_n(labels.row(y), labels.cols, 0);
    for (const Run& run : labelling.runs[i]) paint_run(run);
  });
  for (const Run& run : labelling.parts) paint_run(run);
}

}  // namespace

Components label_components(const Image& image, const Mask& mask, const LabelParameters& parameters,
                            const View2D<std::int32_t>& labels, int threads) {
  const bool deblending = parameters.deblend > 0;
  const bool keep_runs = deblending || labels;
  const bool exact_in_float = image.dtype != DType::f64 && image.dtype != DType::u32 && image.dtype != DType::i32 &&
                              image.dtype != DType::u64 && image.dtype != DType::i64;
  std::vector<Band> bands = exact_in_float ? label_bands<float>(image, mask, parameters, keep_runs, threads)
                                           : label_bands<double>(image, mask, parameters, keep_runs, threads);
  Labelling labelling = join(bands, parameters, threads);
  if (deblending) deblend_all(image, parameters, threads, labelling);
  const std::vector<std::int64_t> order = in_order(labelling.objects, parameters.min_area);
  if (labels) paint(labelling, order, labels, threads);

  Components result;
  result.objects.reserve(order.size());
  result.level_counts.reserve(order.size() * parameters.levels.size());
  for (const std::int64_t i : order) {
    result.objects.push_back(labelling.objects[i].finish());
    const auto counts = labelling.objects.counts(i);
    result.level_counts.insert(result.level_counts.end(), counts.begin(), counts.end());
  }
  return result;
}

}  // namespace fleck
