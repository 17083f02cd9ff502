#include "fleck/literal_search.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "aligned.hpp"
#include "components.hpp"
#include "element.hpp"
#include "fleck/median_filter.hpp"
#include "isa/literal_search.hpp"
#include "mesh_axis.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr float least_level = std::numeric_limits<float>::min();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr double guessed_sigma = 2.5;  // above the level that is expected: what is kept until all noise is known
constexpr float per_cent = 100;

Image image_of(View2D<const float> plane) {
  return {reinterpret_cast<const std::byte*>(plane.data), plane.rows, plane.cols,
          plane.row_stride * static_cast<std::int64_t>(sizeof(float)), sizeof(float), DType::f32, false};
}

// Level and noise of the boxes of a frame, measured strip by strip.
class BoxMesh {
 public:
  BoxMesh(std::int64_t rows, std::int64_t cols, std::int64_t box)
      : box_(box), ny_(mesh_size(rows, box)), nx_(mesh_size(cols, box)), level_(ny_ * nx_), noise_(ny_ * nx_),
        count_(ny_ * nx_), smooth_(ny_ * nx_), room_(ny_ * nx_) {}

  std::int64_t box() const { return box_; }
  std::int64_t across() const { return nx_; }
  View2D<double> level() { return view(level_); }
  View2D<double> noise() { return view(noise_); }
  bool known() const { return std::ranges::any_of(count_, [](std::int64_t n) { return n > 0; }); }

  // Measures the boxes of a part of the frame that begins at mesh row `first`.
  void measure(const Image& part, const Mask& mask, std::int64_t first, double min_valid, int threads) {
    MeshOptions options{box_, box_};
    options.min_valid = min_valid;
    const std::int64_t rows = mesh_size(part.rows, box_);
    const auto cut = [&]<class T>(std::vector<T>& plane) {
      return View2D<T>{plane.data() + first * nx_, rows, nx_, nx_, 1};
    };
    mesh_statistics(part, mask, options, cut(level_), cut(noise_), cut(count_), threads);
  }

  // Fills what is not known, and takes the median over 3 x 3 boxes.
  void smooth(View2D<const double> plane, View2D<double> out) {
    fill_mesh(plane, view(room_), 1);
    median_mesh(view(room_), 3, out);
  }

 private:
  template <class T>
  View2D<T> view(std::vector<T>& plane) const {
    return {plane.data(), ny_, nx_, nx_, 1};
  }

  std::int64_t box_, ny_, nx_;
  std::vector<double> level_, noise_;
  std::vector<std::int64_t> count_;
  std::vector<double> smooth_, room_;
};

// What is kept of a band's excess: a bit for every pixel, and the values whose bit is set, in raster order.
struct Kept {
  std::vector<std::uint64_t> words;
  std::vector<float> values;
};

struct Scratch {
  Aligned<float> transmission, filtered;
  std::vector<float> level, row, bound;
  std::vector<double> wide_row;
  std::vector<std::uint8_t> mark;
};

class Search {
 public:
  Search(const Image& image, const Image& quality, std::uint64_t bits, const LiteralRecipe& recipe,
         View2D<double> level, View2D<double> loss_noise, View2D<std::uint8_t> state, int threads)
      : image_(image), quality_(quality), bits_(bits), recipe_(recipe), level_(level), loss_noise_(loss_noise),
        state_(state), threads_(resolve_threads(threads)), scratch_(threads_),
        down_(image.rows, recipe.level_box, 0, image.rows), across_(image.cols, recipe.level_box, 0, image.cols),
        noise_down_(image.rows, recipe.noise_box, 0, image.rows),
        noise_across_(image.cols, recipe.noise_box, 0, image.cols),
        box_(std::min(recipe.noise_box, std::max(image.rows, image.cols))),
        strips_((image.rows - 1) / box_ + 1), together_(std::max<std::int64_t>(1, least_band / box_)),
        bands_((strips_ - 1) / together_ + 1), loss_(image.rows, image.cols, box_),
        excess_(image.rows, image.cols, box_), excess_level_(level_of(excess_)), kept_(bands_),
        bound_(strips_ * excess_.across()), greatest_(image.rows * excess_.across()), flagged_(image.rows, 0),
        unknown_(image.rows, 0) {}

