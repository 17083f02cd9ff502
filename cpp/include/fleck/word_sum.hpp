// The sum that FITS checksums are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fleck {

// The sum of big-endian words of 32 bits, exact for up to 2^32 of them; bytes beyond the last whole word are left out.
// One pass, at the speed of memory.
std::uint64_t word_sum(std::span<const std::byte> bytes, int threads);

}  // namespace fleck
