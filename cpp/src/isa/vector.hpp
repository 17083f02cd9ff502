// How wide the registers of the instruction set are. gcc keeps a wider vector in memory.
#pragma once

namespace fleck::FLECK_ISA {

#if defined(__AVX512BW__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif

}  // namespace fleck::FLECK_ISA
