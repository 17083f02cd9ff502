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

TEST_CASE("threads are at least one") { CHECK(fleck::default_threads() >= 1); }
