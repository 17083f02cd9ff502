#include "isa/smooth_noise.hpp"

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Vector = Lanes<double>;
using Half __attribute__((vector_size(vector_bytes / 2))) = float;
constexpr int width = lanes<double>;
constexpr int group = 8;  // columns whose squares are added apart, in every instruction set

template <class V>
V read(const float* from) noexcept;
template <>
inline double read<double>(const float* from) noexcept {
  return *from;
}
template <>
inline Vector read<Vector>(const float* from) noexcept {
  return __builtin_convertvector(load<Half>(from), Vector);
}
inline void write(float* to, double value) noexcept { *to = static_cast<float>(value); }
inline void write(float* to, Vector value) noexcept { store(to, __builtin_convertvector(value, Half)); }
inline double magnitude(double x) noexcept { return x < 0 ? -x : x; }
inline Vector magnitude(Vector x) noexcept { return x < 0 ? -x : x; }

template <class V>
inline V clip(V x, double limit) noexcept {
  const V high = V{} + limit;
  x = x > high ? high : x;
  return x < -high ? -high : x;
}

class Row {
 public:
  Row(const Rows& observed, const Rows& present, double read_noise, const double* sums, float* out) noexcept
      : observed_(observed), present_(present), noise2_(read_noise * read_noise), step_(read_noise * 0.33),
        sums_(sums), out_(out) {}

  // Steps the pixels from x on; gives what their rest adds.
  template <class V>
  void step(std::int64_t x, bool inside, V& squares, V& count) const noexcept {
    const V now = read<V>(present_.here + x), seen = read<V>(observed_.here + x), d = seen - now;
    V mean{};
    if (inside) mean = (load<V>(sums_ + x - 1) + load<V>(sums_ + x) + load<V>(sums_ + x + 1)) / 9.0;
    const V d2 = d * d, m2 = mean * mean;
    const V change = clip(d, 1) * (d2 / (d2 + 4 * noise2_)) * 0.25 +
                     clip(mean, step_) * (m2 / (m2 + 18 * noise2_)) * 0.25 + pull(present_.before, x, now) +
                     pull(present_.behind, x, now);
    write(out_ + x, now + rounded(change) * 0.75);
    const V then = read<V>(out_ + x), rest = rounded(seen - then);
    const auto counts = (magnitude(seen) > 0.1) | (magnitude(then) > 0.1);
    squares += counts ? rest * rest : V{};
    count += counts ? V{} + 1 : V{};
  }

 private:
  template <class V>
  V pull(const float* row, std::int64_t x, V now) const noexcept {
    if (!row) return V{};
    const V d = read<V>(row + x) - now;
    return clip(d, step_) * (4 * noise2_ / (d * d + 4 * noise2_)) * 0.25;
  }

  static double rounded(double x) noexcept { return static_cast<float>(x); }
  static Vector rounded(Vector x) noexcept {
    return __builtin_convertvector(__builtin_convertvector(x, Half), Vector);
  }

  const Rows observed_, present_;
  const double noise2_, step_;
  const double* const sums_;
  float* const out_;
};

}  // namespace

void smooth_row(const Rows& observed, const Rows& present, double read_noise, std::int64_t cols, double* sums,
                float* out, Rest& rest) noexcept {
  const bool inside = present.before && present.behind && cols > 2;
  if (inside)
    for (std::int64_t x = 0; x < cols; ++x) {
      const auto difference = [&](const float* a, const float* b) {
        return static_cast<double>(a[x]) - static_cast<double>(b[x]);
      };
      sums[x] = difference(observed.before, present.before) + difference(observed.here, present.here) +
                difference(observed.behind, present.behind);
    }
  const Row row(observed, present, read_noise, sums, out);
  Vector squares[group / width] = {}, counts[group / width] = {};
  double square = 0, count = 0;
  row.step(0, false, square, count);
  std::int64_t x = 1;
  for (; x + group < cols; x += group)
    for (int i = 0; i < group / width; ++i) row.step(x + i * width, inside, squares[i], counts[i]);
  for (; x < cols; ++x) row.step(x, inside && x + 1 < cols, square, count);
  for (int i = 0; i < group; ++i) {
    square += squares[i / width][i % width];
    count += counts[i / width][i % width];
  }
  rest = {square, count};
}

}  // namespace fleck::FLECK_ISA
