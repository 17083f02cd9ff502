#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdio>
#include <limits>
#include <vector>

#include "fleck/combine_stack.hpp"
#include "frames.hpp"

namespace {

constexpr std::int64_t rows = 37, cols = 53, pixels = rows * cols;

// Frames of noise about 100 with tracks in some of them.
struct Frames {
  std::vector<std::vector<float>> data, error;
  std::vector<std::vector<std::int16_t>> quality;
  std::vector<fleck::StackFrame> stack;

  explicit Frames(int count) {
    const std::vector<float> random = noise(count * pixels * 2);
    for (int n = 0; n < count; ++n) {
      data.emplace_back(pixels), error.emplace_back(pixels), quality.emplace_back(pixels);
      for (std::int64_t i = 0; i < pixels; ++i) {
        const float value = random[n * pixels + i], other = random[(count + n) * pixels + i];
        data[n][i] = 95 + 10 * value + (other < 0.05f ? 500 * value : 0);
        error[n][i] = 3;
        quality[n][i] = static_cast<std::int16_t>(other > 0.97f ? 1 << static_cast<int>(value * 14) : 0);
      }
    }
    data[0][7] = std::numeric_limits<float>::quiet_NaN();
    for (int n = 0; n < count; ++n)
      stack.push_back({image_of(data[n], rows, cols), image_of(error[n], rows, cols),
                       {reinterpret_cast<const std::byte*>(quality[n].data()), rows, cols, cols * 2, 2, fleck::DType::i16},
                       0, 10});
  }
};

struct Out {
  std::vector<float> data = std::vector<float>(pixels), error = data;
  std::vector<std::int32_t> quality = std::vector<std::int32_t>(pixels), used = quality;

  fleck::StackResult view() {
    return {{data.data(), rows, cols, cols}, {error.data(), rows, cols, cols}, {quality.data(), rows, cols, cols},
            {used.data(), rows, cols, cols}};
  }
};

bool same(const Out& a, const Out& b) {
  return same_bytes(a.data, b.data) && same_bytes(a.error, b.error) && same_bytes(a.quality, b.quality) &&
         same_bytes(a.used, b.used);
}

}  // namespace

TEST_CASE("the number of threads changes nothing") {
  Frames frames(7);
  for (const bool accidents : {true, false}) {
    fleck::CosmicRays rules{.sigmas = {6, 4}, .bits = 39, .accidents = accidents};
    Out one, three;
    std::vector<std::uint8_t> marks(7 * pixels), others = marks;
    const auto counts = fleck::reject_cosmic_rays(frames.stack, rules, one.view(), marks.data(), 1, {});
    CHECK(counts == fleck::reject_cosmic_rays(frames.stack, rules, three.view(), others.data(), 3, {}));
    CHECK(same(one, three));
    CHECK(same_bytes(marks, others));
    CHECK(counts[0] > 0);
  }
  for (const auto method :
       {fleck::StackMethod::mean, fleck::StackMethod::median, fleck::StackMethod::clipped_mean}) {
    Out one, three;
    fleck::combine_stack(frames.stack, method, 5, {}, one.view(), 1, {});
    fleck::combine_stack(frames.stack, method, 5, {}, three.view(), 3, {});
    CHECK(same(one, three));
  }
}

// Down a bad column that is bright in one frame: a cosmic ray above it wipes the first mark, what is tested then wipes
// the next, and so on through all bands.
TEST_CASE("what a band has to know of the rows before it may come from far away") {
  constexpr std::int64_t tall = 1100, few = 9, top = 10, column = 4;
  std::vector<float> level(tall * few, 100), bright = level, error(tall * few, 5);
  std::vector<std::int16_t> good(tall * few), bad = good;
  for (std::int64_t row = top; row < tall; ++row) bright[row * few + column] = 1000;
  for (std::int64_t row = top + 1; row < tall; ++row) bad[row * few + column] = 4;
  std::vector<fleck::StackFrame> stack;
  for (const bool with : {false, true, false})
    stack.push_back({image_of(with ? bright : level, tall, few), image_of(error, tall, few),
                     {reinterpret_cast<const std::byte*>((with ? bad : good).data()), tall, few, few * 2, 2,
                      fleck::DType::i16}});
  const fleck::CosmicRays rules{.sigmas = {6, 5}, .scale_noise = 0, .bits = 4};
  std::vector<float> data(tall * few), other = data, room = data;
  std::vector<std::int32_t> quality(tall * few), bits = quality;
  const auto out = [&](std::vector<float>& to, std::vector<std::int32_t>& flags) -> fleck::StackResult {
    return {{to.data(), tall, few, few}, {room.data(), tall, few, few}, {flags.data(), tall, few, few}, {}};
  };
  const auto counts = fleck::reject_cosmic_rays(stack, rules, out(data, quality), nullptr, 1, {});
  CHECK(counts[1] == tall - top);
  CHECK(quality[(tall - 1) * few + column] == 0);
  for (const int threads : {2, 4}) {
    CHECK(counts == fleck::reject_cosmic_rays(stack, rules, out(other, bits), nullptr, threads, {}));
    CHECK(same_bytes(data, other));
    CHECK(same_bytes(quality, bits));
  }
}

