#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "fleck/median_filter.hpp"
#include "frames.hpp"

namespace {

constexpr float none = std::numeric_limits<float>::quiet_NaN();

std::vector<float> median(const std::vector<float>& data, std::int64_t rows, std::int64_t cols,
                          fleck::MedianWindow window, fleck::Border border) {
  std::vector<float> out(data.size(), -1.0f);
  fleck::median_filter<float>(image_of(data, rows, cols), {}, {out.data(), rows, cols, cols}, window, border, nullptr,
                              1);
  return out;
}

// -0.0 counts as just below +0.0.
template <class T>
bool before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (a == b && std::signbit(a) && !std::signbit(b));
  return a < b;
}

template <class T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
  return a == b;
}

// A frame, and how it is filtered.
template <class T>
struct Case {
  std::int64_t rows, cols;
  fleck::MedianWindow window;
  fleck::Border border;
  std::vector<T> data;
  std::vector<std::uint8_t> masked;  // empty for no mask
  T beyond;                          // what Border::constant puts there

  fleck::Mask mask() const { return masked.empty() ? fleck::Mask{} : fleck::Mask{masked.data(), rows, cols, cols}; }
};

// The pixel that stands at i of n; -1 for none.
std::int64_t standing_at(std::int64_t i, std::int64_t n, fleck::Border border) {
  if (i >= 0 && i < n) return i;
  switch (border) {
    case fleck::Border::reflect: return i < 0 ? -1 - i : 2 * n - 1 - i;
    case fleck::Border::mirror: return i < 0 ? -i : 2 * n - 2 - i;
    case fleck::Border::nearest: return i < 0 ? 0 : n - 1;
    case fleck::Border::wrap: return (i + n) % n;
    default: return -1;
  }
}

// The median at (r, c), one window at a time.
template <class Out, class T>
Out by_sorting(const Case<T>& frame, std::int64_t r, std::int64_t c) {
  std::vector<T> left;
  const auto add = [&](T value) {
    if (value == value) left.push_back(value);
  };
  for (std::int64_t y = r - frame.window.rows / 2; y <= r + frame.window.rows / 2; ++y)
    for (std::int64_t x = c - frame.window.cols / 2; x <= c + frame.window.cols / 2; ++x) {
      const std::int64_t row = standing_at(y, frame.rows, frame.border);
      const std::int64_t col = standing_at(x, frame.cols, frame.border);
      if (row >= 0 && col >= 0) {
        const std::int64_t i = row * frame.cols + col;
        if (frame.masked.empty() || !frame.masked[i]) add(frame.data[i]);
      } else if (frame.border == fleck::Border::constant) {
        add(frame.beyond);
      }
    }
  if (left.empty()) return std::numeric_limits<Out>::quiet_NaN();
  const auto middle = left.begin() + left.size() / 2;
  std::nth_element(left.begin(), middle, left.end(), before<T>);
  const Out upper = static_cast<Out>(*middle);
  if (left.size() % 2) return upper;
  return (static_cast<Out>(*std::max_element(left.begin(), middle, before<T>)) + upper) / 2;
}

template <class T>
constexpr fleck::DType dtype_of = std::is_same_v<T, float>           ? fleck::DType::f32
                                  : std::is_same_v<T, double>        ? fleck::DType::f64
                                  : std::is_same_v<T, std::uint8_t>  ? fleck::DType::u8
                                  : std::is_same_v<T, std::uint16_t> ? fleck::DType::u16
                                  : std::is_same_v<T, std::int16_t>  ? fleck::DType::i16
                                  : std::is_same_v<T, std::uint32_t> ? fleck::DType::u32
                                  : std::is_same_v<T, std::int32_t>  ? fleck::DType::i32
                                                                     : fleck::DType::i64;

// What the median of an even number of pixels is given in.
template <class T>
using MeanOf =
    std::conditional_t<std::is_floating_point_v<T>, T, std::conditional_t<sizeof(T) <= 2, float, double>>;

// How the pixels of a frame lie in memory.
enum class Layout { rows, swapped, strided, reversed, turned };
constexpr int layouts = 5;

// A frame's pixels, laid out.
template <class T>
class Stored {
 public:
  Stored(const Case<T>& frame, Layout layout) {
    std::int64_t row = frame.cols, col = 1, first = 0;
    if (layout == Layout::strided) row = 3 * frame.cols + 2, col = 3;
    if (layout == Layout::reversed) row = -row, col = -col, first = frame.rows * frame.cols - 1;
    if (layout == Layout::turned) row = 1, col = frame.rows;
    memory_.resize(frame.rows * (3 * frame.cols + 2));
    for (std::int64_t r = 0; r < frame.rows; ++r)
      for (std::int64_t c = 0; c < frame.cols; ++c)
        memory_[first + r * row + c * col] = frame.data[r * frame.cols + c];
    constexpr std::int64_t size = sizeof(T);
    auto* const bytes = reinterpret_cast<std::byte*>(memory_.data());
    if (layout == Layout::swapped)
      for (std::size_t i = 0; i < memory_.size(); ++i) std::reverse(bytes + i * size, bytes + (i + 1) * size);
    image_ = {bytes + first * size, frame.rows, frame.cols, row * size, col * size,
              dtype_of<T>,          layout == Layout::swapped};
  }

