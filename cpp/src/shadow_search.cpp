#include "fleck/shadow_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "counting.hpp"
#include "isa/shadow_search.hpp"
#include "sectors.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr int rim = 0, beside = shadow_sectors, core = 2 * shadow_sectors, zones = 2 * shadow_sectors + 1;

// Where they begin and end, in radii.
struct Bounds {
  double core_begins, core_ends, rim_begins, rim_ends, beside_begins, beside_ends;
};
constexpr Bounds bounds_of_whole{0.20, 0.45, 0.55, 0.95, 1.05, 1.20};
constexpr Bounds bounds_of_edge{0.0, -1.0, 0.80, 0.97, 1.03, 1.15};  // no core

constexpr std::int64_t least_of_sector = 40, least_of_core = 30;  // per cent of the pixels
constexpr float weight_of_core = 0.3f;
const std::array<float, shadow_sectors + 1> shares = shares_of_sectors(4);

int zone_of(double dy, double dx, double radius, const Bounds& bounds) {
  const double distance = std::hypot(dy, dx) / radius;
  if (distance >= bounds.core_begins && distance <= bounds.core_ends) return core;
  const double turns = std::atan2(dy, dx) / (2 * std::numbers::pi) + 0.5;
  const int sector = static_cast<int>(std::floor(turns * shadow_sectors + 0.5)) % shadow_sectors;
  if (distance >= bounds.rim_begins && distance <= bounds.rim_ends) return rim + sector;
  if (distance >= bounds.beside_begins && distance <= bounds.beside_ends) return beside + sector;
  return -1;
}

// What the places look at, with zeros outside the image, and 1 or 0 for what counts.
struct Padded {
  std::int64_t rows, cols, blocks;
  std::unique_ptr<float[]> value, count;
  std::vector<std::int64_t> missing;  // for each row and block of places: the last row so far where one does not count

  // (top, left) is the first pixel; `places` of them in a row are scored.
  Padded(const Image& image, const Mask& mask, std::int64_t top, std::int64_t left, std::int64_t rows_,
         std::int64_t places, std::int64_t reach, int threads)
      : rows(rows_),
        cols(places + 2 * reach + shadow_block),
        blocks((places + shadow_block - 1) / shadow_block),
        value(std::make_unique_for_overwrite<float[]>(rows * cols)),
        count(std::make_unique_for_overwrite<float[]>(rows * cols)),
        missing(rows * blocks, -1) {
    const std::int64_t width = places + 2 * reach;
    const std::int64_t first = std::clamp<std::int64_t>(left, 0, image.cols);
    const std::int64_t last = std::clamp<std::int64_t>(left + width, first, image.cols);
    parallel_for(rows, threads, [&](std::int64_t row, int) {
      float* v = value.get() + row * cols;
      float* c = count.get() + row * cols;
      std::fill_n(v, cols, 0.0f);
      std::fill_n(c, cols, 0.0f);
      const std::int64_t y = top + row;
      if (y >= 0 && y < image.rows && first < last)
        load_counting(image, mask, y, first, last - first, v + first - left, c + first - left);
      for (std::int64_t x = width - 1, next = width; x >= 0; --x) {
        if (c[x] == 0.0f) next = x;
        if (x % shadow_block == 0 && x < places && next < std::min(x + 2 * reach + shadow_block, width))
          missing[row * blocks + x / shadow_block] = row;
      }
    });
    for (std::int64_t i = blocks; i < rows * blocks; ++i) missing[i] = std::max(missing[i], missing[i - blocks]);
  }

  // Whether all pixels count that a block of places looks at, in the rows from `first` to `last`.
  bool complete(std::int64_t first, std::int64_t last, std::int64_t block) const {
    return missing[last * blocks + block] < first;
  }
};

struct Zones {
  std::vector<std::int32_t> offsets[zones];
  alignas(64) float count[zones][shadow_block];  // of their pixels

  Zones(double radius, const Bounds& bounds, std::int64_t reach, std::int64_t stride) {
    for (std::int64_t dy = -reach; dy <= reach; ++dy)
      for (std::int64_t dx = -reach; dx <= reach; ++dx)
        if (const int zone = zone_of(static_cast<double>(dy), static_cast<double>(dx), radius, bounds); zone >= 0)
          offsets[zone].push_back(static_cast<std::int32_t>(dy * stride + dx));
    for (int z = 0; z < zones; ++z) std::fill_n(count[z], shadow_block, static_cast<float>(offsets[z].size()));
  }
};

// What is needed to score one block of places.
struct Block {
  alignas(64) float sum[zones][shadow_block], count[zones][shadow_block], mean_of_core[shadow_block];
  alignas(64) float excess[shadow_sectors][shadow_block], score[shadow_block];
};

void sum_zones(const Padded& image, const Zones& zone, std::int64_t at, bool complete, Block& block) {
  const auto sum = FLECK_PICK(sum_at);
  for (int z = 0; z < zones; ++z) {
    const std::vector<std::int32_t>& offsets = zone.offsets[z];
    const std::int64_t n = static_cast<std::int64_t>(offsets.size());
    sum(image.value.get() + at, offsets.data(), n, block.sum[z]);
    if (!complete) sum(image.count.get() + at, offsets.data(), n, block.count[z]);
  }
}

// In whole numbers: a rounded product would leave out a zone that has just enough.
float enough(const Zones& zone, int z, std::int64_t per_cent) {
  const auto n = static_cast<std::int64_t>(zone.offsets[z].size());
  return static_cast<float>(std::max<std::int64_t>(1, (per_cent * n + 99) / 100));
}

void excess_of_sectors(const Zones& zone, bool complete, Block& block) {
  const auto of_sector = FLECK_PICK(sector_excess);
  const auto view = [&](int z, std::int64_t per_cent) {
    return ShadowZone{block.sum[z], complete ? zone.count[z] : block.count[z], enough(zone, z, per_cent)};
  };
  FLECK_PICK(mean_of_zone)(view(core, least_of_core), block.mean_of_core);
  for (int k = 0; k < shadow_sectors; ++k)
    of_sector(view(rim + k, least_of_sector), view(beside + k, least_of_sector), view(core, least_of_core),
              block.mean_of_core, weight_of_core, block.excess[k]);
}

}  // namespace

void shadow_search(const Image& lost, const Mask& mask, double radius, ShadowPart part, const ShadowPlaces& places,
                   View2D<float> out, int threads) {
  const Bounds& bounds = part == ShadowPart::edge ? bounds_of_edge : bounds_of_whole;
  const std::int64_t reach = static_cast<std::int64_t>(std::ceil(bounds.beside_ends * radius));
  if (!out.rows || !out.cols) return;
  const std::int64_t height = (out.rows - 1) * places.row_step + 1 + 2 * reach;
  const Padded image(lost, mask, places.row - reach, places.col - reach, height, out.cols, reach, threads);
  const Zones zone(radius, bounds, reach, image.cols);
  parallel_for(out.rows, threads, [&](std::int64_t y, int) {
    Block block;
    const std::int64_t first = y * places.row_step, middle = first + reach, last = middle + reach;
    for (std::int64_t x = 0; x < out.cols; x += shadow_block) {
      const bool complete = image.complete(first, last, x / shadow_block);
      sum_zones(image, zone, middle * image.cols + x + reach, complete, block);
      excess_of_sectors(zone, complete, block);
      FLECK_PICK(score_of_sectors)(block.excess[0], shares.data(), block.score);
      std::copy_n(block.score, std::min(shadow_block, out.cols - x), &out(y, x));
    }
  });
}

}  // namespace fleck
