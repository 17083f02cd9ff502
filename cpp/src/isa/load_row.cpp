#include "isa/load_row.hpp"

#include <limits>

#include "isa/pixel_types.hpp"

namespace fleck::FLECK_ISA {

template <class E, bool Swapped, class T>
void load_neighbours(const std::byte* pixels, std::int64_t n, T* __restrict out) noexcept {
  constexpr std::int64_t size = sizeof(E);
  for (std::int64_t i = 0; i < n; ++i) out[i] = to_number<T>(read_element<E, Swapped>(pixels + i * size));
}

template <class E, bool Swapped>
void bits_of_neighbours(const std::byte* pixels, std::int64_t n, std::int32_t* __restrict out) noexcept {
  constexpr std::int64_t size = sizeof(E);
  for (std::int64_t i = 0; i < n; ++i) out[i] = to_bits(read_element<E, Swapped>(pixels + i * size));
}

template <class T>
void mask_neighbours(const std::uint8_t* __restrict mask, std::int64_t n, T* __restrict out) noexcept {
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  for (std::int64_t i = 0; i < n; ++i) out[i] = mask[i] ? nan : out[i];
}

template void mask_neighbours(const std::uint8_t* __restrict, std::int64_t, float* __restrict) noexcept;
template void mask_neighbours(const std::uint8_t* __restrict, std::int64_t, double* __restrict) noexcept;

#define FLECK_WRITE(E, Out)
#define FLECK_READ(E)                                                                                \
  template void load_neighbours<E, false>(const std::byte*, std::int64_t, float* __restrict) noexcept;  \
  template void load_neighbours<E, false>(const std::byte*, std::int64_t, double* __restrict) noexcept; \
  template void load_neighbours<E, true>(const std::byte*, std::int64_t, float* __restrict) noexcept;   \
  template void load_neighbours<E, true>(const std::byte*, std::int64_t, double* __restrict) noexcept;
FLECK_FOR_EACH_PIXEL_TYPE(FLECK_READ, FLECK_WRITE)
#undef FLECK_READ

#define FLECK_BITS(E)                                                                                   \
  template void bits_of_neighbours<E, false>(const std::byte*, std::int64_t, std::int32_t* __restrict) noexcept; \
  template void bits_of_neighbours<E, true>(const std::byte*, std::int64_t, std::int32_t* __restrict) noexcept;
FLECK_BITS(std::uint8_t)
FLECK_BITS(std::int8_t)
FLECK_BITS(std::uint16_t)
FLECK_BITS(std::int16_t)
FLECK_BITS(std::uint32_t)
FLECK_BITS(std::int32_t)
#undef FLECK_BITS
#undef FLECK_WRITE

}  // namespace fleck::FLECK_ISA
