// Every type of pixel, for explicit instantiation: READ(type of pixel), WRITE(type of pixel, type of median). Of an
// even number of integers the median is a floating-point number.
#pragma once

#include "element.hpp"

#define FLECK_FOR_EACH_PIXEL_TYPE(READ, WRITE)         \
  READ(std::uint8_t) WRITE(std::uint8_t, std::uint8_t) WRITE(std::uint8_t, float)       \
  READ(std::int8_t) WRITE(std::int8_t, std::int8_t) WRITE(std::int8_t, float)           \
  READ(std::uint16_t) WRITE(std::uint16_t, std::uint16_t) WRITE(std::uint16_t, float)   \
  READ(std::int16_t) WRITE(std::int16_t, std::int16_t) WRITE(std::int16_t, float)       \
  READ(std::uint32_t) WRITE(std::uint32_t, std::uint32_t) WRITE(std::uint32_t, double)  \
  READ(std::int32_t) WRITE(std::int32_t, std::int32_t) WRITE(std::int32_t, double)      \
  READ(std::uint64_t) WRITE(std::uint64_t, std::uint64_t) WRITE(std::uint64_t, double)  \
  READ(std::int64_t) WRITE(std::int64_t, std::int64_t) WRITE(std::int64_t, double)      \
  READ(Half) WRITE(Half, float) READ(float) WRITE(float, float) READ(double) WRITE(double, double)