  LiteralObjects run() {
    flag_by_quality();
    measure_level();
    measure_bands();
    prove_bounds();
    find_deviants();
    find_objects();
    return std::move(found_);
  }

 private:
  static constexpr std::int64_t least_band = 128;  // rows that are filtered together
  static constexpr std::int64_t looked_at_once = 64;  // pixels

  static std::vector<double> level_of(BoxMesh& mesh) {
    return std::vector<double>(mesh.level().rows * mesh.level().cols);
  }
  View2D<double> expected_level() { return {expected_.data(), level_.rows, level_.cols, level_.cols, 1}; }
  View2D<double> excess_level() { return {excess_level_.data(), strips_, excess_.across(), excess_.across(), 1}; }

  void flag_by_quality() {
    if (quality_.data == nullptr || bits_ == 0) return;
    visit_type(quality_.dtype, quality_.swapped, [&]<class E, bool Swapped>() {
      if constexpr (std::is_integral_v<E>) {
        const E bits = static_cast<E>(bits_);
        parallel_for(image_.rows, threads_, [&](std::int64_t r, int) {
          const auto at = [&](std::int64_t c) { return read_element<E, Swapped>(quality_.at(r, c)); };
          for (std::int64_t first = 0; first < image_.cols; first += looked_at_once) {
            const std::int64_t last = std::min(first + looked_at_once, image_.cols);
            E seen = 0;
            if (quality_.col_stride == sizeof(E)) {  // a loop that the compiler can vectorise
              const std::byte* const from = quality_.at(r, first);
              for (std::int64_t i = 0; i < last - first; ++i)
                seen |= read_element<E, Swapped>(from + i * std::int64_t{sizeof(E)});
            } else {
              for (std::int64_t c = first; c < last; ++c) seen |= at(c);
            }
            for (std::int64_t c = first; (seen & bits) != 0 && c < last; ++c)
              if ((at(c) & bits) != 0) {
                state_(r, c) = flagged;
                ++flagged_[r];
              }
          }
        });
      }
    });
    any_flagged_ = std::ranges::any_of(flagged_, [](std::int64_t n) { return n > 0; });
  }

  void measure_level() {
    BoxMesh mesh(image_.rows, image_.cols, recipe_.level_box);
    const Mask mask = any_flagged_ ? Mask(state_) : Mask{};
    mesh.measure(image_, mask, 0, MeshOptions{}.min_valid, threads_);
    mesh.smooth(mesh.level(), level_);
    // What the boxes' own levels are below or above the smooth one should be seen in the excess.
    const View2D<double> expected = mesh.level();
    for (std::int64_t r = 0; r < level_.rows; ++r)
      for (std::int64_t c = 0; c < level_.cols; ++c)
        expected(r, c) = per_cent * (1 - expected(r, c) / level_(r, c));
    expected_.resize(level_.rows * level_.cols);
    mesh.smooth(expected, expected_level());
  }

  // ---- Rows

  // Calls visit(values, level) for the pixels of row r, as they come from the image.
  template <class Visit>
  void with_row(std::int64_t r, Scratch& own, Visit&& visit) {
    own.level.resize(image_.cols);
    MeshRows(level_, down_, across_).row(r, own.level.data());
    if (image_.dtype == DType::f64) {  // finite numbers may be infinite in float
      own.wide_row.resize(image_.cols);
      load_row(image_, r, 0, image_.cols, own.wide_row.data());
      visit(own.wide_row.data());
    } else {
      own.row.resize(image_.cols);
      load_row(image_, r, 0, image_.cols, own.row.data());
      visit(own.row.data());
    }
  }

  void load_transmission(std::int64_t r, Scratch& own, float* out) {
    const std::uint8_t* const state = any_flagged_ ? state_.row(r) : nullptr;
    with_row(r, own, [&]<class T>(const T* values) {
      FLECK_PICK(transmission_row<T>)(values, own.level.data(), state, least_level, image_.cols, out);
    });
  }

