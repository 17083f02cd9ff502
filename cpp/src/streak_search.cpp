#include "fleck/streak_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "fleck/shadow_search.hpp"
#include "isa/streak_search.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

static_assert(streak_parts == shadow_sectors, "they are sorted by the same network");
constexpr int line = 0, left = streak_parts, right = 2 * streak_parts, zones = 3 * streak_parts;
constexpr double line_ends = 1.25, side_begins = 2.0, side_ends = 4.0, tolerance = 1e-9;
constexpr std::int64_t enough_per_cent = 40;
constexpr int least_parts = 6;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

// The image with NaN around it and where a pixel does not count.
struct Padded {
  std::int64_t cols;
  std::vector<float> value;

  Padded(const Image& image, const Mask& mask, std::int64_t reach, int threads)
      : cols(image.cols + 2 * reach + shadow_block), value((image.rows + 2 * reach) * cols, nan) {
    parallel_for(image.rows, threads, [&](std::int64_t y, int) {
      float* v = value.data() + (y + reach) * cols + reach;
      load_row(image, y, 0, image.cols, v);
      for (std::int64_t x = 0; x < image.cols; ++x)
        if (!std::isfinite(v[x]) || (mask && mask(y, x))) v[x] = nan;
    });
  }
};

struct Zones {
  std::vector<std::int32_t> offsets[zones];
  bool every_part = true;  // has pixels in all three zones
  alignas(64) float count[zones][shadow_block], share[zones][shadow_block];  // pixels of each, and one over that

  Zones(double length, double angle, std::int64_t reach, std::int64_t stride) {
    const double turn = angle * std::numbers::pi / 180, cosine = std::cos(turn), sine = std::sin(turn);
    for (std::int64_t dy = -reach; dy <= reach; ++dy)
      for (std::int64_t dx = -reach; dx <= reach; ++dx) {
        const double row = static_cast<double>(dy), col = static_cast<double>(dx);
        const double along = col * cosine + row * sine, across = row * cosine - col * sine;
        const double part = std::floor((along / length + 0.5) * streak_parts + tolerance);
        const int zone = zone_of(across);
        if (part >= 0 && part < streak_parts && zone >= 0)
          offsets[zone + static_cast<int>(part)].push_back(static_cast<std::int32_t>(dy * stride + dx));
      }
    for (int z = 0; z < zones; ++z) {
      every_part = every_part && !offsets[z].empty();
      std::fill_n(count[z], shadow_block, static_cast<float>(offsets[z].size()));
      std::fill_n(share[z], shadow_block, 1.0f / static_cast<float>(offsets[z].size()));
    }
  }

  static int zone_of(double across) {
    const double distance = std::abs(across);
    if (distance <= line_ends + tolerance) return line;
    if (distance < side_begins - tolerance || distance > side_ends + tolerance) return -1;
    return across < 0 ? left : right;
  }
};

// What is needed to score one block of places.
struct Block {
  alignas(64) float sum[zones][shadow_block], count[zones][shadow_block], share[zones][shadow_block];
  alignas(64) float over_left[streak_parts][shadow_block], over_right[streak_parts][shadow_block];
  alignas(64) float parts[shadow_block];
};

using Values = float[zones][shadow_block];

// In whole numbers: a rounded product would leave out a zone that has just enough.
float enough(const Zones& zone, int z) {
  const auto n = static_cast<std::int64_t>(zone.offsets[z].size());
  return static_cast<float>(std::max<std::int64_t>(1, (enough_per_cent * n + 99) / 100));
}

// Whether one is NaN.
bool excess_of_parts(const Zones& zone, const Values& count, const Values& share, Block& block) {
  const auto of_part = FLECK_PICK(part_excess);
  const auto view = [&](int z) { return StreakZone{block.sum[z], count[z], share[z], enough(zone, z)}; };
  std::fill_n(block.parts, shadow_block, 0.0f);
  bool any = false;
  for (int k = 0; k < streak_parts; ++k)
    any |= of_part(view(line + k), view(left + k), view(right + k), block.over_left[k], block.over_right[k],
                   block.parts);
  return any;
}

// Sums that are taken as if all pixels counted turn out NaN where one does not; then what counts is summed up too.
// Whether all pixels count.
bool excess(const Zones& zone, const float* at, Block& block) {
  const auto sum = FLECK_PICK(sum_at);
  const auto size = [&](int z) { return static_cast<std::int64_t>(zone.offsets[z].size()); };
  for (int z = 0; z < zones; ++z) sum(at, zone.offsets[z].data(), size(z), block.sum[z]);
  if (!excess_of_parts(zone, zone.count, zone.share, block)) return true;
  const auto sum_known = FLECK_PICK(sum_known_at);
  for (int z = 0; z < zones; ++z) 
    sum_known(at, zone.offsets[z].data(), size(z), block.sum[z], block.count[z], block.share[z]);
  excess_of_parts(zone, block.count, block.share, block);
  return false;
}

// Interquartile mean of the parts that count, which stand first.
float middle(const float (&sorted)[streak_parts][shadow_block], int parts, std::int64_t x) {
  const int cut = parts / 4;
  float total = 0;
  for (int k = cut; k < parts - cut; ++k) total += sorted[k][x];
  return total / static_cast<float>(parts - 2 * cut);
}

void score(const Zones& zone, const float* at, Block& block, float* out) {
  const bool all = excess(zone, at, block) && zone.every_part;
  const auto sort = FLECK_PICK(sort_sectors);
  sort(block.over_left[0]);
  sort(block.over_right[0]);
  alignas(64) float over_left[shadow_block], over_right[shadow_block];
  const auto mean = FLECK_PICK(mean_of_rows);
  mean(block.over_left[0], streak_parts / 4, streak_parts - streak_parts / 4, over_left);
  mean(block.over_right[0], streak_parts / 4, streak_parts - streak_parts / 4, over_right);
  if (!all)
    for (std::int64_t x = 0; x < shadow_block; ++x) {
      const int parts = static_cast<int>(block.parts[x]);
      const float share = std::sqrt(block.parts[x] / streak_parts);
      const bool enough_parts = parts >= least_parts;  // else the same NaN, of one sign, everywhere
      over_left[x] = enough_parts ? share * middle(block.over_left, parts, x) : nan;
      over_right[x] = enough_parts ? share * middle(block.over_right, parts, x) : nan;
    }
  FLECK_PICK(limited_mean)(over_left, over_right, out);
}

}  // namespace

void streak_search(const Image& lost, const Mask& mask, double length, double angle, View2D<float> out, int threads) {
  const std::int64_t reach = static_cast<std::int64_t>(std::ceil(std::hypot(length / 2, side_ends)));
  const Padded image(lost, mask, reach, threads);
  const Zones zone(length, angle, reach, image.cols);
  parallel_for(lost.rows, threads, [&](std::int64_t y, int) {
    Block block;
    alignas(64) float row[shadow_block];
    for (std::int64_t x = 0; x < lost.cols; x += shadow_block) {
      const std::int64_t n = std::min(shadow_block, lost.cols - x);
      score(zone, image.value.data() + (y + reach) * image.cols + x + reach, block, row);
      for (std::int64_t i = 0; i < n; ++i) out(y, x + i) = row[i];
    }
  });
}

}  // namespace fleck
