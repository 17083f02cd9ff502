// Choosing among the copies of a loop: FLECK_PICK(f) is the address of fleck::<active set>::f.
#pragma once

#include "fleck/runtime.hpp"

#if defined(__x86_64__)
#define FLECK_PICK(...)                                                 \
  (::fleck::active_isa() == ::fleck::Isa::avx512 ? &::fleck::avx512::__VA_ARGS__ \
   : ::fleck::active_isa() == ::fleck::Isa::avx2 ? &::fleck::avx2::__VA_ARGS__   \
                                                 : &::fleck::baseline::__VA_ARGS__)
#define FLECK_FOR_EACH_ISA(declare) \
  namespace baseline {              \
  declare                           \
  }                                 \
  namespace avx2 {                  \
  declare                           \
  }                                 \
  namespace avx512 {                \
  declare                           \
  }
#else
#define FLECK_PICK(...) (&::fleck::baseline::__VA_ARGS__)
#define FLECK_FOR_EACH_ISA(declare) \
  namespace baseline {              \
  declare                           \
  }
#endif
