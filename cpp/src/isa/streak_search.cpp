#include "isa/streak_search.hpp"

#include <limits>

#include "isa/vector.hpp"

namespace fleck::FLECK_ISA {

namespace {

constexpr int lanes = vector_bytes / sizeof(float);
using Lanes = float __attribute__((vector_size(lanes * sizeof(float))));

inline void load(const float* from, Lanes& value) noexcept { __builtin_memcpy(&value, from, sizeof value); }

}  // namespace

void sum_known_at(const float* origin, const std::int32_t* offsets, std::int64_t n, float* __restrict sum,
                  float* __restrict count, float* __restrict share) noexcept {
  const Lanes one = Lanes{} + 1.0f;
  for (std::int64_t x = 0; x < shadow_block; x += lanes) {
    Lanes total{}, known{};
    for (std::int64_t k = 0; k < n; ++k) {
      Lanes value;
      load(origin + offsets[k] + x, value);
      const auto counts = value == value;
      total += counts ? value : Lanes{};
      known += counts ? one : Lanes{};
    }
    __builtin_memcpy(sum + x, &total, sizeof total);
    __builtin_memcpy(count + x, &known, sizeof known);
    known = one / known;
    __builtin_memcpy(share + x, &known, sizeof known);
  }
}

bool part_excess(const StreakZone& line, const StreakZone& left, const StreakZone& right, float* __restrict over_left,
                 float* __restrict over_right, float* __restrict parts) noexcept {
  const Lanes none = Lanes{} + std::numeric_limits<float>::infinity(), one = Lanes{} + 1.0f;
  Lanes wrong{};
  for (std::int64_t x = 0; x < shadow_block; x += lanes) {
    Lanes line_sum, line_count, line_share, left_sum, left_count, left_share, right_sum, right_count, right_share;
    Lanes known;
    load(line.sum + x, line_sum);
    load(line.count + x, line_count);
    load(line.share + x, line_share);
    load(left.sum + x, left_sum);
    load(left.count + x, left_count);
    load(left.share + x, left_share);
    load(right.sum + x, right_sum);
    load(right.count + x, right_count);
    load(right.share + x, right_share);
    load(parts + x, known);
    const Lanes loss = line_sum * line_share;
    Lanes a = loss - left_sum * left_share, b = loss - right_sum * right_share;
    const auto counts =
        (line_count >= line.enough) & (left_count >= left.enough) & (right_count >= right.enough);
    a = counts ? a : none;
    b = counts ? b : none;
    known += counts ? one : Lanes{};
    wrong += (a == a) & (b == b) ? Lanes{} : one;
    __builtin_memcpy(over_left + x, &a, sizeof a);
    __builtin_memcpy(over_right + x, &b, sizeof b);
    __builtin_memcpy(parts + x, &known, sizeof known);
  }
  float any = 0;
  for (int i = 0; i < lanes; ++i) any += wrong[i];
  return any > 0;
}

void limited_mean(const float* a, const float* b, float* __restrict mean) noexcept {
  for (std::int64_t x = 0; x < shadow_block; x += lanes) {
    Lanes first, second;
    load(a + x, first);
    load(b + x, second);
    const Lanes lesser = first * first < second * second ? first : second, twice = 2.0f * lesser;
    Lanes value = 0.5f * (first + second);
    value = value * value < twice * twice ? value : twice;
    value = first * second <= 0.0f ? Lanes{} : value;
    __builtin_memcpy(mean + x, &value, sizeof value);
  }
}

}  // namespace fleck::FLECK_ISA
