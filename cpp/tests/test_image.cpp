#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "fleck/image.hpp"
#include "fleck/runtime.hpp"

TEST_CASE("load_row undoes byte order and stride") {
  // 1.5f, 2.5f big-endian, every second element.
  const unsigned char bytes[] = {0x3f, 0xc0, 0, 0, 9, 9, 9, 9, 0x40, 0x20, 0, 0, 9, 9, 9, 9};
  const fleck::Image image{reinterpret_cast<const std::byte*>(bytes), 1, 2, 16, 8, fleck::DType::f32, true};
  float out[2];
  fleck::load_row(image, 0, 0, 2, out);
  CHECK(out[0] == 1.5f);
  CHECK(out[1] == 2.5f);
}

TEST_CASE("half precision, subnormals included") {
  const std::uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00, 0x8000};
  const fleck::Image image{reinterpret_cast<const std::byte*>(halves), 1, 7, 14, 2, fleck::DType::f16, false};
  float out[7];
  fleck::load_row(image, 0, 0, 7, out);
  CHECK(out[0] == 1.0f);
  CHECK(out[1] == -2.0f);
  CHECK(out[2] == 0x1p-24f);
  CHECK(out[3] == 65504.0f);
  CHECK(std::isinf(out[4]));
  CHECK(std::isnan(out[5]));
  CHECK((out[6] == 0.0f && std::signbit(out[6])));
}

TEST_CASE("a block is read in place, or turned, swapped and masked into the room") {
  constexpr std::int64_t rows = 70, cols = 40;  // more than a tile either way
  std::vector<float> data(rows * cols);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
  const auto* bytes = reinterpret_cast<const std::byte*>(data.data());
  const fleck::Image plain{bytes, rows, cols, 4 * cols, 4, fleck::DType::f32, false};
  const fleck::Image turned{bytes, cols, rows, 4, 4 * cols, fleck::DType::f32, false};
  std::vector<float> room(rows * cols);

  const auto in_place = fleck::read_block<float>(plain, {}, 3, 5, {room.data(), 60, 30, 30, 1});
  CHECK(in_place.data == &data[3 * cols + 5]);
  CHECK(&in_place(59, 29) == &data[62 * cols + 34]);

  std::vector<std::uint8_t> mask(rows * cols, 0);
  mask[62 * cols + 34] = 1;
  const fleck::Mask turned_mask{mask.data(), cols, rows, 1, cols};
  const auto copied = fleck::read_block<float>(turned, turned_mask, 5, 3, {room.data(), 30, 65, 65, 1});
  CHECK(copied.data == room.data());
  bool same = true;
  for (std::int64_t r = 0; r < 30; ++r)
    for (std::int64_t c = 0; c < 65; ++c)
      same &= (r == 29 && c == 59) ? std::isnan(copied(r, c)) : copied(r, c) == data[(3 + c) * cols + 5 + r];
  CHECK(same);
}

TEST_CASE("threads are at least one") { CHECK(fleck::default_threads() >= 1); }
