#include "isa/combine_stack.hpp"

#include <cfloat>
#include <cmath>
#include <limits>
#include <numbers>

#include "isa/functions.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Values = Lanes<float>;
using Whole = Lanes<std::int32_t>;
constexpr std::int64_t block = stack_block;
constexpr float infinity = std::numeric_limits<float>::infinity();

// The values of a block's pixels, frame by frame; infinite where one is not used.
struct Block {
  const CombineRow& row;
  const std::int64_t x;
  const std::int32_t bits;
  std::int32_t used[block] = {}, below[block] = {};  // frames within the bounds, and below the lower one
  double low[block], high[block];

  Block(const CombineRow& row_, std::int64_t x_, std::int32_t bits_) noexcept : row(row_), x(x_), bits(bits_) {
    for (int i = 0; i < block; ++i) low[i] = -FLT_MAX, high[i] = FLT_MAX;
    for (std::int64_t f = 0; f < row.frames; ++f) {
      const std::int32_t* q = row.quality + f * row.step + x;
      for (int i = 0; i < block; ++i) used[i] += (q[i] & bits) == 0;
    }
  }

  // Calls f(value, frame's index, whether used and within the bounds) for all pixels of every frame.
  template <class Each>
  void each(Each&& visit) const noexcept {
    for (std::int64_t f = 0; f < row.frames; ++f) {
      const float* v = row.value + f * row.step + x;
      const std::int32_t* q = row.quality + f * row.step + x;
      for (int i = 0; i < block; ++i) {
        const double value = v[i];
        visit(i, f, value, (q[i] & bits) == 0 && value >= low[i] && value <= high[i]);
      }
    }
  }

  void sort() const noexcept {
    for (std::int64_t f = 0; f < row.frames; ++f) {
      const float* v = row.value + f * row.step + x;
      const std::int32_t* q = row.quality + f * row.step + x;
      float* to = row.sorted + f * block;
      for (int i = 0; i < block; ++i) to[i] = (q[i] & bits) == 0 ? v[i] : infinity;
    }
    for (std::int64_t k = 0; k < row.swaps; ++k) {
      float* a = row.sorted + row.swap[2 * k] * block;
      float* b = row.sorted + row.swap[2 * k + 1] * block;
      for (int i = 0; i < block; i += lanes<float>) {
        const Values one = load<Values>(a + i), other = load<Values>(b + i);
        store(a + i, one < other ? one : other);
        store(b + i, one < other ? other : one);
      }
    }
  }

  void median(float* out) const noexcept {
    for (int i = 0; i < block; ++i) {
      const std::int32_t n = used[i], half = below[i] + n / 2;
      const float upper = n ? row.sorted[half * block + i] : 0.0f;
      out[i] = n && n % 2 == 0 ? (row.sorted[(half - 1) * block + i] + upper) / 2 : upper;
    }
  }

  void mean(double* out) const noexcept {
    for (int i = 0; i < block; ++i) out[i] = 0;
    each([&](int i, std::int64_t, double value, bool in) { out[i] += in ? value : 0.0; });
    for (int i = 0; i < block; ++i) out[i] /= used[i] ? used[i] : 1;
  }

  // Draws the bounds closer; whether that left anything out.
  bool clip(const RowClipping& clipping) noexcept {
    double centre[block], squares[block] = {}, deviation[block];
    float middle[block];
    mean(centre);
    median(middle);
    each([&](int i, std::int64_t, double value, bool in) {
      const double off = value - centre[i];
      squares[i] += in ? off * off : 0.0;
    });
    for (int i = 0; i < block; ++i) squares[i] /= used[i] ? used[i] : 1;
    roots(squares, deviation);
    for (int i = 0; i < block; ++i) {
      const double lower = middle[i] - clipping.low * deviation[i], upper = middle[i] + clipping.high * deviation[i];
      low[i] = lower > low[i] ? lower : low[i];
      high[i] = upper < high[i] ? upper : high[i];
    }
    std::int32_t left[block] = {}, under[block] = {};
    each([&](int i, std::int64_t, double, bool in) { left[i] += in; });
    for (std::int64_t f = 0; f < row.frames; ++f)
      for (int i = 0; i < block; ++i) under[i] += row.sorted[f * block + i] < low[i];
    bool changed = false;
    for (int i = 0; i < block; ++i) {
      changed |= left[i] != used[i];
      used[i] = left[i], below[i] = under[i];
    }
    return changed;
  }

  static void roots(const double* from, double* to) noexcept {
    for (int i = 0; i < block; i += lanes<double>)
      store(to + i, square_root(load<Lanes<double>>(from + i)));
  }

