#pragma once

#include <cstdint>

#include "isa.hpp"

namespace fleck {
FLECK_FOR_EACH_ISA(template <class T> std::int64_t compare_in_registers(std::int64_t rounds) noexcept;)
}  // namespace fleck
