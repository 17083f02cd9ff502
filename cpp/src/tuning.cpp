#include "fleck/tuning.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace fleck {
namespace {

constexpr TuningField fields[] = {
    {"threads", &Tuning::threads, 1, 4096, 1},
    {"network_side_32", &Tuning::network_side_32, 1, 21, 2},
    {"network_side_64", &Tuning::network_side_64, 1, 21, 2},
    {"network_trimmed", &Tuning::network_trimmed, 0, 1, 1},
    {"network_cols", &Tuning::network_cols, 16, 4096, 16},
    {"band_rows_21", &Tuning::band_rows_21, 8, 128, 8},
    {"band_rows_63", &Tuning::band_rows_63, 8, 128, 8},
    {"band_rows_101", &Tuning::band_rows_101, 8, 128, 8},
    {"band_rows_any", &Tuning::band_rows_any, 8, 128, 8},
    {"gaussian_rows", &Tuning::gaussian_rows, 8, 1024, 8},
};

Tuning& current() {
  static Tuning choices;
  return choices;
}

}  // namespace

std::span<const TuningField> tuning_fields() { return fields; }

const Tuning& tuning() { return current(); }

void set_tuning(const Tuning& choices) {
  for (const auto& [name, value, least, most, step] : fields) {
    const int n = choices.*value;
    if (n < least || n > most || (n - least) % step != 0)
      throw std::invalid_argument(std::string(name) + " = " + std::to_string(n) + ", wanted " + std::to_string(least) +
                                  " to " + std::to_string(most) + " in steps of " + std::to_string(step));
  }
  if (choices.isa) {
    const auto here = available_isas();
    const std::string name = isa_name(*choices.isa);
    if (std::find(here.begin(), here.end(), name) == here.end())
      throw std::invalid_argument("isa = " + name + ", which this processor does not have");
  }
  current() = choices;
}

}  // namespace fleck