  // Transmissions of rows [row0, row1).
  View2D<float> load_rows(std::int64_t row0, std::int64_t row1, Scratch& own) {
    const std::int64_t cols = image_.cols, rows = row1 - row0;
    own.transmission.resize(rows * cols);
    for (std::int64_t r = 0; r < rows; ++r) load_transmission(row0 + r, own, own.transmission.data() + r * cols);
    return {own.transmission.data(), rows, cols, cols, 1};
  }

  // ---- Bands

  std::int64_t first_row(std::int64_t band) const { return band * together_ * box_; }
  std::int64_t last_row(std::int64_t band) const { return std::min((band + 1) * together_ * box_, image_.rows); }

  void measure_bands() {
    parallel_for(bands_, threads_, [&](std::int64_t band, int worker) {
      Scratch& own = scratch_[worker];
      const View2D<float> excess = filter(band, own);
      excess_.measure(image_of(excess), {}, band * together_, MeshOptions{}.min_valid, 1);
      guess_bounds(band);
      keep(band, excess, own);
      const float* const transmission = own.transmission.data() + (first_row(band) - top_row(band)) * image_.cols;
      for (std::int64_t r = 0; r < excess.rows; ++r) {
        const std::int64_t row = first_row(band) + r;
        unknown_[row] = FLECK_PICK(greatest_of_boxes)(transmission + r * image_.cols, image_.cols, box_,
                                                      &greatest_[row * loss_.across()]) != flagged_[row];
      }
      measure_loss(band, MeshOptions{}.min_valid, own, first_row(band) - top_row(band));
    });
    smooth_loss();
  }

  // Of the rows that the medians of a band look at, which are at least a window.
  std::int64_t top_row(std::int64_t band) const {
    const std::int64_t half = recipe_.window_rows / 2, bottom = std::min(image_.rows, last_row(band) + half);
    return std::max<std::int64_t>(0, std::min(first_row(band) - half, bottom - recipe_.window_rows));
  }

  // The excess of a band. own.transmission holds the band and the rows around it, from top_row on.
  View2D<float> filter(std::int64_t band, Scratch& own) {
    const std::int64_t top = top_row(band), row0 = first_row(band), row1 = last_row(band);
    const View2D<float> around =
        load_rows(top, std::min(image_.rows, row1 + recipe_.window_rows / 2), own);
    own.filtered.resize(around.rows * around.cols);
    const View2D<float> filtered{own.filtered.data(), around.rows, around.cols, around.cols, 1};
    median_filter(image_of(around), {}, filtered, {recipe_.window_rows, recipe_.window_cols}, Border::reflect, nullptr,
                  1);
    const View2D<float> excess{filtered.row(row0 - top), row1 - row0, image_.cols, image_.cols, 1};
    for (std::int64_t r = 0; r < excess.rows; ++r)
      FLECK_PICK(loss_row)(excess.row(r), per_cent, excess.cols, excess.row(r));
    return excess;
  }

  // The noise of a band's loss, from own.transmission, where the band begins at row `skip`.
  void measure_loss(std::int64_t band, double min_valid, Scratch& own, std::int64_t skip) {
    const std::int64_t row0 = first_row(band), rows = last_row(band) - row0;
    const View2D<float> loss{own.transmission.data() + skip * image_.cols, rows, image_.cols, image_.cols, 1};
    for (std::int64_t r = 0; r < rows; ++r) FLECK_PICK(loss_row)(loss.row(r), 1, image_.cols, loss.row(r));
    loss_.measure(image_of(loss), {}, band * together_, min_valid, 1);
  }

  // If no box holds enough pixels, few must do.
  void smooth_loss() {
    if (!loss_.known())
      parallel_for(bands_, threads_, [&](std::int64_t band, int worker) {
        load_rows(first_row(band), last_row(band), scratch_[worker]);
        leave_out_deviants(band, scratch_[worker]);
        measure_loss(band, recipe_.few_valid, scratch_[worker], 0);
      });
    loss_.smooth(loss_.noise(), loss_noise_);
  }

  // ---- Bounds

