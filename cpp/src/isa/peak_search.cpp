#include "isa/peak_search.hpp"

#include <limits>

#include "isa/functions.hpp"
#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
using Singles __attribute__((vector_size(vector_bytes / 2))) = float;  // as many as a vector has doubles

inline Lanes<double> square(const float* from) noexcept {
  const auto x = __builtin_convertvector(load<Singles>(from), Lanes<double>);
  return x * x;
}

}  // namespace

void usable_noise(float least, std::int64_t n, float* noise) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float known = noise[i] != noise[i] ? infinity : noise[i];
    noise[i] = known < least ? least : known;
  }
}

void at_least_error(const float* error, float white, std::int64_t n, float* noise) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float promised = error[i] / white;
    noise[i] = promised > noise[i] ? promised : noise[i];
  }
}

void add_doubt(const float* doubt, std::int64_t n, float* noise) noexcept {
  std::int64_t i = 0;
  for (; i + lanes<double> <= n; i += lanes<double>) {
    const auto both = __builtin_convertvector(square_root(square(noise + i) + square(doubt + i)), Singles);
    __builtin_memcpy(noise + i, &both, sizeof both);
  }
  for (; i < n; ++i) {
    const double a = noise[i], b = doubt[i];
    noise[i] = static_cast<float>(__builtin_sqrt(a * a + b * b));
  }
}

void significance_row(const float* values, std::int64_t n, float* noise) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float significance = values[i] / noise[i];
    noise[i] = significance == infinity || significance == -infinity ? 0.0f : significance;
  }
}

std::int64_t list_reaching(const float* values, float low, std::int64_t n, std::int64_t* __restrict list) noexcept {
  std::int64_t* end = list;
  for (std::int64_t i = 0; i < n; i += lanes<float>) {
    unsigned bits = reaches(load<Lanes<float>>(values + i), low);
    if (i + lanes<float> > n) bits &= (1u << (n - i)) - 1;
    for (; bits; bits &= bits - 1) *end++ = i + __builtin_ctz(bits);
  }
  return end - list;
}

}  // namespace fleck::FLECK_ISA
