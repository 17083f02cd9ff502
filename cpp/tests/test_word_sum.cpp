#include <doctest/doctest.h>

#include <vector>

#include "fleck/word_sum.hpp"

TEST_CASE("word_sum adds big-endian words, of any number, with any threads") {
  std::uint32_t state = 1;
  for (const std::size_t n : {0u, 3u, 4u, 63u, 64u, 1000u, 16385u * 4u, 3u * (1u << 22) + 20u}) {
    std::vector<std::byte> bytes(n, std::byte{0xff});
    for (std::size_t i = 0; i < n / 2; ++i) {
      state = state * 1664525u + 1013904223u;
      bytes[i] = static_cast<std::byte>(state >> 24);
    }
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i + 4 <= n; i += 4)
      for (std::size_t k = 0; k < 4; ++k) expected += static_cast<std::uint64_t>(bytes[i + k]) << (24 - 8 * k);
    for (const int threads : {1, 3}) CHECK(fleck::word_sum(bytes, threads) == expected);
  }
}
