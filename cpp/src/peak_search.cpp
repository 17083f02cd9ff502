#include "fleck/peak_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "aligned.hpp"
#include "isa/peak_search.hpp"
#include "mesh_axis.hpp"
#include "threads.hpp"

namespace fleck {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t band = 16;   // rows that are searched together
constexpr std::int64_t beside = 16;  // columns beyond the frame: the nearest is looked at, the others are read
constexpr std::int64_t third = 3;

// Searches bands of rows, each with the rows above and below it.
class BandSearch {
 public:
  BandSearch(const Image& image, const Mask& mask, const PeakNoise& noise, const MeshAxis& down,
             const MeshAxis& across, float limit, float floor)
      : image_(image), mask_(mask), noise_(noise), planes_(noise.mesh, down, across),
        least_(std::nextafter(limit, infinity)), floor_(floor), width_(image.cols + 2 * beside), room_(image.cols),
        list_(image.cols), rows_((band + 2) * width_) {}

  // Gives the band's peaks, and all that is above the floor on the other side, the greatest of the rest last.
  Peaks search(std::int64_t first) {
    std::fill(rows_.begin(), rows_.end(), -infinity);
    const std::int64_t last = std::min(first + band, image_.rows);
    for (std::int64_t r = std::max<std::int64_t>(0, first - 1); r < std::min(last + 1, image_.rows); ++r)
      fill(r, row(r - first));
    Peaks found;
    for (std::int64_t r = first; r < last; ++r) list_peaks(r, row(r - first), found.peaks);
    float rest = -infinity;
    for (std::int64_t r = (first + third - 1) / third * third; r < last; r += third)
      sample(r, row(r - first), found, rest);
    found.opposite.push_back(rest);
    return found;
  }

 private:
  float* row(std::int64_t i) { return rows_.data() + (i + 1) * width_ + beside; }

  const float* read(const Image& plane, std::int64_t r) {
    return read_block(plane, {}, r, 0, View2D<float>{room_.data(), 1, plane.cols, plane.cols, 1}).row(0);
  }

  void fill(std::int64_t r, float* out) {
    planes_.row(r, out);
    FLECK_PICK(usable_noise)(noise_.least, image_.cols, out);
    if (noise_.error.data) FLECK_PICK(at_least_error)(read(noise_.error, r), noise_.white, image_.cols, out);
    if (noise_.doubt.data) FLECK_PICK(add_doubt)(read(noise_.doubt, r), image_.cols, out);
    FLECK_PICK(significance_row)(read(image_, r), image_.cols, out);
  }

  void list_peaks(std::int64_t r, const float* values, std::vector<Peak>& peaks) {
    const std::int64_t n = FLECK_PICK(list_reaching)(values, least_, image_.cols, list_.data());
    for (std::int64_t i = 0; i < n; ++i)
      if (is_peak(values + list_[i])) peaks.push_back({r, list_[i], values[list_[i]]});
  }

  bool is_peak(const float* at) const {
    const float value = *at;
    const float *above = at - width_, *below = at + width_;
    return value > above[-1] && value > above[0] && value > above[1] && value > at[-1] && value >= at[1] &&
           value >= below[-1] && value >= below[0] && value >= below[1];
  }

  void sample(std::int64_t r, const float* values, Peaks& found, float& rest) const {
    for (std::int64_t c = 0; c < image_.cols; c += third) {
      if (mask_ && mask_(r, c)) continue;
      const float opposite = -values[c];
      ++found.sampled;
      if (opposite > floor_)
        found.opposite.push_back(opposite);
      else
        rest = std::max(rest, opposite);
    }
  }

  const Image& image_;
  const Mask& mask_;
  const PeakNoise& noise_;
  MeshRows planes_;
  float least_, floor_;
  std::int64_t width_;
  Aligned<float> room_;
  std::vector<std::int64_t> list_;
  std::vector<float> rows_;
};

}  // namespace

Peaks peak_search(const Image& image, const Mask& mask, const PeakNoise& noise, float limit, float opposite_floor,
                  int threads) {
  const MeshAxis down(image.rows, noise.box_rows, 0, image.rows), across(image.cols, noise.box_cols, 0, image.cols);
  const std::int64_t bands = (image.rows + band - 1) / band;
  const int workers = resolve_threads(threads);
  std::vector<BandSearch> searches(workers, BandSearch(image, mask, noise, down, across, limit, opposite_floor));
  std::vector<Peaks> found(bands);
  parallel_for(bands, workers,
               [&](std::int64_t i, int worker) { found[i] = searches[worker].search(i * band); });
  Peaks all;
  float rest = -infinity;
  for (Peaks& piece : found) {
    all.peaks.insert(all.peaks.end(), piece.peaks.begin(), piece.peaks.end());
    all.opposite.insert(all.opposite.end(), piece.opposite.begin(), piece.opposite.end() - 1);
    all.sampled += piece.sampled;
    rest = std::max(rest, piece.opposite.back());
  }
  all.opposite.push_back(rest);
  return all;
}

}  // namespace fleck
