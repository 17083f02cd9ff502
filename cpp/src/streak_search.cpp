#include "fleck/streak_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>
#include <vector>

#include "fleck/shadow_search.hpp"
#include "isa/streak_search.hpp"
#include "sectors.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

static_assert(streak_parts == shadow_sectors, "they are sorted by the same network");
constexpr double line_ends = 1.25, side_begins = 2.0, side_ends = 4.0, tolerance = 1e-9;
constexpr std::int64_t enough_per_cent = 40;
constexpr int line = 0, left = 1, right = 2, zones = 3, longest_run = 3;
constexpr std::int64_t most_tile_rows = 128, most_tile_cols = 8 * shadow_block;
const std::array<float, streak_parts + 1> shares = shares_of_sectors(6);
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

// How a tile of places and all that they look at lies in memory.
struct Layout {
  double length, cosine, sine;
  std::int64_t tile_rows, tile_cols;  // of places, whole blocks
  std::int64_t reach_rows, reach_cols, cols, pixels;
  bool steep;         // what lies across the direction are neighbours in a row, not in a column
  std::int64_t step;  // to such a neighbour

  Layout(double length_, double angle, const Image& image)
      : length(length_),
        cosine(std::cos(angle * std::numbers::pi / 180)),
        sine(std::sin(angle * std::numbers::pi / 180)),
        tile_rows(std::min(most_tile_rows, image.rows)),
        tile_cols(std::min(most_tile_cols, (image.cols + shadow_block - 1) / shadow_block * shadow_block)),
        reach_rows(reach(sine, cosine)),
        reach_cols(reach(cosine, sine)),
        cols(tile_cols + 2 * reach_cols),
        pixels(cols * (tile_rows + 2 * reach_rows)),
        steep(std::abs(sine) > std::abs(cosine)),
        step(steep ? 1 : cols) {}

  std::int64_t offset(std::int64_t row, std::int64_t col) const { return row * cols + col; }
  std::int64_t place(std::int64_t row, std::int64_t col) const { return offset(row + reach_rows, col + reach_cols); }

 private:
  std::int64_t reach(double along, double across) const {
    return static_cast<std::int64_t>(
        std::ceil(std::abs(along) * length / 2 + std::abs(across) * side_ends + tolerance));
  }
};

// The zones of all parts. Each is made up of runs, up to 3 pixels that are neighbours across the direction.
struct Zones {
  StreakPart parts[streak_parts];

  explicit Zones(const Layout& layout) {
    const std::int64_t outer = layout.steep ? layout.reach_rows : layout.reach_cols;
    const std::int64_t inner = layout.steep ? layout.reach_cols : layout.reach_rows;
    for (std::int64_t i = -outer; i <= outer; ++i)
      for (std::int64_t j = -inner; j <= inner;) j += layout.steep ? add_run(layout, i, j) : add_run(layout, j, i);
    for (int k = 0; k < streak_parts; ++k)
      for (int z = 0; z < zones; ++z) parts[k].zones[z] = runs_[k][z].view();
  }

 private:
  struct Runs {
    std::vector<std::int32_t> sums, starts, lengths;

    // How many must count is told in whole numbers: a rounded product would leave out a zone that has just enough.
    StreakZone view() const {
      const std::int64_t n = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
      const float all = static_cast<float>(n);
      const std::int64_t enough = std::max<std::int64_t>(1, (enough_per_cent * n + 99) / 100);
      return {sums.data(), starts.data(), lengths.data(), std::ssize(sums), all, 1.0f / all, static_cast<float>(enough)};
    }
  };

  // How many pixels are done with: no fewer than one.
  std::int64_t add_run(const Layout& layout, std::int64_t row, std::int64_t col) {
    const int zone = zone_of(layout, row, col);
    if (zone < 0) return 1;
    const auto at = [&](std::int64_t i) {
      return layout.steep ? zone_of(layout, row, col + i) : zone_of(layout, row + i, col);
    };
    std::int64_t run = 1;
    while (run < longest_run && at(run) == zone) ++run;
    Runs& runs = runs_[zone / zones][zone % zones];
    const std::int64_t start = layout.offset(row, col);
    runs.sums.push_back(static_cast<std::int32_t>((run - 1) * layout.pixels + start));
    runs.starts.push_back(static_cast<std::int32_t>(start));
    runs.lengths.push_back(static_cast<std::int32_t>(run));
    return run;
  }