TEST_CASE("every row is told of once, and what is thrown then stops the work") {
  Frames frames(3);
  Out out;
  for (const bool rejecting : {false, true}) {
    std::vector<int> told(rows);
    const auto work = [&](const fleck::AfterRows& after) {
      if (rejecting)
        fleck::reject_cosmic_rays(frames.stack, {.sigmas = {5}}, out.view(), nullptr, 1, after);
      else
        fleck::combine_stack(frames.stack, fleck::StackMethod::mean, 0, {}, out.view(), 1, after);
    };
    work([&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) ++told[row];
    });
    CHECK(told == std::vector<int>(rows, 1));
    out = {};
    CHECK_THROWS_AS(work([](std::int64_t, std::int64_t) { throw 1; }), int);
    CHECK(out.used[0] == 3);
    CHECK(out.used[(rows - 1) * cols] == 0);
  }
}

TEST_CASE("a cosmic ray in one frame is left out, its neighbours in later rows too") {
  std::vector<float> level(pixels, 100), struck(pixels, 100), error(pixels, 5);
  struck[10 * cols + 20] = 1000;
  struck[11 * cols + 20] = 120;  // four of its deviations: enough beside a cosmic ray alone
  struck[9 * cols + 20] = 120;   // an earlier row is done with
  std::vector<fleck::StackFrame> stack;
  for (const auto* data : {&level, &level, &struck, &level})
    stack.push_back({image_of(*data, rows, cols), image_of(error, rows, cols), {}});
  Out out;
  const fleck::CosmicRays rules{.sigmas = {6.5f}, .radius = 1, .scale_noise = 0};
  const auto counts = fleck::reject_cosmic_rays(stack, rules, out.view(), nullptr, 1, {});
  CHECK(counts == std::vector<std::int64_t>{0, 0, 2, 0});
  CHECK(out.data[10 * cols + 20] == 400);
  CHECK(out.used[10 * cols + 20] == 3);
  CHECK(out.used[11 * cols + 20] == 3);
  CHECK(out.used[9 * cols + 20] == 4);
  CHECK(out.data[9 * cols + 20] == 420);
}

TEST_CASE("a median of many frames") {
  for (const int count : {1, 2, 31, 120}) {
    std::vector<std::vector<float>> data(count, std::vector<float>(pixels));
    std::vector<fleck::StackFrame> stack;
    for (int n = 0; n < count; ++n) {
      for (std::int64_t i = 0; i < pixels; ++i) data[n][i] = static_cast<float>((n * 37 + i) % count);
      stack.push_back({image_of(data[n], rows, cols), {}, {}});
    }
    Out out;
    fleck::combine_stack(stack, fleck::StackMethod::median, 0, {}, out.view(), 1, {});
    for (const float value : out.data) CHECK(value == static_cast<float>(count - 1) / 2);
  }
}

TEST_CASE("the sky is where the histogram is highest") {
  std::vector<float> data = noise(pixels);
  for (float& value : data) value = value < 0.5f ? 42.5f : 42.5f + 100 * value;
  const std::vector<fleck::StackFrame> stack{{image_of(data, rows, cols), {}, {}}};
  const std::vector<float> modes = fleck::sky_modes(stack, 0, 1, {});
  CHECK(modes[0] == doctest::Approx(42.5).epsilon(0.02));
}

TEST_CASE("planes of a mapped file are read from the file") {
  Frames kept(3);
  std::FILE* file = std::tmpfile();
  for (const auto& plane : kept.data) std::fwrite(plane.data(), 4, pixels, file);
  std::fflush(file);
  const std::vector<float> mapping(3 * pixels);  // is not looked at
  const auto* begin = reinterpret_cast<const std::byte*>(mapping.data());
  const fleck::MappedFile mapped{fileno(file), begin, begin + 12 * pixels};
  const auto cut = [](fleck::Image image) {
    return fleck::Image{image.at(1, 3), rows - 1, (cols - 3) / 2, image.row_stride, 2 * image.col_stride, image.dtype};
  };
  const auto plane = [&](int n) { return image_of(mapping, rows, cols).data + 4 * n * pixels; };

  for (const bool whole : {true, false}) {
    std::vector<fleck::StackFrame> in_memory, in_file;
    for (int n = 0; n < 3; ++n) {
      fleck::Image image = image_of(kept.data[n], rows, cols), there = image;
      there.data = plane(n);
      in_memory.push_back({whole ? image : cut(image), {}, {}});
      in_file.push_back({whole ? there : cut(there), {}, {}});
      in_file.back().file = mapped;
    }
    for (const int threads : {1, 3}) {
      Out wanted, seen;
      fleck::combine_stack(in_memory, fleck::StackMethod::mean, 0, {}, wanted.view(), threads, {});
      fleck::combine_stack(in_file, fleck::StackMethod::mean, 0, {}, seen.view(), threads, {});
      CHECK(same_bytes(wanted.data, seen.data));
    }
    CHECK(fleck::sky_modes(in_memory, 0, 1, {}) == fleck::sky_modes(in_file, 0, 1, {}));
  }

  std::vector<fleck::StackFrame> too_short{{image_of(mapping, rows, cols), {}, {}}};
  too_short[0].data.data = plane(2);
  too_short[0].file = mapped;
  REQUIRE(ftruncate(fileno(file), 12 * pixels - 1) == 0);
  Out out;
  CHECK_THROWS_AS(fleck::combine_stack(too_short, fleck::StackMethod::mean, 0, {}, out.view(), 1, {}),
                  fleck::UnreadableFile);
  std::fclose(file);
}
