// What the processor can do at the most, to measure kernels against.
#pragma once

#include <cstdint>

namespace fleck {

// Takes minima and maxima of numbers that stay in registers, as the median networks do, `rounds` times, on this
// thread; returns how many were taken, counting every lane. T is float or std::int16_t.
template <class T>
std::int64_t compare_in_registers(std::int64_t rounds) noexcept;

}  // namespace fleck