  // As if the noise were that of the band, and the level what the frame's own mesh lets expect.
  void guess_bounds(std::int64_t band) {
    const std::int64_t first = band * together_, last = std::min(first + together_, strips_);
    const View2D<double> noise = excess_.noise();
    const double typical = median_of_mesh({noise.row(first), last - first, noise.cols, noise.row_stride, 1});
    for (std::int64_t k = first; k < last; ++k)
      for (std::int64_t c = 0; c < excess_.across(); ++c) {
        const double bound = least_around(expected_level(), recipe_.level_box, k, c) + guessed_sigma * typical;
        bound_[k * excess_.across() + c] = std::isnan(bound) ? infinity : static_cast<float>(bound);
      }
  }

  void keep(std::int64_t band, View2D<const float> excess, Scratch& own) {
    const std::int64_t row_words = (image_.cols + 63) / 64;
    Kept& kept = kept_[band];
    kept.words.resize(excess.rows * row_words);
    kept.values.clear();
    own.bound.resize(image_.cols);
    own.row.resize(image_.cols);
    for (std::int64_t r = 0; r < excess.rows; ++r) {
      const std::int64_t row = first_row(band) + r;
      if (row % box_ == 0)
        for (std::int64_t c = 0; c < image_.cols; ++c)
          own.bound[c] = bound_[row / box_ * excess_.across() + c / box_];
      const std::int64_t n = FLECK_PICK(keep_above)(excess.row(r), own.bound.data(), image_.cols,
                                                    kept.words.data() + r * row_words, own.row.data());
      kept.values.insert(kept.values.end(), own.row.begin(), own.row.begin() + n);
    }
  }

  // When the noise is known, and with it what must be kept: bands that kept too little are filtered again.
  void prove_bounds() {
    std::vector<double> noise(bound_.size());
    const View2D<double> smooth{noise.data(), strips_, excess_.across(), excess_.across(), 1};
    excess_.smooth(excess_.noise(), smooth);
    excess_.smooth(excess_.level(), excess_level());
    found_.noise = std::max(median_of_mesh(smooth), recipe_.least_noise);
    limit_ = recipe_.sigma * found_.noise;
    std::vector<std::int64_t> again;
    for (std::int64_t band = 0; band < bands_; ++band)
      if (lower_bounds(band)) again.push_back(band);
    parallel_for(std::ssize(again), threads_, [&](std::int64_t i, int worker) {
      const View2D<float> excess = filter(again[i], scratch_[worker]);
      keep(again[i], excess, scratch_[worker]);
    });
  }

  // Lowers the bounds of a band to where nothing that counts is lost; whether one had to be.
  bool lower_bounds(std::int64_t band) {
    bool lowered = false;
    for (std::int64_t k = band * together_; k < std::min((band + 1) * together_, strips_); ++k)
      for (std::int64_t c = 0; c < excess_.across(); ++c) {
        // No pixel of the box has an interpolated level below this.
        const float least =
            std::nextafter(static_cast<float>(least_around(excess_level(), box_, k, c)), -infinity);
        float& bound = bound_[k * excess_.across() + c];
        if (std::isnan(least) || bound - least <= limit_) continue;  // rounding keeps the order of differences
        bound = static_cast<float>(least + limit_);
        while (!(bound - least <= limit_)) bound = std::nextafter(bound, -infinity);
        lowered = true;
      }
    return lowered;
  }

  // The least number of a mesh in boxes of `side`, over those that bear on pixels of a box of the excess: infinity if
  // there is none, NaN if there is no mesh.
  double least_around(View2D<const double> mesh, std::int64_t side, std::int64_t row, std::int64_t col) const {
    double least = std::numeric_limits<double>::infinity();
    const auto first = [&](std::int64_t box) { return std::max<std::int64_t>(box * box_ / side - 1, 0); };
    const auto last = [&](std::int64_t box, std::int64_t n) { return std::min(((box + 1) * box_ - 1) / side + 1, n - 1); };
    for (std::int64_t r = first(row); r <= last(row, mesh.rows); ++r)
      for (std::int64_t c = first(col); c <= last(col, mesh.cols); ++c)
        if (!(mesh(r, c) >= least)) least = mesh(r, c);
    return least;
  }

  // ---- Pixels that are left out

