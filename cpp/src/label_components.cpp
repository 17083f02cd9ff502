#include "fleck/label_components.hpp"

#include <stdexcept>
#include <tuple>

#include "components.hpp"
#include "element.hpp"
#include "threads.hpp"

namespace fleck {

// ---- Runs to sums

Meter::Meter(DType dtype, bool swapped, double threshold, std::span<const double> levels)
    : threshold_(threshold), levels_(levels) {
  visit_type(dtype, swapped, [this]<class E, bool is_swapped>() {
    using Pixels = Stored<E, is_swapped>;
    mark_above_ = FLECK_PICK(mark_above<Pixels>);
    sum_runs_ = FLECK_PICK(sum_runs<Pixels>);
    count_above_ = FLECK_PICK(count_above<Pixels>);
  });
}

void Meter::add(const std::byte* pixels, std::int64_t n, std::int64_t y, std::int64_t x0, const RunRow& runs,
                ObjectTable& objects) {
  const std::int64_t size = runs.size();
  sums_.resize(size);
  sum_runs_(pixels, n, runs.edges.data(), size, threshold_, sums_.data());
  for (std::int64_t k = 0; k < size; ++k)
    objects[runs.objects[k]].add(y, x0 + runs.edges[2 * k], x0 + runs.edges[2 * k + 1], sums_[k]);

  counts_.resize(size);
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    count_above_(pixels, runs.edges.data(), size, levels_[level], counts_.data());
    for (std::int64_t k = 0; k < size; ++k) objects.counts(runs.objects[k])[level] += counts_[k];
  }
}

namespace {

constexpr std::int64_t band_rows = 64;  // fixed: sums are grouped by band, whoever works on it

// ---- Rows to bands

// Pixels of an image, row by row: where they lie if they lie side by side, else as float64 in a buffer.
class Rows {
 public:
  explicit Rows(const Image& image) : image_(image) {
    const std::int64_t element = visit_type(image.dtype, false, []<class E, bool>() { return sizeof(E); });
    side_by_side_ = image.col_stride == element || image.cols == 1;
    if (!side_by_side_) buffer_.resize(image.cols);
  }

  DType dtype() const { return side_by_side_ ? image_.dtype : DType::f64; }
  bool swapped() const { return side_by_side_ && image_.swapped; }
  const std::byte* operator[](std::int64_t y) {
    if (side_by_side_) return image_.at(y, 0);
    load_row(image_, y, 0, image_.cols, buffer_.data());
    return reinterpret_cast<const std::byte*>(buffer_.data());
  }

 private:
  Image image_;
  bool side_by_side_;
  std::vector<double> buffer_;
};

// A row of n pixels without runs, and with room for all it can have.
RunRow empty_row(std::int64_t n) { return {std::vector<std::int64_t>(edge_room(n)), {}}; }

// Without spare room.
RunRow copy_of(const RunRow& row) {
  return {{row.edges.begin(), row.edges.begin() + 2 * row.size()}, row.objects};
}

// Calls touch(a, b) for every pair of touching runs, a of one row and b of the row below, in raster order.
template <class Touch>
void for_each_touching(const RunRow& above, const RunRow& below, int connectivity, Touch&& touch) {
  const std::int64_t reach = connectivity == 8 ? 1 : 0;
  const std::int64_t *const upper = above.edges.data(), *const lower = below.edges.data();
  const std::int64_t n = above.size();
  std::int64_t first = 0;
  for (std::int64_t b = 0; b < below.size(); ++b) {
    const std::int64_t begin = lower[2 * b] - reach, end = lower[2 * b + 1] + reach;
    while (first < n && upper[2 * first + 1] <= begin) ++first;
    for (std::int64_t a = first; a < n && upper[2 * a] < end; ++a) touch(a, b);
  }
}

struct Band {
  explicit Band(const LabelParameters& parameters) : objects(parameters) {}

  ObjectTable objects;               // that are whole and large enough, or reach the band's first or last row
  RunRow first, last;                // runs of those two rows
  std::vector<std::uint64_t> words;  // a bit for every pixel, if kept,
  std::vector<std::int64_t> runs;    // and the objects of all runs, -1 for dropped ones
};

// One worker's scratch for labelling bands.
class Labeller {
 public:
  Labeller(const Image& image, const Mask& mask, const LabelParameters& parameters, bool keep_runs)
      : image_(image),
        parameters_(parameters),
        keep_runs_(keep_runs),
        has_mask_(mask),
        rows_(image),
        mask_rows_({reinterpret_cast<const std::byte*>(mask.data), mask.rows, mask.cols, mask.row_stride,
                    mask.col_stride, DType::u8, false}) {}

