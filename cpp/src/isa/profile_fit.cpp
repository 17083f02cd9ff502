#include "isa/profile_fit.hpp"

#include "isa/functions.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Vector = Lanes<double>;
constexpr int width = lanes<double>, parts = profile_block / width;

inline double exponential_of(double x) noexcept { return exponential(Vector{} + x)[0]; }

// 1 + q / (k (k + step)) (1 + q / ((k + 2) (k + 2 + step)) (1 + ...)), exact for q up to 18: no term is negative.
inline double series(double q, int k, int step) noexcept {
  double sum = 1;
  for (int i = k + 36; i >= k; i -= 2) sum = 1 + q / (i * (i + step)) * sum;
  return sum;
}

// Of an edge's exp(-t): products of what is farther from it would be subnormal, and slow.
constexpr double nearest = 0x1p-144, farthest = 0x1p+144;

// What the values of a feature mean.
struct Shape {
  double x, y, cos, sin, sinh, sinh_slope;  // sinh(t) / t, and its derivative by t, over t
  double along, across, turned;             // r^2 = along dx^2 + across dy^2 - 2 turned dx dy
  double radius, inner, empty, depth, softness, sharp;
  double over_softness, to_inner;  // exp(-t) of the inner edge over that of the outer one

  Shape(const double* value, double blur) noexcept
      : x(value[0]), y(value[1]), cos(value[3]), sin(value[4]), empty(1 - value[8]), depth(value[6]) {
    const double q = cos * cos + sin * sin, cosh = series(q, 1, 1);
    sinh = series(q, 2, 1);
    sinh_slope = series(q, 2, 3) / 3;
    along = cosh - sinh * cos;
    across = cosh + sinh * cos;
    turned = sinh * sin;
    radius = exponential_of(value[2]);
    inner = value[7] * radius;
    sharp = exponential_of(value[5]);
    softness = __builtin_sqrt(sharp * sharp + blur);
    sharp = sharp / softness;
    over_softness = 1 / softness;
    const double apart = (radius - inner) * over_softness;
    to_inner = exponential_of(apart < 600 ? apart : 600);
  }

  Vector distance(Vector xx, Vector yy, Vector xy) const noexcept {
    const Vector r2 = along * xx + across * yy - (2 * turned) * xy, least = Vector{} + 1e-9;
    return square_root(r2 > least ? r2 : least);
  }

  // exp(-t) of the outer edge, t = (radius - r) / softness; no less than exp(-600), for the sake of the inner edge.
  Vector fall(Vector r) const noexcept {
    const Vector t = (r - radius) * over_softness, least = Vector{} - 600.0, most = Vector{} + 100.0;
    const Vector from = t > least ? t : least;
    return exponential(from < most ? from : most);
  }
};

inline Vector limited(Vector fall) noexcept {
  const Vector least = Vector{} + nearest, most = Vector{} + farthest, from = fall > least ? fall : least;
  return from < most ? from : most;
}

template <bool holed>
void loss_of(const ProfileFeature& feature, double* __restrict loss) noexcept {
  const Shape shape(feature.value, feature.blur);
  const ProfileNodes& nodes = *feature.nodes;
  for (std::int64_t b = 0; b < feature.blocks.n; ++b)
    for (int part = 0; part < parts; ++part) {
      const std::int64_t at = feature.blocks.index[b] * profile_block + part * width;
      const Vector x = load<Vector>(feature.x + at) - shape.x, y = load<Vector>(feature.y + at) - shape.y;
      Vector sum{};
      for (int k = 0; k < nodes.n; ++k) {
        const Vector dx = x + nodes.dx[k], dy = y + nodes.dy[k];
        const Vector fall = shape.fall(shape.distance(dx * dx, dy * dy, dx * dy));
        if constexpr (holed) {
          const Vector outer = 1 + fall, inner = 1 + limited(fall * shape.to_inner);
          sum += nodes.weight[k] * ((inner - shape.empty * outer) / (outer * inner));
        } else {
          sum += nodes.weight[k] / (1 + fall);
        }
      }
      store(loss + at, shape.depth * sum * load<Vector>(feature.near + at));
    }
}

