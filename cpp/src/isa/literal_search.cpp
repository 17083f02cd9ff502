#include "isa/literal_search.hpp"

#include <limits>

#include "fleck/literal_search.hpp"
#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();

}  // namespace

template <class T>
void transmission_row(const T* values, const float* level, const std::uint8_t* state, float least, std::int64_t n,
                      float* __restrict out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float through = static_cast<float>(values[i]) / level[i];
    out[i] = values[i] - values[i] == 0 && level[i] > least ? through : nan;
  }
  for (std::int64_t i = 0; state != nullptr && i < n; ++i) out[i] = state[i] != 0 ? nan : out[i];
}

template <class T>
void flag_row(const T* values, const float* level, float least, std::int64_t n,
              std::uint8_t* __restrict state) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint8_t reason = state[i] | (values[i] - values[i] == 0 ? 0 : flagged);
    state[i] = reason == 0 && !(level[i] > least) ? unlit : reason;
  }
}

void loss_row(const float* values, float factor, std::int64_t n, float* __restrict out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) out[i] = factor * (1.0f - values[i]);
}

std::int64_t greatest_of_boxes(const float* values, std::int64_t n, std::int64_t box,
                               float* __restrict greatest) noexcept {
  using Count = decltype(Lanes<float>{} < Lanes<float>{});
  std::int64_t unknown = 0;
  for (std::int64_t first = 0; first < n; first += box, ++greatest) {
    const std::int64_t last = first + box < n ? first + box : n;
    Lanes<float> most = Lanes<float>{} - infinity;
    Count nans = {};
    std::int64_t i = first;
    for (; i + lanes<float> <= last; i += lanes<float>) {
      const auto x = load<Lanes<float>>(values + i);
      most = x > most ? x : most;
      nans -= x != x;
    }
    float all = -infinity;
    for (; i < last; ++i) {
      all = values[i] > all ? values[i] : all;
      unknown += values[i] != values[i];
    }
    for (int k = 0; k < lanes<float>; ++k) {
      all = most[k] > all ? most[k] : all;
      unknown += nans[k];
    }
    *greatest = all;
  }
  return unknown;
}

std::int64_t mark_deviant(const float* loss, const float* noise, float deviation, float least, std::int64_t n,
                          std::uint8_t* __restrict state) noexcept {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float expected = noise[i] < least ? least : noise[i];  // NaN stays, and nothing deviates from it
    const bool deviates = loss[i] < -deviation * expected;
    state[i] |= deviates ? deviant : 0;
    count += deviates;
  }
  return count;
}

std::int64_t keep_above(const float* values, const float* bound, std::int64_t n, std::uint64_t* __restrict words,
                        float* __restrict kept) noexcept {
  constexpr std::int64_t in_word = 64;
  float* end = kept;
  for (std::int64_t first = 0; first < n; first += in_word) {
    const std::int64_t size = n - first < in_word ? n - first : in_word;
    std::uint8_t above[in_word] = {};
    for (std::int64_t i = 0; i < size; ++i) above[i] = values[first + i] > bound[first + i];
    std::uint64_t word = 0;
    for (int k = 0; k < 8; ++k) {  // eight bytes of 0 or 1 to eight bits
      std::uint64_t bytes = 0;
      for (int b = 0; b < 8; ++b) bytes |= static_cast<std::uint64_t>(above[8 * k + b]) << (8 * b);
      word |= (bytes * 0x0102040810204080 >> 56) << (8 * k);
    }
    words[first / in_word] = word;
    for (; word != 0; word &= word - 1) *end++ = values[first + __builtin_ctzll(word)];
  }
  return end - kept;
}

#define FLECK_FOR(T)                                                                                              \
  template void transmission_row(const T*, const float*, const std::uint8_t*, float, std::int64_t, float*) noexcept; \
  template void flag_row(const T*, const float*, float, std::int64_t, std::uint8_t*) noexcept;
FLECK_FOR(float)
FLECK_FOR(double)
#undef FLECK_FOR

}  // namespace fleck::FLECK_ISA
