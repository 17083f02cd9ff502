#include "isa/reject_cosmic_rays.hpp"

#include <bit>

#include "isa/functions.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Values = Lanes<float>;
using Whole = Lanes<std::int32_t>;
using Bytes __attribute__((vector_size(vector_bytes / 4))) = std::uint8_t;
using Words __attribute__((vector_size(vector_bytes))) = std::uint64_t;

// Whether one of a vector's bytes, from there on, has one of the bits.
inline bool has(const std::uint8_t* bytes, std::uint8_t bits) noexcept {
  const Words words = load<Words>(bytes);
  std::uint64_t any = 0;
  for (int i = 0; i < lanes<std::uint64_t>; ++i) any |= words[i];
  return any & 0x0101010101010101 * bits;
}

}  // namespace

// By name: of floats, bits and bytes at once the compiler makes a scalar loop.
void resting_marks(const std::int32_t* quality, std::int64_t cols, std::int32_t bits, bool accidents,
                   std::uint8_t* marks) noexcept {
  constexpr std::int32_t copied = spill | excluded | hit;
  for (std::int64_t x = 0; x < cols; x += lanes<float>) {
    const Whole q = load<Whole>(quality + x), bad = (q & bits) != 0;
    const Whole copy = (q & copied) | (((q & ~copied) != 0) & other_bits);
    const Whole good = accidents ? copy : (q != 0) & other_bits;
    Whole mark = bad ? Whole{} + excluded : good;
    if (accidents) mark = copy == spill ? Whole{} + (spill | wiped) : mark;
    mark = q < 0 ? Whole{} + blank : mark;
    store(marks + x, __builtin_convertvector(mark, Bytes));
  }
}

std::int64_t far_columns(const float* value, const float* variance, const float* guess, std::int64_t cols,
                         const HitTest& test, std::int32_t* columns) noexcept {
  const float time2 = test.time * test.time;
  std::int64_t n = 0;
  for (std::int64_t x = 0; x < cols; x += lanes<float>) {
    const Values g = load<Values>(guess + x), off = load<Values>(value + x) - g, off2 = off * off;
    const Values v = load<Values>(variance + x), level = g * test.time;
    const Values noise = test.scale_noise * (level > 0 ? level : Values{});
    const Values spread = test.sigma2 * (v + noise * noise);
    unsigned some = reaches(off2 * time2 - (spread * 0.999999f - 1e-37f), 0.0f);  // whatever rounding does
    if (some == 0) continue;
    const Whole is_far = off2 > spread / time2;
    for (; some; some &= some - 1)
      if (const int i = std::countr_zero(some); is_far[i]) columns[n++] = static_cast<std::int32_t>(x) + i;
  }
  return n;
}

void average_row(const CombineRow& row, const std::uint8_t* marks, std::uint8_t left_out, float* guess,
                 const StackSums& sums) noexcept {
  for (std::int64_t x = 0; x < row.cols; x += lanes<float>) {
    Values total{}, exposure{}, variance{};
    Whole used{};
    for (std::int64_t f = 0; f < row.frames; ++f) {
      const std::int64_t at = f * row.step + x;
      const auto in = __builtin_convertvector(load<Bytes>(marks + at) & left_out, Whole) == 0;
      const Values time = Values{} + row.scale[f];
      total += in ? load<Values>(row.value + at) * time : Values{};
      exposure += in ? time : Values{};
      if (!sums.variance) continue;
      variance += in ? load<Values>(row.variance + at) : Values{};
      used -= in;
    }
    store(guess + x, exposure > 0 ? total / exposure : load<Values>(guess + x));
    if (!sums.variance) continue;
    store(sums.exposure + x, exposure);
    store(sums.variance + x, variance);
    store(sums.used + x, used);
  }
}

void finish_row(const float* exposure, const float* variance, const float* guess, std::int64_t cols, float total,
                float sky, float* data, float* error) noexcept {
  for (std::int64_t x = 0; x < cols; x += lanes<double>) {
    Lanes<double> squares, share;
    for (int i = 0; i < lanes<double>; ++i) {
      const bool any = exposure[x + i] > 0;
      squares[i] = any ? static_cast<double>(variance[x + i]) : 0.0;
      share[i] = any ? static_cast<double>(total / exposure[x + i]) : 0.0;
      data[x + i] = (any ? guess[x + i] : 0.0f) * total + sky;
    }
    const Lanes<double> root = share * square_root(squares);
    for (int i = 0; i < lanes<double>; ++i) error[x + i] = static_cast<float>(root[i]);
  }
}

std::int64_t add_quality(const std::int32_t* quality, const std::uint8_t* marks, std::int64_t cols, std::int32_t* kept,
                         std::uint8_t* all) noexcept {
  Whole rejected{};
  for (std::int64_t first = 0; first < cols; first += vector_bytes) {
    if (!has(marks + first, mark_alone)) {  // nor has any a quality
      store(all + first, Words{});
      continue;
    }
    for (std::int64_t x = first; x < first + vector_bytes; x += lanes<float>) {
      const Whole mark = __builtin_convertvector(load<Bytes>(marks + x), Whole), alone = mark & mark_alone;
      const Whole out = (alone == hit) | (alone == spill);
      store(kept + x, load<Whole>(kept + x) | ((mark & wiped) == 0 ? load<Whole>(quality + x) : Whole{}));
      store(all + x, load<Bytes>(all + x) & __builtin_convertvector(out, Bytes));
      rejected -= out;
    }
  }
  std::int64_t sum = 0;
  for (int i = 0; i < lanes<float>; ++i) sum += rejected[i];
  return sum;
}

}  // namespace fleck::FLECK_ISA
