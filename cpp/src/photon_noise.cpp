#include "fleck/photon_noise.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "threads.hpp"

namespace fleck {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// xoshiro256++ of Blackman and Vigna.
class Random {
 public:
  explicit Random(std::uint64_t key) {
    for (std::uint64_t& word : state_) word = key = mix(key);
  }

  std::uint64_t operator()() {
    auto& [a, b, c, d] = state_;
    const std::uint64_t result = std::rotl(a + d, 23) + a, shifted = b << 17;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= shifted;
    d = std::rotl(d, 45);
    return result;
  }

  double uniform() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

 private:
  std::array<std::uint64_t, 4> state_;
};

// Walker's alias method for the Poisson distribution of one mean: a column is drawn, and it or its alias taken.
class Poisson {
 public:
  explicit Poisson(double mean) {
    const double reach = 9 * std::sqrt(mean) + 24;
    first_ = static_cast<std::int32_t>(std::max(0.0, std::floor(mean - reach)));
    const auto count = static_cast<std::size_t>(std::ceil(mean + reach)) - first_ + 1;
    const std::size_t size = std::bit_ceil(count);
    shift_ = 64 - std::countr_zero(size);
    std::vector<double> chance(size);
    const auto mode = static_cast<std::size_t>(mean) - first_;
    chance[mode] = 1;
    for (std::size_t i = mode + 1; i < count; ++i) chance[i] = chance[i - 1] * mean / static_cast<double>(first_ + i);
    for (std::size_t i = mode; i-- > 0;) chance[i] = chance[i + 1] * static_cast<double>(first_ + i + 1) / mean;
    double sum = 0;
    for (const double c : chance) sum += c;
    for (double& c : chance) c *= static_cast<double>(size) / sum;
    share(chance);
  }

  std::int32_t operator()(Random& random) const {
    const std::uint64_t bits = random();
    const auto column = static_cast<std::uint32_t>(bits >> shift_);
    const Column& chosen = columns_[column];
    return first_ + static_cast<std::int32_t>(static_cast<std::uint32_t>(bits) < chosen.own ? column : chosen.alias);
  }

 private:
  struct Column {
    std::uint32_t own, alias;
  };

  // Vose's way of filling columns: what is above 1 lends to what is below.
  void share(std::vector<double>& chance) {
    columns_.resize(chance.size());
    std::vector<std::uint32_t> small, large;
    for (std::uint32_t i = 0; i < chance.size(); ++i) (chance[i] < 1 ? small : large).push_back(i);
    while (!small.empty() && !large.empty()) {
      const std::uint32_t low = small.back(), high = large.back();
      small.pop_back();
      columns_[low] = {static_cast<std::uint32_t>(chance[low] * 0x1p32), high};
      chance[high] -= 1 - chance[low];
      if (chance[high] < 1) large.pop_back(), small.push_back(high);
    }
    for (const auto& rest : {small, large})
      for (const std::uint32_t i : rest) columns_[i] = {0xffffffff, i};
  }

  std::vector<Column> columns_;
  std::int32_t first_;
  int shift_;
};

// A mean is read as a number of 64ths in digits, and each digit has a table: a sum of Poisson numbers is one.
class PoissonTables {
 public:
  PoissonTables() {
    double unit = 1.0 / units;
    for (Digit& digit : digits_) {
      for (int value = 1; value < 1 << digit.bits; ++value) digit.tables.emplace_back(value * unit);
      unit *= 1 << digit.bits;
    }
  }

  std::int32_t operator()(double mean, Random& random) const {
    const double scaled = mean * units;
    const auto whole = static_cast<std::uint32_t>(scaled);
    std::int32_t number = 0;
    auto left = whole;
    for (const Digit* digit = digits_.data(); left; left >>= digit++->bits)
      if (const std::uint32_t value = left & ((1u << digit->bits) - 1)) number += digit->tables[value - 1](random);
    if (const double rest = scaled - whole; rest > 0)  // of the events of one unit, each is kept with this chance
      for (std::int32_t events = digits_[0].tables[0](random); events > 0; --events) number += random.uniform() < rest;
    return number;
  }

 private:
  struct Digit {
    int bits;
    std::vector<Poisson> tables;  // of 1, 2, 3, ... of the digit
  };

  static constexpr int units = 64;

  std::array<Digit, 6> digits_{{{6, {}}, {8, {}}, {4, {}}, {4, {}}, {3, {}}, {2, {}}}};
};

// Marsaglia and Tsang's ziggurat of 256 layers of equal area.
class Gaussian {
 public:
  Gaussian() {
    double x = tail, height = density(tail);
    edge_[0] = area / height;
    edge_[1] = tail;
    for (int i = 2; i < layers; ++i) {
      height += area / x;
      x = std::sqrt(-2 * std::log(height));
      edge_[i] = x;
    }
    edge_[layers] = 0;
    for (int i = 0; i <= layers; ++i) height_[i] = density(edge_[i]);
  }

  double operator()(Random& random) const {
    for (;;) {
      const std::uint64_t bits = random();
      const auto layer = static_cast<int>(bits & (layers - 1));
      const double sign = signs[bits >> 8 & 1];
      const double x = static_cast<double>(bits >> 11) * 0x1p-53 * edge_[layer];
      if (x < edge_[layer + 1]) return sign * x;
      if (layer == 0) return sign * beyond(random);
      const double low = height_[layer], high = height_[layer + 1];
      if (low + random.uniform() * (high - low) < density(x)) return sign * x;
    }
  }

 private:
  static constexpr int layers = 256;
  static constexpr std::array<double, 2> signs{1, -1};  // looked up: half of all guesses at a branch would be wrong
  static constexpr double tail = 3.6541528853610088, area = 0.00492867323397465524;

  static double density(double x) { return std::exp(-x * x / 2); }

  static double beyond(Random& random) {
    for (;;) {
      const double x = -std::log(1 - random.uniform()) / tail, y = -std::log(1 - random.uniform());
      if (2 * y > x * x) return tail + x;
    }
  }

  std::array<double, layers + 1> edge_, height_;
};

}  // namespace

void photon_noise(const Image& expected, double read_noise, std::span<const std::uint64_t> seed, View2D<float> out,
                  int threads) {
  static const PoissonTables poisson;
  static const Gaussian gaussian;
  std::uint64_t key = seed.size();
  for (const std::uint64_t word : seed) key = mix(key ^ mix(word));
  const int workers = resolve_threads(threads);
  std::vector<std::vector<double>> rows(workers, std::vector<double>(expected.cols));
  parallel_for(expected.rows, workers, [&](std::int64_t r, int worker) {
    double* mean = rows[worker].data();
    load_row(expected, r, 0, expected.cols, mean);
    Random random(mix(key ^ mix(static_cast<std::uint64_t>(r))));
    float* to = out.row(r);
    for (std::int64_t c = 0; c < expected.cols; ++c) {
      const double noise = read_noise > 0 ? read_noise * gaussian(random) : 0.0;
      to[c] = static_cast<float>(poisson(mean[c], random) + noise);
    }
  });
}

}  // namespace fleck
