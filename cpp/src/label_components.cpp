#include "fleck/label_components.hpp"

#include <bit>
#include <stdexcept>

#include "components.hpp"
#include "element.hpp"
#include "threads.hpp"

namespace fleck {

// ---- Runs to sums

Meter::Meter(DType dtype, bool swapped, const LabelParameters& parameters) : parameters_(&parameters) {
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
  sum_runs_(pixels, n, runs.edges.data(), size, parameters_->threshold, sums_.data());
  for (std::int64_t k = 0; k < size; ++k)
    objects[runs.objects[k]].add(y, x0 + runs.edges[2 * k], x0 + runs.edges[2 * k + 1], sums_[k]);

  counts_.resize(size);
  for (std::size_t level = 0; level < parameters_->levels.size(); ++level) {
    count_above_(pixels, runs.edges.data(), size, parameters_->levels[level], counts_.data());
    for (std::int64_t k = 0; k < size; ++k) objects.counts(runs.objects[k])[level] += counts_[k];
  }
}

namespace {

constexpr std::int64_t band_rows = 64;  // fixed: sums are grouped by band, whoever works on it

// ---- Rows to bands

// Pixels of an image, row by row: where they lie if they lie side by side, else as float64 in a buffer.
class Rows {
 public:
  explicit Rows(const Image& image) : image_(&image) {
    const std::int64_t element = visit_type(image.dtype, false, []<class E, bool>() { return sizeof(E); });
    side_by_side_ = image.col_stride == element || image.cols == 1;
    if (!side_by_side_) buffer_.resize(image.cols);
  }

  DType dtype() const { return side_by_side_ ? image_->dtype : DType::f64; }
  bool swapped() const { return side_by_side_ && image_->swapped; }
  const std::byte* operator[](std::int64_t y) {
    if (side_by_side_) return image_->at(y, 0);
    load_row(*image_, y, 0, image_->cols, buffer_.data());
    return reinterpret_cast<const std::byte*>(buffer_.data());
  }

 private:
  const Image* image_;
  bool side_by_side_;
  std::vector<double> buffer_;
};

// Calls touch(a, b) for every pair of touching runs, a of one row and b of the row below, in raster order.
template <class Touch>
void for_each_touching(const RunRow& above, const RunRow& below, int connectivity, Touch&& touch) {
  const std::int64_t reach = connectivity == 8 ? 1 : 0;
  const std::int64_t *const upper = above.edges.data(), *const lower = below.edges.data();
  for (std::int64_t a = 0, b = 0; a < above.size() && b < below.size();) {
    if ((upper[2 * a] < lower[2 * b + 1] + reach) & (lower[2 * b] < upper[2 * a + 1] + reach)) touch(a, b);
    const bool ends_first = upper[2 * a + 1] < lower[2 * b + 1];  // and touches nothing further
    a += ends_first;
    b += !ends_first;
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
      : image_(image), mask_(mask), parameters_(parameters), keep_runs_(keep_runs) {}

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
      if (y == row0) band.first = below_.copy();
      if (keep_runs_) runs_.insert(runs_.end(), below_.objects.begin(), below_.objects.end());
    }
    band.last = below_.copy();
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
    if (mask_) leave_out(y, words);
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
    for (std::int64_t k = 0; k < row_words_; ++k)
      for (std::uint64_t left = words[k]; left; left &= left - 1)
        if (const int i = std::countr_zero(left); mask_(y, 64 * k + i)) words[k] &= ~(std::uint64_t{1} << i);
  }

  // Pieces become objects. What is whole and too small is dropped at once, so noise costs no memory.
  void collect(std::int64_t row0, std::int64_t row1, ObjectTable& objects) {
    object_of_.resize(sets_.size());
    for (std::int64_t i = 0; i < sets_.size(); ++i)
      if (const std::int64_t root = sets_.find(i); root != i) pieces_.merge(root, pieces_, i);
    for (std::int64_t i = 0; i < sets_.size(); ++i) {
      const std::int64_t root = sets_.find(i);
      const Sums& sums = pieces_[root];
      if (root != i)
        object_of_[i] = object_of_[root];
      else if (sums.area < parameters_.min_area && sums.y0 > row0 && sums.ymax < row1 - 1)
        object_of_[i] = -1;
      else
        object_of_[i] = objects.add(pieces_, i);
    }
  }

  const Image& image_;
  const Mask& mask_;
  const LabelParameters& parameters_;
  bool keep_runs_;
  Rows rows_{image_};
  Meter meter_{rows_.dtype(), rows_.swapped(), parameters_};
  decltype(&baseline::find_runs) find_runs_ = FLECK_PICK(find_runs);
  std::int64_t row_words_ = (image_.cols + 63) / 64;
  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(row_words_);
  RunRow above_{std::vector<std::int64_t>(image_.cols + 4), {}}, below_ = above_;
  std::vector<std::int64_t> runs_{};    // the pieces they belong to
  ObjectTable pieces_{parameters_};     // of objects, as far as known row by row
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