  const fleck::Image& image() const { return image_; }

 private:
  std::vector<T> memory_;
  fleck::Image image_;
};

// Counts the outputs that differ from sorting, looking at about one in so many; one more where the threads matter.
template <class Out, class T>
int count_wrong(const Case<T>& frame, Layout layout, std::int64_t one_in) {
  const Stored<T> stored(frame, layout);
  const auto filter = [&](int threads) {
    std::vector<Out> out(frame.data.size());
    fleck::median_filter<Out>(stored.image(), frame.mask(), {out.data(), frame.rows, frame.cols, frame.cols},
                              frame.window, frame.border, reinterpret_cast<const std::byte*>(&frame.beyond), threads);
    return out;
  };
  const std::vector<Out> found = filter(1), threaded = filter(3);
  int wrong = std::memcmp(found.data(), threaded.data(), found.size() * sizeof(Out)) != 0;
  std::mt19937 random(1);
  for (std::int64_t i = 0; i < std::ssize(found); i += 1 + random() % (2 * one_in - 1))
    wrong += !same(found[i], by_sorting<Out>(frame, i / frame.cols, i % frame.cols));
  return wrong;
}

// Where minimum and maximum, trimmed ranks and keys could go wrong.
enum class Content {
  noise, ramp, constant, largest, two_values, sorted_columns, zeros, extremes, few_extremes, any_bits, tiny
};
constexpr int contents = 11;

template <class T>
T extreme(std::mt19937& random) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>)
    return std::array{Limits::infinity(), -Limits::infinity(), Limits::max(), Limits::lowest()}[random() % 4];
  else
    return static_cast<T>(random() % 2 ? Limits::max() - static_cast<T>(random() % 3)
                                       : Limits::min() + static_cast<T>(random() % 3));
}

template <class T>
T pixel(Content content, std::int64_t r, std::int64_t c, std::mt19937& random) {
  using Limits = std::numeric_limits<T>;
  switch (content) {
    case Content::noise: return static_cast<T>(100 + random() % 100);
    case Content::ramp: return static_cast<T>(3 * r + c);
    case Content::constant: return T(7);
    case Content::largest: return Limits::has_infinity ? Limits::infinity() : Limits::max();
    case Content::two_values: return static_cast<T>(random() % 2);
    case Content::sorted_columns: return static_cast<T>(4 * r + random() % 4);
    case Content::zeros: return static_cast<T>(random() % 2 ? T(0) : static_cast<T>(-T(0)));
    case Content::extremes: return extreme<T>(random);
    case Content::few_extremes: return random() % 200 ? static_cast<T>(random() % 100) : extreme<T>(random);
    case Content::any_bits: {
      const std::uint64_t bits = std::uint64_t(random()) << 32 | random();
      T value;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
    case Content::tiny: break;
  }
  const T small = static_cast<T>(Limits::denorm_min() * static_cast<T>(random() % 5));
  return random() % 2 ? small : static_cast<T>(-small);
}

}  // namespace

TEST_CASE("three pixels, every border") {
  const std::vector<float> data{5, 1, 3};
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::reflect) == std::vector<float>{5, 3, 3});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::nearest) == std::vector<float>{5, 3, 3});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::mirror) == std::vector<float>{1, 3, 1});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::wrap) == std::vector<float>{3, 3, 3});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::constant) == std::vector<float>{1, 3, 1});
  CHECK(median(data, 1, 3, {1, 3}, fleck::Border::shrink) == std::vector<float>{3, 3, 2});
}

TEST_CASE("nothing left is NaN") {
  const auto found = median({none, none, 4}, 1, 3, {1, 1}, fleck::Border::reflect);
  CHECK(std::isnan(found[0]));
  CHECK(std::isnan(found[1]));
  CHECK(found[2] == 4.0f);
}

