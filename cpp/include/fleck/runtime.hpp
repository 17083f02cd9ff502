// How a kernel runs: threads and instruction set. Neither changes a byte of any result.
#pragma once

#include <string>
#include <vector>

namespace fleck {

// Threads used when a caller asks for 0: FLECKCORE_NUM_THREADS if set, else the smallest of this process's CPU
// affinity, its cgroup quota and the tuning's number (tuning.hpp); at least 1. Throws std::invalid_argument when the variable is not a positive
// integer.
int default_threads();

enum class Isa { baseline, avx2, avx512 };

// The instruction set in use: FLECKCORE_ISA if set, else the tuning's (tuning.hpp), else the widest that this
// processor has. The variable is read once, at the first call. Throws std::invalid_argument when the variable names a set that is unknown, not built or not here.
Isa active_isa();
std::string isa_name(Isa isa);
std::vector<std::string> available_isas();

}  // namespace fleck