  void finish(const RowClipping& clipping, const CombinedRow& out) const noexcept {
    double centre[block], variance[block] = {}, error[block];
    std::int32_t kept[block] = {}, all[block] = {};
    if (clipping.median) {
      median(out.data + x);
    } else {
      mean(centre);
      for (int i = 0; i < block; ++i) out.data[x + i] = static_cast<float>(centre[i]);
    }
    for (std::int64_t f = 0; f < row.frames; ++f) {
      const float* v = row.value + f * row.step + x;
      const float* noise = row.variance + f * row.step + x;
      const std::int32_t* q = row.quality + f * row.step + x;
      const float square = row.scale[f] * row.scale[f];
      for (int i = 0; i < block; ++i) {
        const bool in = (q[i] & bits) == 0 && v[i] >= low[i] && v[i] <= high[i];
        variance[i] += in ? static_cast<double>(noise[i] / square) : 0.0;
        kept[i] |= in ? q[i] : 0;
        all[i] |= q[i];
      }
    }
    for (int i = 0; i < block; ++i)
      variance[i] *= clipping.median && used[i] > 2 ? std::numbers::pi / 2 : 1.0;
    roots(variance, error);
    for (int i = 0; i < block; ++i) {
      out.error[x + i] = used[i] ? static_cast<float>(error[i] / used[i]) : 0.0f;
      out.quality[x + i] = (used[i] ? kept[i] : all[i]) & ~blank_bit;
      out.used[x + i] = used[i];
    }
  }
};

}  // namespace

void enter_row(float* value, float* variance, std::int32_t* quality, std::int64_t cols, float zero, float scale,
               bool has_error, float slope, float floor) noexcept {
  for (std::int64_t x = 0; x < cols; ++x) {
    const float d = value[x], e = variance[x];
    const float v = has_error ? e * e : (d > 0 ? d : 0.0f) * slope + floor;
    const bool good = std::abs(d) <= FLT_MAX && (!has_error || std::abs(e) <= FLT_MAX);
    value[x] = good ? (d - zero) / scale : 0.0f;
    variance[x] = good ? v : 0.0f;
    quality[x] |= good ? 0 : blank_bit;
  }
}

void combine_row(const CombineRow& row, std::int32_t bits, const RowClipping& clipping,
                 const CombinedRow& out) noexcept {
  for (std::int64_t x = 0; x < row.cols; x += block) {
    Block pixels(row, x, bits | blank_bit);
    if (clipping.median || clipping.rounds) pixels.sort();
    for (int round = 0; round < clipping.rounds && pixels.clip(clipping);) ++round;
    pixels.finish(clipping, out);
  }
}

void guess_median(const CombineRow& row, std::int32_t bits, float* guess) noexcept {
  for (std::int64_t x = 0; x < row.cols; x += block) {
    const Block pixels(row, x, bits | blank_bit);
    pixels.sort();
    pixels.median(guess + x);
  }
}

void guess_least(const CombineRow& row, std::int32_t bits, bool first_decides, float* guess) noexcept {
  bits |= blank_bit;
  for (std::int64_t x = 0; x < row.cols; ++x) guess[x] = first_decides ? 0.0f : infinity;
  for (std::int64_t f = 0; f < row.frames; ++f) {
    const float* v = row.value + f * row.step;
    const std::int32_t* q = row.quality + f * row.step;
    for (std::int64_t x = 0; x < row.cols; ++x) {
      const float candidate = (q[x] & bits) == 0 ? v[x] : first_decides ? 0.0f : infinity;
      const bool less = first_decides ? f == 0 || v[x] < guess[x] : candidate < guess[x];
      guess[x] = less ? candidate : guess[x];
    }
  }
  for (std::int64_t x = 0; x < row.cols; ++x) guess[x] = guess[x] == infinity ? 0.0f : guess[x];
}

void sky_bins(const float* value, const std::int32_t* quality, std::int64_t cols, float first, float width,
              std::int32_t bins, std::int32_t* bin) noexcept {
  for (std::int64_t x = 0; x < cols; x += lanes<float>) {
    const Values off = load<Values>(value + x) - first, place = width == 1 ? off : off / width;
    const Whole in = (load<Whole>(quality + x) == 0) & (place > -1.0f) & (place < static_cast<float>(bins));
    store(bin + x, in ? __builtin_convertvector(in ? place : Values{}, Whole) : Whole{} + bins);
  }
}

}  // namespace fleck::FLECK_ISA