  // Writes the state of every pixel that is left out, where there may be one.
  void find_deviants() {
    std::vector<std::int64_t> counts(3 * bands_, 0);
    const std::vector<float> least = least_deviant();
    parallel_for(bands_, threads_, [&](std::int64_t band, int worker) {
      std::int64_t* const count = counts.data() + 3 * band;
      for (std::int64_t r = first_row(band); r < last_row(band); ++r) {
        count[0] += flagged_[r];
        if (unknown_[r]) flag(r, scratch_[worker], count);
        mark_deviants(r, &least[r / box_ * loss_.across()], scratch_[worker], count[2]);
      }
    });
    for (std::size_t i = 0; i < counts.size(); ++i) found_.counts[i % 3] += counts[i];
    if (found_.counts[2] == 0 || !recipe_.without_deviants) return;
    parallel_for(bands_, threads_, [&](std::int64_t band, int worker) {
      if (counts[3 * band + 2] == 0) return;
      load_rows(first_row(band), last_row(band), scratch_[worker]);
      leave_out_deviants(band, scratch_[worker]);
      measure_loss(band, MeshOptions{}.min_valid, scratch_[worker], 0);
    });
    smooth_loss();
  }

  // Pixels of row r that are no number, or without light.
  void flag(std::int64_t r, Scratch& own, std::int64_t* count) {
    own.mark.assign(state_.row(r), state_.row(r) + image_.cols);
    with_row(r, own, [&]<class T>(const T* values) {
      FLECK_PICK(flag_row<T>)(values, own.level.data(), least_level, image_.cols, own.mark.data());
    });
    for (std::int64_t c = 0; c < image_.cols; ++c) {
      if (own.mark[c] == state_(r, c)) continue;
      state_(r, c) = own.mark[c];
      count[0] += own.mark[c] == flagged;
      count[1] += own.mark[c] == unlit;
    }
  }

  // What no transmission of a box exceeds unless a pixel may deviate, or all but.
  std::vector<float> least_deviant() const {
    constexpr double nearly = 0.99;  // far beyond any rounding
    std::vector<float> least;
    for (std::int64_t k = 0; k < strips_; ++k)
      for (std::int64_t c = 0; c < loss_.across(); ++c) {
        const double noise = std::max(recipe_.least_noise, least_around(loss_noise_, box_, k, c));
        least.push_back(static_cast<float>(1 + nearly * recipe_.deviation * noise));
      }
    return least;
  }

  // Pixels of row r that deviate, in boxes where the brightest may; `least` is of these boxes.
  void mark_deviants(std::int64_t r, const float* least, Scratch& own, std::int64_t& count) {
    bool loaded = false;
    for (std::int64_t c = 0; c < loss_.across(); ++c) {
      if (!(greatest_[r * loss_.across() + c] > least[c])) continue;
      if (!std::exchange(loaded, true)) load_loss(r, own);
      const std::int64_t first = c * box_, n = std::min(box_, image_.cols - first);
      count += FLECK_PICK(mark_deviant)(own.transmission.data() + first, own.bound.data() + first,
                                        static_cast<float>(recipe_.deviation),
                                        static_cast<float>(recipe_.least_noise), n, own.mark.data());
      for (std::int64_t i = 0; i < n; ++i)
        if (own.mark[i] != 0) state_(r, first + i) = std::exchange(own.mark[i], 0);
    }
  }

  // Loss of row r in own.transmission, its noise in own.bound.
  void load_loss(std::int64_t r, Scratch& own) {
    load_rows(r, r + 1, own);
    FLECK_PICK(loss_row)(own.transmission.data(), 1, image_.cols, own.transmission.data());
    own.bound.resize(image_.cols);
    MeshRows(loss_noise_, noise_down_, noise_across_).row(r, own.bound.data());
    own.mark.assign(std::min(box_, image_.cols), 0);
  }

  void leave_out_deviants(std::int64_t band, Scratch& own) {
    for (std::int64_t r = first_row(band); r < last_row(band); ++r)
      for (std::int64_t c = 0; c < image_.cols; ++c)
        if (state_(r, c) == deviant)
          own.transmission[(r - first_row(band)) * image_.cols + c] = std::numeric_limits<float>::quiet_NaN();
  }

  // ---- Objects