template <bool holed>
void derivatives_of(const ProfileFeature& feature, double* __restrict rows, std::int64_t stride) noexcept {
  const Shape shape(feature.value, feature.blur);
  const ProfileNodes& nodes = *feature.nodes;
  const double over = shape.over_softness, hole = feature.value[7];
  for (std::int64_t b = 0; b < feature.blocks.n; ++b)
    for (int part = 0; part < parts; ++part) {
      const std::int64_t at = feature.blocks.index[b] * profile_block + part * width;
      const Vector x = load<Vector>(feature.x + at) - shape.x, y = load<Vector>(feature.y + at) - shape.y;
      Vector heights{}, by_radius{}, by_softness{}, by_inner{}, cores{};
      Vector to_x{}, to_y{}, to_xx{}, to_yy{}, to_xy{};  // the slope over r, times dx, ...
      for (int k = 0; k < nodes.n; ++k) {
        const Vector dx = x + nodes.dx[k], dy = y + nodes.dy[k], xx = dx * dx, yy = dy * dy, xy = dx * dy;
        const Vector r = shape.distance(xx, yy, xy);
        const Vector fall = shape.fall(r), out = limited(fall), one = 1 + out;
        Vector height, slope, over_r;
        if constexpr (holed) {
          const Vector in = limited(fall * shape.to_inner), two = 1 + in, all = 1 / (one * two * r);
          const Vector outer = all * two * r, core = all * one * r, core_slope = in * core * core * over;
          over_r = all * one * two;
          slope = out * outer * outer * over;
          by_radius += nodes.weight[k] * (slope - (shape.empty * hole) * core_slope);
          by_softness +=
              nodes.weight[k] * ((r - shape.radius) * slope - shape.empty * (r - shape.inner) * core_slope);
          by_inner += nodes.weight[k] * core_slope;
          cores += nodes.weight[k] * core;
          height = outer - shape.empty * core;
          slope -= shape.empty * core_slope;
        } else {
          const Vector all = 1 / (one * r);
          over_r = all * one;
          height = all * r;
          slope = out * height * height * over;
          by_radius += nodes.weight[k] * slope;
          by_softness += nodes.weight[k] * ((r - shape.radius) * slope);
        }
        heights += nodes.weight[k] * height;
        const Vector pull = nodes.weight[k] * (slope * over_r);
        to_x += pull * dx;
        to_y += pull * dy;
        to_xx += pull * xx;
        to_yy += pull * yy;
        to_xy += pull * xy;
      }
      const Vector near = -load<Vector>(feature.near + at), depth = shape.depth * near, half = -0.5 * depth;
      const Vector apart = to_xx - to_yy, cross = 2 * to_xy;
      const Vector common =
          shape.sinh * (to_xx + to_yy) - shape.sinh_slope * (shape.cos * apart + shape.sin * cross);
      double* to = rows + at;
      store(to, depth * (shape.along * to_x - shape.turned * to_y));
      store(to + stride, depth * (shape.across * to_y - shape.turned * to_x));
      store(to + 2 * stride, depth * shape.radius * by_radius);
      store(to + 3 * stride, half * (shape.cos * common - shape.sinh * apart));
      store(to + 4 * stride, half * (shape.sin * common - shape.sinh * cross));
      store(to + 5 * stride, depth * (shape.sharp * shape.sharp) * by_softness);
      store(to + 6 * stride, heights * near);
      if constexpr (holed) {
        store(to + 7 * stride, -depth * (shape.empty * shape.radius) * by_inner);
        store(to + 8 * stride, depth * cores);
      }
    }
}

template <int rows_at_once>
void sums_of(const double* a, const double* b, const double* rows, std::int64_t stride, const ProfileBlocks& blocks,
             double* __restrict sums) noexcept {
  Vector sum[rows_at_once][parts];
  __builtin_memcpy(sum, sums, sizeof sum);
  for (std::int64_t block = 0; block < blocks.n; ++block) {
    const std::int64_t at = blocks.index[block] * profile_block;
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part) {
      const Vector value = load<Vector>(a + at + part * width) * load<Vector>(b + at + part * width);
#pragma GCC unroll 4
      for (int i = 0; i < rows_at_once; ++i)
        sum[i][part] += value * load<Vector>(rows + i * stride + at + part * width);
    }
  }
  __builtin_memcpy(sums, sum, sizeof sum);
}

}  // namespace

void profile_loss(const ProfileFeature& feature, double* __restrict loss) noexcept {
  feature.holed ? loss_of<true>(feature, loss) : loss_of<false>(feature, loss);
}

void profile_derivatives(const ProfileFeature& feature, double* __restrict rows, std::int64_t stride) noexcept {
  feature.holed ? derivatives_of<true>(feature, rows, stride) : derivatives_of<false>(feature, rows, stride);
}

void profile_light(const ProfilePixels& pixels, const double* level, const double* const* losses, int features,
                   int without, double* __restrict light) noexcept {
  for (std::int64_t at = 0; at < pixels.n; at += width) {
    Vector value = (1 + level[0]) + level[1] * load<Vector>(pixels.right + at);
    value += level[2] * load<Vector>(pixels.down + at);
    for (int i = 0; i < features; ++i)
      if (i != without) value *= 1 - load<Vector>(losses[i] + at);
    store(light + at, value);
  }
}

void profile_residual(const ProfilePixels& pixels, const double* light, double* __restrict residual) noexcept {
  for (std::int64_t at = 0; at < pixels.n; at += width)
    store(residual + at, (load<Vector>(pixels.transmission + at) - load<Vector>(light + at)) *
                             load<Vector>(pixels.sharpness + at));
}

double profile_cost(const double* residual, std::int64_t n, double spread) noexcept {
  const double over = 1 / spread;
  Vector sum[parts] = {};
  for (std::int64_t at = 0; at < n; at += profile_block)
    for (int part = 0; part < parts; ++part) {
      const Vector scaled = load<Vector>(residual + at + part * width) * over;
      sum[part] += square_root(1 + scaled * scaled) - 1;
    }
  double part[profile_block];
  __builtin_memcpy(part, sum, sizeof part);
  return profile_total(part);
}

void profile_weight(const double* residual, std::int64_t n, double spread, double* __restrict weight) noexcept {
  const double over = 1 / spread;
  for (std::int64_t at = 0; at < n; at += width) {
    const Vector scaled = load<Vector>(residual + at) * over;
    store(weight + at, 1 / square_root(1 + scaled * scaled));
  }
}

void profile_product(const double* a, const double* b, std::int64_t n, double* __restrict product) noexcept {
  for (std::int64_t at = 0; at < n; at += width) store(product + at, load<Vector>(a + at) * load<Vector>(b + at));
}

void profile_sums(const double* a, const double* b, const double* rows, std::int64_t n, std::int64_t stride,
                  const ProfileBlocks& blocks, double* __restrict sums) noexcept {
  for (; n >= 4; n -= 4, rows += 4 * stride, sums += 4 * profile_block)
    sums_of<4>(a, b, rows, stride, blocks, sums);
  if (n == 3) sums_of<3>(a, b, rows, stride, blocks, sums);
  if (n == 2) sums_of<2>(a, b, rows, stride, blocks, sums);
  if (n == 1) sums_of<1>(a, b, rows, stride, blocks, sums);
}

}  // namespace fleck::FLECK_ISA
