#include "isa/streak_search.hpp"

#include <limits>

#include "isa/sectors.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Values = Lanes<float>;
constexpr std::int64_t width = lanes<float>;
constexpr int vectors = vector_bytes == 64 ? 4 : 8;  // as many sums as there are registers for
static_assert(shadow_block % (vectors * width) == 0);
constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

// Vectors by name: left to itself the compiler jams two offsets into one scalar loop.
inline void add(const float* sums, const StreakZone& zone, Values (&total)[vectors]) noexcept {
  for (Values& value : total) value = Values{};
  for (std::int64_t k = 0; k < zone.n; ++k) {
    const float* at = sums + zone.sums[k];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) total[v] += load<Values>(at + v * width);
  }
}

// Whether they are in all places.
inline bool are_zero(Values a, Values b) noexcept {
  const Values both = (a == 0.0f) & (b == 0.0f) ? all(1) : Values{};
  return reaches(both, 1.0f) == (1u << width) - 1;
}

// The mean, but no more than twice the lesser, and 0 where they differ in sign.
inline Values limited_mean(Values first, Values second) noexcept {
  const Values lesser = first * first < second * second ? first : second, twice = 2.0f * lesser;
  Values value = 0.5f * (first + second);
  value = value * value < twice * twice ? value : twice;
  return first * second <= 0.0f ? Values{} : value;
}

}  // namespace

void copy_finite(const float* from, std::int64_t n, float* to) noexcept {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] - from[i] == 0.0f ? from[i] : nan;
}

void leave_out(const std::uint8_t* __restrict mask, std::int64_t step, std::int64_t n, float* __restrict to) noexcept {
  if (step == 1)  // so that the compiler sees neighbours
    for (std::int64_t i = 0; i < n; ++i) to[i] = mask[i] ? nan : to[i];
  else
    for (std::int64_t i = 0; i < n; ++i)
      if (mask[i * step]) to[i] = nan;
}

void sum_neighbours(const float* value, std::int64_t n, std::int64_t step, float* __restrict two,
                    float* __restrict three) noexcept {
  for (std::int64_t i = 0; i < n - 2 * step; ++i) {
    const float sum = value[i] + value[i + step];
    two[i] = sum;
    three[i] = sum + value[i + 2 * step];
  }
  for (std::int64_t i = n - 2 * step; i < n - step; ++i) two[i] = value[i] + value[i + step];
}

unsigned part_excess(const float* sums, const StreakPart& part, float* __restrict over_left,
                     float* __restrict over_right) noexcept {
  bool counts = true;
  for (const StreakZone& zone : part.zones) counts = counts && zone.pixels >= zone.enough;
  if (!counts) {
    for (std::int64_t x = 0; x < shadow_block; ++x) over_left[x] = over_right[x] = infinity;
    return 0;
  }
  unsigned wrong = 0;
  for (std::int64_t x = 0; x < shadow_block; x += vectors * width) {
    Values line[vectors], left[vectors], right[vectors];
    add(sums + x, part.zones[0], line);
    add(sums + x, part.zones[1], left);
    add(sums + x, part.zones[2], right);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      const Values loss = line[v] * part.zones[0].share;
      const Values a = loss - left[v] * part.zones[1].share, b = loss - right[v] * part.zones[2].share;
      wrong |= are_zero(a - a, b - b) ? 0 : 1u << (x / width + v);
      store(a, over_left + x + v * width);
      store(b, over_right + x + v * width);
    }
  }
  return wrong;
}

void known_part_excess(const float* values, std::int64_t step, const StreakPart& part, unsigned wanted,
                       float* __restrict over_left, float* __restrict over_right) noexcept {
  for (std::int64_t x = 0; x < shadow_block; x += width) {
    if (!(wanted >> (x / width) & 1)) continue;
    Values mean[3], count[3];
    for (int z = 0; z < 3; ++z) {
      const StreakZone& zone = part.zones[z];
      mean[z] = count[z] = Values{};
      for (std::int64_t k = 0; k < zone.n; ++k) {  // each run by itself, as it was summed up
        Values run{};
        for (std::int64_t i = 0; i < zone.lengths[k]; ++i) {
          const Values value = load<Values>(values + zone.starts[k] + i * step + x);
          const auto counts = value == value;
          run += counts ? value : Values{};
          count[z] += counts ? all(1) : Values{};
        }
        mean[z] += run;
      }
      mean[z] *= all(1) / count[z];
    }
    const Values a = mean[0] - mean[1], b = mean[0] - mean[2];
    const auto known = (count[0] >= part.zones[0].enough) & (count[1] >= part.zones[1].enough) &
                       (count[2] >= part.zones[2].enough) & is_finite(a) & is_finite(b);
    store(known ? a : all(infinity), over_left + x);
    store(known ? b : all(infinity), over_right + x);
  }
}

void score_of_parts(const float* over_left, const float* over_right, const float* shares,
                    float* __restrict score) noexcept {
  for (std::int64_t x = 0; x < shadow_block; x += width) {
    Sectors left, right;
    for (int k = 0; k < sectors; ++k) {
      left[k] = load<Values>(over_left + k * shadow_block + x);
      right[k] = load<Values>(over_right + k * shadow_block + x);
    }
    sort(left);
    sort(right);
    const Counting<4> counting(left, shares);
    const Values limited = limited_mean(counting.mean_of_middle(left), counting.mean_of_middle(right));
    store(counting.or_none(limited), score + x);
  }
}

}  // namespace fleck::FLECK_ISA
