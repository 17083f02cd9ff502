#include <doctest/doctest.h>

#include "fleck/limits.hpp"

TEST_CASE("registers of twice as many numbers compare twice as many") {
  const auto in_one_round = fleck::compare_in_registers<float>(1);
  CHECK(in_one_round > 0);
  CHECK(fleck::compare_in_registers<float>(10) == 10 * in_one_round);
  CHECK(fleck::compare_in_registers<std::int16_t>(1) == 2 * in_one_round);
}