  Band label(std::int64_t row0, std::int64_t row1) {
    Band band(parameters_);
    pieces_.clear();
    sets_.clear();
    runs_.clear();
    below_.objects.clear();
    if (keep_runs_) band.words.resize((row1 - row0) * row_words_);
    for (std::int64_t y = row0; y < row1; ++y) {
      std::swap(above_, below_);
      find(y, keep_runs_ ? band.words.data() + (y - row0) * row_words_ : words_.data());
      if (y == row0) band.first = copy_of(below_);
      if (keep_runs_) runs_.insert(runs_.end(), below_.objects.begin(), below_.objects.end());
    }
    band.last = copy_of(below_);
    collect(row0, row1, band.objects);
    for (std::vector<std::int64_t>* kept : {&band.first.objects, &band.last.objects, &runs_})
      for (std::int64_t& object : *kept) object = object_of_[object];
    band.runs = runs_;  // a copy of the right size; the scratch keeps its room
    return band;
  }

 private:
  // The runs of row y into below_, and what they hold into pieces of objects.
  void find(std::int64_t y, std::uint64_t* words) {
    const std::byte* pixels = rows_[y];
    meter_.mark(pixels, image_.cols, words);
    if (has_mask_) leave_out(y, words);
    below_.objects.assign(find_runs_(words, image_.cols, below_.edges.data()), -1);
    for_each_touching(above_, below_, parameters_.connectivity, [&](std::int64_t a, std::int64_t b) {
      if (below_.objects[b] < 0)
        below_.objects[b] = above_.objects[a];
      else
        sets_.unite(above_.objects[a], below_.objects[b]);
    });
    for (std::int64_t k = 0; k < below_.size(); ++k) {
      if (below_.objects[k] >= 0) continue;
      below_.objects[k] = sets_.add();
      pieces_.add(y, below_.edges[2 * k]);
    }
    meter_.add(pixels, image_.cols, y, 0, below_, pieces_);
  }

  void leave_out(std::int64_t y, std::uint64_t* words) {
    mask_meter_.mark(mask_rows_[y], image_.cols, masked_.data());
    for (std::int64_t k = 0; k < row_words_; ++k) words[k] &= ~masked_[k];
  }

  // Pieces become objects. What is whole and too small is dropped at once, so noise costs no memory.
  void collect(std::int64_t row0, std::int64_t row1, ObjectTable& objects) {
    object_of_.resize(sets_.size());
    for (std::int64_t i = 0; i < sets_.size(); ++i)
      if (const std::int64_t root = sets_.find(i); root != i) pieces_.merge(root, pieces_, i);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < sets_.size(); ++i) {
      const std::int64_t root = sets_.find(i);
      const Sums& sums = pieces_[root];
      if (root != i)
        object_of_[i] = object_of_[root];
      else if (sums.area < parameters_.min_area && sums.y0 > row0 && sums.ymax < row1 - 1)
        object_of_[i] = -1;
      else
        object_of_[i] = count++;
    }
    objects.reserve(count);
    for (std::int64_t i = 0; i < sets_.size(); ++i)
      if (object_of_[i] == objects.size()) objects.add(pieces_, i);
  }

  const Image& image_;
  const LabelParameters& parameters_;
  bool keep_runs_, has_mask_;
  Rows rows_, mask_rows_;
  Meter meter_{rows_.dtype(), rows_.swapped(), parameters_.threshold, parameters_.levels};
  Meter mask_meter_{mask_rows_.dtype(), false, 0, {}};
  decltype(&baseline::find_runs) find_runs_ = FLECK_PICK(find_runs);
  std::int64_t row_words_ = (image_.cols + 63) / 64;
  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(row_words_), masked_ = words_;
  RunRow above_ = empty_row(image_.cols), below_ = above_;
  std::vector<std::int64_t> runs_{};       // the pieces they belong to
  ObjectTable pieces_{parameters_};        // of objects, as far as known row by row
  UnionFind sets_{};
  std::vector<std::int64_t> object_of_{};  // by piece
};

std::vector<Band> label_bands(const Image& image, const Mask& mask, const LabelParameters& parameters, bool keep_runs,
                              int threads) {
  const std::int64_t count = (image.rows + band_rows - 1) / band_rows;
  const int workers = static_cast<int>(std::min<std::int64_t>(resolve_threads(threads), count));
  std::vector<Labeller> labellers;
  labellers.reserve(workers);
  for (int i = 0; i < workers; ++i) labellers.emplace_back(image, mask, parameters, keep_runs);
  std::vector<Band> bands(count, Band(parameters));
  parallel_for(count, workers, [&](std::int64_t i, int worker) {
    bands[i] = labellers[worker].label(i * band_rows, std::min((i + 1) * band_rows, image.rows));
  });
  return bands;
}