TEST_CASE("frames of all kinds equal sorting, on any number of threads") {
  const std::int64_t rows = 75, cols = 141;
  std::mt19937 random(1);
  std::vector<std::uint8_t> masked(rows * cols);
  for (auto& m : masked) m = random() % 5 == 0;
  for (int kind = 0; kind < 5; ++kind) {
    std::vector<float> data(rows * cols);
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const float noise = static_cast<float>(random() % 100000) / 1000;
      data[i] = kind == 0   ? noise
                : kind == 1 ? 7.0f
                : kind == 2 ? std::floor(noise / 50)
                : kind == 3 ? static_cast<float>(i % cols) * 1000 + static_cast<float>(i / cols)
                            : (random() % 2 ? none : noise * noise * noise);
    }
    for (const fleck::MedianWindow window :
         {fleck::MedianWindow{3, 3}, {1, 9}, {31, 15}, {63, 1}, {1, 31}, {1, 127}, {75, 141}}) {
      const Case<float> frame{rows, cols, window, fleck::Border::shrink, data, masked, 0};
      const int wrong = count_wrong<float>(frame, Layout::rows, window.cols > 127 ? 97 : 1);
      CHECK_MESSAGE(wrong == 0, "kind ", kind, " window ", window.rows, " x ", window.cols);
    }
  }
}

// Which pixels are left out: none, few, some, most, every second one, columns of two, a block, all.
constexpr int left_out_kinds = 8;

bool is_left_out(int kind, std::int64_t row, std::int64_t col, std::mt19937& random) {
  switch (kind) {
    case 1: return random() % 500 == 0;
    case 2: return random() % 8 == 0;
    case 3: return random() % 3 != 0;
    case 4: return (row + col) % 2 == 0;
    case 5: return col % 11 < 2;
    case 6: return row > 5 && row < 40 && col > 5 && col < 60;
    default: return kind == 7;
  }
}

TEST_CASE_TEMPLATE("small windows equal sorting, whatever the pixels and however they lie", T, float, double,
                   std::uint8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, std::int64_t) {
  std::vector<fleck::MedianWindow> windows{{1, 5}, {9, 1}, {3, 7}, {15, 5}, {5, 21}};
  for (std::int64_t length = 15; length <= 255; length += length + 1)
    for (const auto& line : {fleck::MedianWindow{1, length}, {length, 1}}) windows.push_back(line);
  for (std::int64_t side = 3; side <= 21; side += 2) windows.push_back({side, side});
  std::mt19937 random(1);
  const auto one_of = [&](int n) { return static_cast<int>(random() % n); };
  for (const fleck::MedianWindow window : windows)
    for (int kind = 0; kind < contents; ++kind) {
      // As small as the window, less than a block of lanes, more than one, and more than one band of rows.
      constexpr std::int64_t sizes[][2] = {{1, 1}, {23, 29}, {25, 269}, {133, 31}};
      const auto& size = sizes[one_of(4)];
      Case<T> frame{std::max(window.rows, size[0]), std::max(window.cols, size[1]), window,
                    static_cast<fleck::Border>(one_of(6)), {}, {}, {}};
      const Content content = static_cast<Content>(kind);
      for (std::int64_t r = 0; r < frame.rows; ++r)
        for (std::int64_t c = 0; c < frame.cols; ++c) frame.data.push_back(pixel<T>(content, r, c, random));
      frame.beyond = pixel<T>(content, 0, 0, random);
      const int left_out = one_of(left_out_kinds);
      const bool by_mask = !std::is_floating_point_v<T> || one_of(2);
      if (by_mask && left_out) frame.masked.resize(frame.data.size());
      for (std::int64_t i = 0; left_out && i < frame.rows * frame.cols; ++i) {
        if (!is_left_out(left_out, i / frame.cols, i % frame.cols, random)) continue;
        if (by_mask)
          frame.masked[i] = 1;
        else
          frame.data[i] = std::numeric_limits<T>::quiet_NaN();
      }
      const Layout layout = static_cast<Layout>(one_of(layouts));
      const std::int64_t one_in = 1 + window.rows * window.cols / 16;
      const int wrong = fleck::may_exclude(frame.mask(), frame.border) ? count_wrong<MeanOf<T>>(frame, layout, one_in)
                                                                        : count_wrong<T>(frame, layout, one_in);
      CHECK_MESSAGE(wrong == 0, "window ", window.rows, " x ", window.cols, " content ", kind, " frame ", frame.rows,
                    " x ", frame.cols, " border ", static_cast<int>(frame.border), " layout ",
                    static_cast<int>(layout), " left out ", left_out);
    }
}