  std::int64_t tables() const { return std::ssize(offset); }
  ObjectTable& table(std::int64_t i) { return i < std::ssize(bands) ? bands[i].objects : parts; }
};

// An object where it lies.
struct Place {
  ObjectTable* table;
  std::int64_t index, number;

  const Sums& sums() const { return (*table)[index]; }
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

// The objects that are large enough, by number.
std::vector<Place> large_enough(Labelling& labelling, std::int64_t min_area) {
  std::vector<Place> places;
  for (std::int64_t i = 0; i < labelling.tables(); ++i) {
    ObjectTable& table = labelling.table(i);
    for (std::int64_t j = 0; j < table.size(); ++j)
      if (table[j].area >= min_area) places.push_back({&table, j, labelling.offset[i] + j});
  }
  return places;
}

// Calls visit(row, edges, objects, runs) for every row of band i; objects are indices into the band's, -1 for none.
template <class Visit>
void for_each_row(const Band& band, std::int64_t row0, std::int64_t cols, Visit&& visit) {
  const auto find = FLECK_PICK(find_runs);
  const std::int64_t row_words = (cols + 63) / 64;
  std::vector<std::int64_t> edges(cols + 4);
  const std::int64_t* objects = band.runs.data();
  for (std::int64_t y = 0; y * row_words < std::ssize(band.words); ++y) {
    const std::int64_t runs = find(band.words.data() + y * row_words, cols, edges.data());
    visit(row0 + y, edges.data(), objects, runs);
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

  std::vector<Place> candidates = large_enough(labelling, parameters.min_area);
  std::erase_if(candidates, [&](const Place& place) { return place.sums().area / 2 < parameters.min_area; });
  std::vector<Parts> parts(candidates.size(), Parts{ObjectTable(parameters), {}});
  parallel_for(std::ssize(candidates), threads, [&](std::int64_t k, int) {
    const std::int64_t i = candidates[k].number;
    const std::int64_t begin = i == 0 ? 0 : end[i - 1];
    parts[k] = deblend(image, {sorted.data() + begin, sorted.data() + end[i]}, candidates[k].sums().w, parameters);
  });

  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (parts[k].runs.empty()) continue;
    const auto& [table, index, number] = candidates[k];
    table->drop(index);
    const std::int64_t first = labelling.parts.size();
    for (std::int64_t j = 0; j < parts[k].objects.size(); ++j) labelling.parts.add(parts[k].objects, j);
    for (Run run : parts[k].runs) {
      run.object += first;
      labelling.part_runs.push_back(run);
    }
  }
}

// The objects that are large enough, in raster order of their first pixels.
std::vector<Place> in_order(Labelling& labelling, std::int64_t min_area) {
  std::vector<Place> order = large_enough(labelling, min_area);
  const auto first_pixel = [](const Place& place) { return std::pair(place.sums().y0, place.sums().x0); };
  if (labelling.parts.size() > 0)
    std::sort(order.begin(), order.end(),
              [&](const Place& a, const Place& b) { return first_pixel(a) < first_pixel(b); });
  return order;
}

void paint(Labelling& labelling, const std::vector<Place>& order, const View2D<std::int32_t>& labels, int threads) {
  if (order.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::overflow_error("more objects than an int32 label can number");
  const std::int64_t joined = labelling.offset.back();
  std::vector<std::int32_t> label_of(joined + labelling.parts.size());
  for (std::size_t i = 0; i < order.size(); ++i) label_of[order[i].number] = static_cast<std::int32_t>(i + 1);
  for (std::int64_t i = 0; i < joined; ++i) label_of[i] = label_of[labelling.sets.find(i)];
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
    std::fill(labels.row(run.row) + run.begin, labels.row(run.row) + run.end, label_of[joined + run.object]);
}

constexpr std::int64_t finished_together = 4096;  // objects

}  // namespace

Components label_components(const Image& image, const Mask& mask, const LabelParameters& parameters,
                            const View2D<std::int32_t>& labels, int threads) {
  const bool deblending = parameters.deblend > 0;
  Labelling labelling = join(label_bands(image, mask, parameters, deblending || labels, threads), parameters);
  if (deblending) deblend_all(image, parameters, threads, labelling);
  const std::vector<Place> order = in_order(labelling, parameters.min_area);
  if (labels) paint(labelling, order, labels, threads);

  const std::int64_t count = std::ssize(order), levels = std::ssize(parameters.levels);
  Components result{std::vector<Component>(count), std::vector<std::int64_t>(count * levels)};
  parallel_for((count + finished_together - 1) / finished_together, threads, [&](std::int64_t chunk, int) {
    const std::int64_t end = std::min((chunk + 1) * finished_together, count);
    for (std::int64_t i = chunk * finished_together; i < end; ++i) {
      result.objects[i] = order[i].sums().finish();
      const auto counts = order[i].table->counts(order[i].index);
      std::copy(counts, counts + levels, result.level_counts.begin() + i * levels);
    }
  });
  return result;
}

}  // namespace fleck
