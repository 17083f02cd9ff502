#include "fleck/runtime.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "fleck/tuning.hpp"

namespace fleck {
namespace {

int affinity_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

// cgroup v2 "quota period" in microseconds, or v1's two files; INT_MAX without a quota.
int quota_threads() {
  const auto from = [](double quota, double period) {
    return quota > 0 && period > 0 ? std::max(1, static_cast<int>(quota / period)) : 1 << 30;
  };
  double quota = -1, period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 && (v2 >> quota >> period)) return from(quota, period);
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota && v1_period && (v1_quota >> quota) && (v1_period >> period)) return from(quota, period);
  return 1 << 30;
}

bool has(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {  // exactly the features that x86-64-v3 and -v4 turn on
    case Isa::baseline: return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
             __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("movbe") &&
             __builtin_cpu_supports("f16c");
    case Isa::avx512:
      return has(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
  }
#endif
  return isa == Isa::baseline;
}

constexpr Isa all_isas[] = {Isa::baseline, Isa::avx2, Isa::avx512};

std::optional<Isa> wanted_isa() {
  if (const char* wanted = std::getenv("FLECKCORE_ISA"); wanted && *wanted) {
    for (Isa isa : all_isas)
      if (isa_name(isa) == wanted && has(isa)) return isa;
    std::string message = "FLECKCORE_ISA=" + std::string(wanted) + " cannot run here; this machine has:";
    for (const auto& name : available_isas()) message += ' ' + name;
    throw std::invalid_argument(message);
  }
  return {};
}

Isa widest_isa() {
  Isa best = Isa::baseline;
  for (Isa isa : all_isas)
    if (has(isa)) best = isa;
  return best;
}

}  // namespace

int default_threads() {
  if (const char* text = std::getenv("FLECKCORE_NUM_THREADS"); text && *text) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    if (*end != '\0' || n < 1 || n > 4096)
      throw std::invalid_argument("FLECKCORE_NUM_THREADS=" + std::string(text) +
                                  " is not a whole number from 1 to 4096");
    return static_cast<int>(n);
  }
  return std::min({affinity_threads(), quota_threads(), tuning().threads});
}

Isa active_isa() {
  static const std::optional<Isa> wanted = wanted_isa();
  static const Isa widest = widest_isa();
  return wanted ? *wanted : tuning().isa.value_or(widest);
}

std::string isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::baseline: break;
  }
  return "baseline";
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (Isa isa : all_isas)
    if (has(isa)) names.push_back(isa_name(isa));
  return names;
}

}  // namespace fleck