TEST_CASE_TEMPLATE("3 x 3: a pixel that minimum and maximum would lose is found wherever it is", T, float, double) {
  using Limits = std::numeric_limits<T>;
  const T odd_ones[] = {Limits::quiet_NaN(), -Limits::quiet_NaN(), Limits::signaling_NaN(), T(-0.0),
                        -Limits::infinity(), Limits::infinity(),   Limits::denorm_min()};
  std::mt19937 random(2);
  constexpr std::int64_t rows = 135, cols = 300;  // more than a band of rows; most of them are filtered in place
  for (const std::int64_t at : {0, 1, 17, 299, 300 * 60 + 150, 300 * 127 + 20, 300 * 128 + 200, 300 * 134 + 299})
    for (const T odd : odd_ones)
      for (const fleck::Border border : {fleck::Border::reflect, fleck::Border::wrap, fleck::Border::constant}) {
        Case<T> frame{rows, cols, {3, 3}, border, {}, {}, T(1)};
        for (std::int64_t i = 0; i < rows * cols; ++i)
          frame.data.push_back(static_cast<T>(static_cast<int>(random() % 3) - 1) + T(0));  // many zeros, none negative
        frame.data[at] = odd;
        CHECK_MESSAGE(count_wrong<T>(frame, Layout::rows, 1) == 0, odd, " at ", at, " border ",
                      static_cast<int>(border));
      }
}

TEST_CASE_TEMPLATE("3 x 3: an odd number of rows, of any length", T, float, std::int16_t, std::uint8_t) {
  std::mt19937 random(3);
  for (const std::int64_t cols : {3, 17, 64, 81, 82, 96, 97, 145, 1025, 5000})
    for (const std::int64_t rows : {3, 129}) {
      Case<T> frame{rows, cols, {3, 3}, fleck::Border::reflect, {}, {}, T(0)};
      for (std::int64_t i = 0; i < rows * cols; ++i) frame.data.push_back(static_cast<T>(random() % 100));
      CHECK_MESSAGE(count_wrong<T>(frame, Layout::rows, 1 + rows / 32) == 0, rows, " x ", cols);
    }
}

TEST_CASE("the upper of two middle pixels may be the largest of its type") {
  const std::int32_t largest = std::numeric_limits<std::int32_t>::max();
  const Case<std::int32_t> frame{1, 4, {1, 3}, fleck::Border::shrink, {1, largest, largest, 2}, {}, 0};
  CHECK(count_wrong<double>(frame, Layout::rows, 1) == 0);
}

TEST_CASE("64-bit integers, all bits, in place of nothing") {
  std::vector<std::uint64_t> data{~0ull, ~0ull - 1, ~0ull - 2, 0, ~0ull};
  const fleck::Image image{reinterpret_cast<const std::byte*>(data.data()), 1, 5, 40, 8, fleck::DType::u64, false};
  std::vector<std::uint64_t> out(5);
  fleck::median_filter<std::uint64_t>(image, {}, {out.data(), 1, 5, 5}, {1, 3}, fleck::Border::reflect, nullptr, 1);
  CHECK(out == std::vector<std::uint64_t>{~0ull, ~0ull - 1, ~0ull - 2, ~0ull - 2, ~0ull});
}

TEST_CASE("a window that does not fit, or an output of the wrong type, is refused") {
  const std::vector<float> data(6);
  CHECK_THROWS_AS(median(data, 2, 3, {2, 3}, fleck::Border::reflect), std::invalid_argument);
  CHECK_THROWS_AS(median(data, 2, 3, {3, 3}, fleck::Border::reflect), std::invalid_argument);
  CHECK_THROWS_AS(median(data, 2, 3, {1, -1}, fleck::Border::reflect), std::invalid_argument);
  std::vector<double> out(6);
  CHECK_THROWS_AS(fleck::median_filter<double>(image_of(data, 2, 3), {}, {out.data(), 2, 3, 3}, {1, 3},
                                               fleck::Border::reflect, nullptr, 1),
                  std::invalid_argument);
}

#if defined(__SSE__)
TEST_CASE("subnormal numbers count where the caller's processor takes them for zero") {
  const unsigned saved = _mm_getcsr();
  std::vector<std::uint32_t> bits(40 * 70);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint32_t>(1 + i * 7919 % 8000000);
  std::vector<float> data(bits.size());
  std::memcpy(data.data(), bits.data(), bits.size() * sizeof(float));
  const auto right = median(data, 40, 70, {5, 5}, fleck::Border::nearest);
  _mm_setcsr(saved | 0x8040u);  // DAZ and FTZ
  const auto found = median(data, 40, 70, {5, 5}, fleck::Border::nearest);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(saved);
  CHECK((after & 0x8040u) == 0x8040u);
  CHECK(std::memcmp(found.data(), right.data(), found.size() * sizeof(float)) == 0);
  std::vector<std::uint32_t> window;
  for (int y = 10; y < 15; ++y)
    for (int x = 20; x < 25; ++x) window.push_back(bits[y * 70 + x]);
  std::sort(window.begin(), window.end());
  std::uint32_t middle;
  std::memcpy(&middle, &right[12 * 70 + 22], sizeof middle);
  CHECK(middle == window[12]);
}
#endif