  struct PeakedRun {
    Run run;
    float peak;
  };

  // Runs of a band's pixels that are above the limit.
  std::vector<PeakedRun> runs_of(std::int64_t band, Scratch& own) {
    std::vector<PeakedRun> runs;
    const std::int64_t row_words = (image_.cols + 63) / 64;
    const Kept& kept = kept_[band];
    const float* value = kept.values.data();
    MeshRows rows(excess_level(), noise_down_, noise_across_);
    own.level.resize(image_.cols);
    for (std::int64_t r = first_row(band); r < last_row(band); ++r) {
      rows.row(r, own.level.data());
      const std::uint64_t* words = kept.words.data() + (r - first_row(band)) * row_words;
      for (std::int64_t w = 0; w < row_words; ++w)
        for (std::uint64_t word = words[w]; word != 0; word &= word - 1) {
          const std::int64_t c = 64 * w + std::countr_zero(word);
          const float excess = *value++ - own.level[c];
          if (!(excess > limit_) || state_(r, c) != 0) continue;
          if (!runs.empty() && runs.back().run.row == r && runs.back().run.end == c) {
            ++runs.back().run.end;
            runs.back().peak = std::max(runs.back().peak, excess);
          } else {
            runs.push_back({{r, c, c + 1, 0}, excess});
          }
        }
    }
    return runs;
  }

  void find_objects() {
    std::vector<std::vector<PeakedRun>> by_band(bands_);
    parallel_for(bands_, threads_,
                 [&](std::int64_t band, int worker) { by_band[band] = runs_of(band, scratch_[worker]); });
    std::vector<PeakedRun> runs;
    for (const auto& some : by_band) runs.insert(runs.end(), some.begin(), some.end());
    const std::int64_t count = std::ssize(runs);
    UnionFind sets(count);
    for (std::int64_t b = 0, above = 0; b < count; ++b) {
      const Run& run = runs[b].run;
      const auto passed = [&](const Run& a) { return a.row < run.row - 1 || (a.row == run.row - 1 && a.end < run.begin); };
      while (above < b && passed(runs[above].run)) ++above;
      for (std::int64_t a = above; a < b && runs[a].run.row < run.row && runs[a].run.begin <= run.end; ++a)
        sets.unite(a, b);
    }
    std::vector<std::int64_t> area(count, 0), object(count, -1);
    std::vector<float> peak(count, -infinity);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t root = sets.find(i);
      area[root] += runs[i].run.end - runs[i].run.begin;
      peak[root] = std::max(peak[root], runs[i].peak);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t root = sets.find(i);
      if (area[root] < recipe_.min_area) continue;
      if (root == i) {
        object[i] = std::ssize(found_.peaks);
        found_.peaks.push_back(peak[i]);
      }
      found_.runs.push_back({runs[i].run.row, runs[i].run.begin, runs[i].run.end, object[root]});
    }
  }

  const Image& image_;
  const Image& quality_;
  std::uint64_t bits_;
  const LiteralRecipe& recipe_;
  View2D<double> level_, loss_noise_;
  View2D<std::uint8_t> state_;
  int threads_;
  std::vector<Scratch> scratch_;
  MeshAxis down_, across_, noise_down_, noise_across_;
  std::int64_t box_, strips_, together_, bands_;
  BoxMesh loss_, excess_;
  std::vector<double> excess_level_;
  std::vector<Kept> kept_;
  std::vector<float> bound_;           // by box of the excess
  std::vector<double> expected_;
  std::vector<float> greatest_;        // transmission, by row and box
  std::vector<std::int64_t> flagged_;  // by quality, by row
  std::vector<std::uint8_t> unknown_;  // whether more transmissions of a row are NaN than those
  bool any_flagged_ = false;
  double limit_ = 0;
  LiteralObjects found_{};
};

}  // namespace

LiteralObjects literal_search(const Image& image, const Image& quality, std::uint64_t bits,
                              const LiteralRecipe& recipe, View2D<double> level, View2D<double> loss_noise,
                              View2D<std::uint8_t> state, int threads) {
  return Search(image, quality, bits, recipe, level, loss_noise, state, threads).run();
}

}  // namespace fleck
