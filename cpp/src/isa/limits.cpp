#include "isa/limits.hpp"

#include "isa/median_lanes.hpp"

// The compiler has to believe that a vector may have changed: otherwise it leaves out what it can foresee.
#if defined(__x86_64__)
#define FLECK_TOUCH(vector) asm volatile("" : "+x"(vector))
#elif defined(__aarch64__)
#define FLECK_TOUCH(vector) asm volatile("" : "+w"(vector))
#else
#define FLECK_TOUCH(vector) asm volatile("" : "+m"(vector))
#endif

namespace fleck::FLECK_ISA {

template <class T>
std::int64_t compare_in_registers(std::int64_t rounds) noexcept {
  using Lanes = NetworkLanes<T>;
  constexpr int chains = 12;  // hide that a result takes cycles, and fit 16 registers together with the bounds
  typename Lanes::V low{}, high = low + T(1), value[chains]{};
  FLECK_TOUCH(low);
  FLECK_TOUCH(high);
  for (std::int64_t round = 0; round < rounds; ++round)
    for (auto& v : value) {
      v = Lanes::max(Lanes::min(v, high), low);
      FLECK_TOUCH(v);
    }
  return rounds * chains * 2 * Lanes::lanes;
}

template std::int64_t compare_in_registers<float>(std::int64_t) noexcept;
template std::int64_t compare_in_registers<std::int16_t>(std::int64_t) noexcept;

}  // namespace fleck::FLECK_ISA