  // Its part and what it is there, in one number; -1 for none.
  static int zone_of(const Layout& layout, std::int64_t row, std::int64_t col) {
    const double dy = static_cast<double>(row), dx = static_cast<double>(col);
    const double along = dx * layout.cosine + dy * layout.sine, across = dy * layout.cosine - dx * layout.sine;
    const double part = std::floor((along / layout.length + 0.5) * streak_parts + tolerance);
    if (part < 0 || part >= streak_parts) return -1;
    const double distance = std::abs(across);
    const int first = static_cast<int>(part) * zones;
    if (distance <= line_ends + tolerance) return first + line;
    if (distance < side_begins - tolerance || distance > side_ends + tolerance) return -1;
    return first + (across < 0 ? left : right);
  }

  Runs runs_[streak_parts][zones];
};

// Which of n rows or columns, the first of which is `from` of an image of that size, lie inside it.
struct Part {
  std::int64_t first, n, from;
};

Part part_inside(std::int64_t from, std::int64_t n, std::int64_t size) {
  const std::int64_t first = std::max<std::int64_t>(-from, 0);
  return {first, std::min(n, size - from) - first, from + first};
}

// What the places of a tile look at, NaN where a pixel does not count, and the sums of 2 and of 3 neighbours across the
// direction, at the first of them.
class Tile {
 public:
  explicit Tile(const Layout& layout)
      : layout_(layout), values_(std::make_unique_for_overwrite<float[]>(longest_run * layout.pixels)) {}

  void read(const Image& image, const Mask& mask, std::int64_t top, std::int64_t left_col) {
    const std::int64_t rows = layout_.tile_rows + 2 * layout_.reach_rows;
    const Part y = part_inside(top - layout_.reach_rows, rows, image.rows);
    const Part x = part_inside(left_col - layout_.reach_cols, layout_.cols, image.cols);
    const View2D<float> all{values_.get(), rows, layout_.cols, layout_.cols};
    const View2D<const float> inside =
        read_block(image, Mask{}, y.from, x.from, View2D<float>{&all(y.first, x.first), y.n, x.n, layout_.cols});
    for (std::int64_t r = 0; r < rows; ++r) {
      float* row = all.row(r);
      const bool is_inside = r >= y.first && r < y.first + y.n;
      std::fill_n(row, is_inside ? x.first : layout_.cols, nan);
      if (!is_inside) continue;
      FLECK_PICK(copy_finite)(inside.row(r - y.first), x.n, row + x.first);
      if (mask) FLECK_PICK(leave_out)(&mask(y.from + r - y.first, x.from), mask.col_stride, x.n, row + x.first);
      std::fill(row + x.first + x.n, row + layout_.cols, nan);
    }
    FLECK_PICK(sum_neighbours)
    (values_.get(), layout_.pixels, layout_.step, values_.get() + layout_.pixels, values_.get() + 2 * layout_.pixels);
  }

  // Of the place in a row and column of the tile and its neighbours.
  void score(const Zones& zone, std::int64_t row, std::int64_t col, float* out) {
    const float* at = values_.get() + layout_.place(row, col);
    alignas(64) float over_left[streak_parts][shadow_block], over_right[streak_parts][shadow_block];
    const auto excess = FLECK_PICK(part_excess);
    for (int k = 0; k < streak_parts; ++k)
      if (const unsigned wrong = excess(at, zone.parts[k], over_left[k], over_right[k]))
        FLECK_PICK(known_part_excess)(at, layout_.step, zone.parts[k], wrong, over_left[k], over_right[k]);
    FLECK_PICK(score_of_parts)(over_left[0], over_right[0], shares.data(), out);
  }

 private:
  const Layout& layout_;
  std::unique_ptr<float[]> values_;
};

}  // namespace

void streak_search(const Image& lost, const Mask& mask, double length, double angle, View2D<float> out, int threads) {
  if (!lost.rows || !lost.cols) return;
  const Layout layout(length, angle, lost);
  const Zones zone(layout);
  const std::int64_t across = (lost.cols + layout.tile_cols - 1) / layout.tile_cols;
  const std::int64_t down = (lost.rows + layout.tile_rows - 1) / layout.tile_rows;
  std::vector<std::optional<Tile>> scratch(resolve_threads(threads));
  parallel_for(across * down, threads, [&](std::int64_t number, int worker) {
    std::optional<Tile>& tile = scratch[worker];
    if (!tile) tile.emplace(layout);
    const std::int64_t top = number / across * layout.tile_rows, left_col = number % across * layout.tile_cols;
    const std::int64_t bottom = std::min(top + layout.tile_rows, lost.rows);
    const std::int64_t right_col = std::min(left_col + layout.tile_cols, lost.cols);
    tile->read(lost, mask, top, left_col);
    alignas(64) float score[shadow_block];
    for (std::int64_t y = top; y < bottom; ++y)
      for (std::int64_t x = left_col; x < right_col; x += shadow_block) {
        tile->score(zone, y - top, x - left_col, score);
        std::copy_n(score, std::min(shadow_block, right_col - x), &out(y, x));
      }
  });
}

}  // namespace fleck