// ---- Bands to the frame

// Objects have numbers: those of the bands one after the other, then the parts of those that were taken apart.
struct Labelling {
  std::vector<Band> bands;
  ObjectTable parts;
  std::vector<Run> part_runs;
  std::vector<std::int64_t> offset;  // numbers of every band's first object, and of the first part
  UnionFind sets;                    // objects of bands that are one; the smallest has all that is summed up

  ObjectTable& table(std::int64_t i) { return i < std::ssize(bands) ? bands[i].objects : parts; }
};

// Joins what touches from band to band, in band order, which is raster order of first pixels.
Labelling join(std::vector<Band>&& bands, const LabelParameters& parameters) {
  Labelling joined{std::move(bands), ObjectTable(parameters), {}, {0}, UnionFind(0)};
  for (const Band& band : joined.bands) joined.offset.push_back(joined.offset.back() + band.objects.size());
  joined.sets = UnionFind(joined.offset.back());
  const auto& offset = joined.offset;
  for (std::size_t i = 1; i < joined.bands.size(); ++i) {
    const RunRow &above = joined.bands[i - 1].last, &below = joined.bands[i].first;
    for_each_touching(above, below, parameters.connectivity, [&](std::int64_t a, std::int64_t b) {
      joined.sets.unite(offset[i - 1] + above.objects[a], offset[i] + below.objects[b]);
    });
  }
  for (std::size_t i = 0; i < joined.bands.size(); ++i) {
    ObjectTable& objects = joined.bands[i].objects;
    for (std::int64_t j = 0; j < objects.size(); ++j) {
      const std::int64_t root = joined.sets.find(offset[i] + j);
      if (root == offset[i] + j) continue;
      const std::int64_t home = std::upper_bound(offset.begin(), offset.end(), root) - offset.begin() - 1;
      joined.bands[home].objects.merge(root - offset[home], objects, j);
      objects.drop(j);
    }
  }
  return joined;
}

// Calls visit(table, index, number) for every object that is large enough.
template <class Visit>
void for_each_object(Labelling& labelling, std::int64_t min_area, Visit&& visit) {
  for (std::int64_t i = 0; i < std::ssize(labelling.offset); ++i) {
    ObjectTable& table = labelling.table(i);
    for (std::int64_t j = 0; j < table.size(); ++j)
      if (table[j].area >= min_area) visit(table, j, labelling.offset[i] + j);
  }
}

// Calls visit(row, edges, objects, runs) for every row of band i; objects are indices into the band's, -1 for none.
template <class Visit>
void for_each_row(const Band& band, std::int64_t row0, std::int64_t cols, Visit&& visit) {
  const auto find = FLECK_PICK(find_runs);
  const std::int64_t row_words = (cols + 63) / 64;
  RunRow row = empty_row(cols);
  const std::int64_t* objects = band.runs.data();
  for (std::int64_t y = 0; y * row_words < std::ssize(band.words); ++y) {
    const std::int64_t runs = find(band.words.data() + y * row_words, cols, row.edges.data());
    visit(row0 + y, row.edges.data(), objects, runs);
    objects += runs;
  }
}

// Replaces every object that falls apart: it is dropped, and its parts are appended with runs of their own.
void deblend_all(const Image& image, const LabelParameters& parameters, int threads, Labelling& labelling) {
  const std::int64_t count = labelling.offset.back();
  std::vector<std::int64_t> end(count + 1);  // of each object's runs, one place up
  const auto for_each_run = [&](auto&& visit) {
    for (std::int64_t i = 0; i < std::ssize(labelling.bands); ++i)
      for_each_row(labelling.bands[i], i * band_rows, image.cols,
                   [&](std::int64_t y, const std::int64_t* edges, const std::int64_t* objects, std::int64_t runs) {
                     for (std::int64_t k = 0; k < runs; ++k)
                       if (objects[k] >= 0)
                         visit({y, edges[2 * k], edges[2 * k + 1],
                                labelling.sets.find(labelling.offset[i] + objects[k])});
                   });
  };
  for_each_run([&](const Run& run) { ++end[run.object + 1]; });
  std::partial_sum(end.begin(), end.end(), end.begin());
  std::vector<Run> sorted(end.back());
  for_each_run([&](const Run& run) { sorted[end[run.object]++] = run; });

  struct Candidate {
    ObjectTable* table;
    std::int64_t index, number;
    Parts parts;
  };
  std::vector<Candidate> candidates;
  for_each_object(labelling, parameters.min_area, [&](ObjectTable& table, std::int64_t index, std::int64_t number) {
    if (table[index].area / 2 >= parameters.min_area)
      candidates.push_back({&table, index, number, {ObjectTable(parameters), {}}});
  });
  parallel_for(std::ssize(candidates), threads, [&](std::int64_t k, int) {
    auto& [table, index, number, parts] = candidates[k];
    const std::int64_t begin = number == 0 ? 0 : end[number - 1];
    parts = deblend(image, {sorted.data() + begin, sorted.data() + end[number]}, (*table)[index].w, parameters);
  });

  for (const auto& [table, index, number, parts] : candidates) {
    if (parts.runs.empty()) continue;
    table->drop(index);
    const std::int64_t first = labelling.parts.size();
    for (std::int64_t j = 0; j < parts.objects.size(); ++j) labelling.parts.add(parts.objects, j);
    for (Run run : parts.runs) {
      run.object += first;
      labelling.part_runs.push_back(run);
    }
  }
}

