#include "fleck/limits.hpp"

#include "isa/limits.hpp"

namespace fleck {

template <class T>
std::int64_t compare_in_registers(std::int64_t rounds) noexcept {
  return FLECK_PICK(compare_in_registers<T>)(rounds);
}

template std::int64_t compare_in_registers<float>(std::int64_t) noexcept;
template std::int64_t compare_in_registers<std::int16_t>(std::int64_t) noexcept;

}  // namespace fleck
