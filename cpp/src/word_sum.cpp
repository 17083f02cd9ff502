#include "fleck/word_sum.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <vector>

#include "element.hpp"
#include "threads.hpp"

namespace fleck {

namespace {

constexpr std::size_t lanes = 16, deep = 256;  // 255 * 256 fits 16 bits
constexpr std::size_t piece = std::size_t{1} << 20;

// Of the first, second, third and fourth bytes of each word.
using ByteSums = std::array<std::uint64_t, 4>;

// Adds `rounds` times `lanes` words, two bytes of each at a time, each summed in 16 bits of its own.
void add_rounds(const std::byte* words, std::size_t rounds, ByteSums& sums) {
  std::array<std::uint32_t, lanes> odd{}, even{};
  for (std::size_t i = 0; i < rounds; ++i) {
    std::array<std::uint32_t, lanes> block;
    std::memcpy(block.data(), words + sizeof block * i, sizeof block);
    for (std::size_t k = 0; k < lanes; ++k) {
      const std::uint32_t word = std::endian::native == std::endian::little ? block[k] : swap_bytes(block[k]);
      odd[k] += word & 0x00ff00ff;
      even[k] += word >> 8 & 0x00ff00ff;
    }
  }
  for (std::size_t k = 0; k < lanes; ++k) {
    sums[0] += odd[k] & 0xffff, sums[1] += even[k] & 0xffff;
    sums[2] += odd[k] >> 16, sums[3] += even[k] >> 16;
  }
}

std::uint64_t sum_of(const std::byte* words, std::size_t n) {
  ByteSums sums{};
  std::size_t at = 0;
  for (std::size_t rounds; (rounds = std::min(deep, (n - at) / lanes)) > 0; at += rounds * lanes)
    add_rounds(words + 4 * at, rounds, sums);
  for (std::size_t i = 4 * at; i < 4 * n; ++i) sums[i % 4] += std::to_integer<std::uint64_t>(words[i]);
  return (sums[0] << 24) + (sums[1] << 16) + (sums[2] << 8) + sums[3];
}

}  // namespace

std::uint64_t word_sum(std::span<const std::byte> bytes, int threads) {
  const std::size_t words = bytes.size() / 4;
  std::vector<std::uint64_t> sums((words + piece - 1) / piece);
  parallel_for(std::ssize(sums), threads, [&](std::int64_t i, int) {
    const std::size_t first = static_cast<std::size_t>(i) * piece;
    sums[i] = sum_of(bytes.data() + 4 * first, std::min(piece, words - first));
  });
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

}  // namespace fleck