// Calls visit(table, index, number) for every object that is large enough, in raster order of first pixels.
template <class Visit>
void for_each_in_order(Labelling& labelling, std::int64_t min_area, Visit&& visit) {
  if (labelling.parts.size() == 0) return for_each_object(labelling, min_area, visit);
  std::vector<std::tuple<std::int64_t, std::int64_t, const ObjectTable*, std::int64_t, std::int64_t>> order;
  for_each_object(labelling, min_area, [&](const ObjectTable& table, std::int64_t index, std::int64_t number) {
    order.emplace_back(table[index].y0, table[index].x0, &table, index, number);
  });
  std::sort(order.begin(), order.end());
  for (const auto& [y, x, table, index, number] : order) visit(*table, index, number);
}

void paint(const Labelling& labelling, const std::vector<std::int32_t>& label_of, const View2D<std::int32_t>& labels,
           int threads) {
  const auto paint_row = FLECK_PICK(paint_runs);
  parallel_for(std::ssize(labelling.bands), threads, [&](std::int64_t i, int) {
    const std::int32_t* in_band = label_of.data() + labelling.offset[i];
    std::vector<std::int32_t> values(labels.cols / 2 + 1);  // of a row's runs
    for_each_row(labelling.bands[i], i * band_rows, labels.cols,
                 [&](std::int64_t y, const std::int64_t* edges, const std::int64_t* objects, std::int64_t runs) {
                   for (std::int64_t k = 0; k < runs; ++k) values[k] = objects[k] < 0 ? 0 : in_band[objects[k]];
                   paint_row(edges, values.data(), runs, labels.cols, labels.row(y));
                 });
  });
  for (const Run& run : labelling.part_runs)
    std::fill(labels.row(run.row) + run.begin, labels.row(run.row) + run.end,
              label_of[labelling.offset.back() + run.object]);
}

}  // namespace

Components label_components(const Image& image, const Mask& mask, const LabelParameters& parameters,
                            const View2D<std::int32_t>& labels, int threads) {
  const bool deblending = parameters.deblend > 0;
  Labelling labelling = join(label_bands(image, mask, parameters, deblending || labels, threads), parameters);
  if (deblending) deblend_all(image, parameters, threads, labelling);

  std::int64_t count = 0;
  for_each_object(labelling, parameters.min_area, [&](const ObjectTable&, std::int64_t, std::int64_t) { ++count; });
  if (labels && count > std::numeric_limits<std::int32_t>::max())
    throw std::overflow_error("more objects than an int32 label can number");
  const std::int64_t joined = labelling.offset.back();
  std::vector<std::int32_t> label_of(labels ? joined + labelling.parts.size() : 0);
  Components result;
  result.objects.reserve(count);
  result.level_counts.reserve(count * parameters.levels.size());
  const auto finish = [&](const ObjectTable& table, std::int64_t i, std::int64_t number) {
    result.objects.push_back(table[i].finish());
    result.level_counts.insert(result.level_counts.end(), table.counts(i), table.counts(i + 1));
    if (labels) label_of[number] = static_cast<std::int32_t>(result.objects.size());
  };
  for_each_in_order(labelling, parameters.min_area, finish);
  if (labels) {
    for (std::int64_t i = 0; i < joined; ++i) label_of[i] = label_of[labelling.sets.find(i)];
    paint(labelling, label_of, labels, threads);
  }
  return result;
}

}  // namespace fleck
