#include "isa/cte_readout.hpp"

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Vector = Lanes<double>;
constexpr int width = lanes<double>, vectors = 8;
constexpr std::int64_t packets = vectors * width;  // looked at together: as many as registers hold
static_assert(most_packets % packets == 0);
constexpr int many = packets / 12;  // runs of packets that reach a level: with more, branches cost more than packets
constexpr std::uint64_t all = ~std::uint64_t{0} >> (64 - packets);

inline std::uint64_t which_reach(const double* charge, double level) noexcept {
  std::uint64_t bits = 0;
#pragma GCC unroll 8
  for (int i = 0; i < vectors; ++i)
    bits |= static_cast<std::uint64_t>(reaches(load<Vector>(charge + i * width), level)) << (i * width);
  return bits;
}

inline double greatest(const double* charge, std::int64_t n) noexcept {
  Vector most = Vector{} - __builtin_inf();
  for (std::int64_t i = 0; i < n; i += width) {
    const Vector x = load<Vector>(charge + i);
    most = x > most ? x : most;
  }
  double top = most[0];
  for (int i = 1; i < width; ++i) top = most[i] > top ? most[i] : top;
  return top;
}

// The next packets of a column, which pass all levels before those behind them are looked at: no level needs to know
// what a lower one does.
template <bool Falls>
class Packets {
 public:
  Packets(const Traps& traps, const Column& column, std::int64_t first) noexcept
      : traps_(traps), column_(column), first_(first),
        end_(first + packets < column.rows ? first + packets : column.rows) {}

  // Through levels [0, w).
  void pass(std::int64_t w) noexcept {
    double* const charge = column_.charge + first_;
    bool known = false;
    double top = 0;
    while (w > 0) {
      const Held& held = column_.held[w - 1];
      const bool gives = held.row >= first_ - traps_.length;
      if (known && !gives && top < traps_.level[w - 1]) {
        --w;
        continue;
      }
      const std::uint64_t bits = which_reach(charge, traps_.level[w - 1]);
      if (bits == all && held.row == first_ - 1) {
        w = pass_together(w);
        known = false;
      } else if (bits != 0 || gives) {
        --w;
        if (!Falls && __builtin_popcountll(bits & ~(bits << 1)) > many)
          pass_one_by_one(w, bits);
        else
          pass_runs(w, bits);
        known = false;
      } else {
        top = greatest(charge, packets);
        known = true;
        --w;
      }
    }
  }

 private:
  // The levels from w - 1 on which all packets reach, like the one before them; gives the first other one, plus 1.
  std::int64_t pass_together(std::int64_t w) noexcept {
    Vector charge[vectors];
    for (int i = 0; i < vectors; ++i) charge[i] = load<Vector>(column_.charge + first_ + i * width);
    do {
      --w;
      const double capture = traps_.capture[w], released = traps_.release[w * traps_.release_stride],
                   left = traps_.remaining[w * traps_.remaining_stride];
#pragma GCC unroll 8
      for (int i = 0; i < vectors; ++i) {
        const std::int64_t row = first_ + i * width;
        Vector before = capture * load<Vector>(column_.scale + row - 1);
        if (Falls) before *= load<Vector>(column_.kept + row);
        charge[i] += (released * before + left * before) - capture * load<Vector>(column_.scale + row);
      }
      column_.held[w] = {end_ - 1, capture * column_.scale[end_ - 1]};
    } while (w > 0 && column_.held[w - 1].row == first_ - 1 && reach(charge, traps_.level[w - 1]));
    for (int i = 0; i < vectors; ++i) store(column_.charge + first_ + i * width, charge[i]);
    return w;
  }

  static bool reach(const Vector (&charge)[vectors], double level) noexcept {
    unsigned bits = reaches(charge[0], level);
#pragma GCC unroll 8
    for (int i = 1; i < vectors; ++i) bits &= reaches(charge[i], level);
    return bits == (1u << width) - 1;
  }

  // Level w, where no guess of whether the next packet reaches it would be good: without branches.
  void pass_one_by_one(std::int64_t w, std::uint64_t bits) noexcept {
    Held& held = column_.held[w];
    double* const charge = column_.charge;
    const double* const scale = column_.scale;
    const double* const release = traps_.release + w * traps_.release_stride;
    const double* const remaining = traps_.remaining + w * traps_.remaining_stride;
    const double capture = traps_.capture[w];
    const std::int64_t silent = traps_.length;
    std::int64_t last = held.row < 0 ? 0 : held.row, age = first_ - 1 - held.row;
    age = age < silent ? age : silent;
    for (std::int64_t row = first_; row < end_; ++row, bits >>= 1) {
      const auto bit = static_cast<std::int64_t>(bits & 1), reached = -bit;  // all bits, or none
      const auto one = static_cast<double>(bit);
      const double trapped = capture * scale[last], taken = capture * scale[row];
      charge[row] += (release[age] * trapped + one * (remaining[age] * trapped)) - one * taken;
      last += (row - last) & reached;
      age = (age < silent ? age + 1 : silent) & ~reached;
    }
    if (age < silent) held = {last, capture * scale[last]};
  }

  void pass_runs(std::int64_t w, std::uint64_t bits) noexcept {
    Held held = column_.held[w];
    while (bits != 0) {
      const int skip = __builtin_ctzll(bits);
      const std::uint64_t rest = ~(bits >> skip);
      const int n = rest != 0 ? __builtin_ctzll(rest) : 64;
      capture(w, held, first_ + skip, first_ + skip + n);
      bits = skip + n < packets ? bits & (all << (skip + n)) : 0;
    }
    give_back(w, held, end_);
    column_.held[w] = held;
  }

  // Packets [row, end) reach level w; the one before them does not, or is the last that did.
  void capture(std::int64_t w, Held& held, std::int64_t row, std::int64_t end) noexcept {
    double* const charge = column_.charge;
    const double* const scale = column_.scale;
    const double* const release = traps_.release + w * traps_.release_stride;
    const double* const remaining = traps_.remaining + w * traps_.remaining_stride;
    const double taken = traps_.capture[w];
    give_back(w, held, row);
    double given = 0;
    if (const std::int64_t age = row - 1 - held.row; age < traps_.length) {
      if (Falls) held.charge *= column_.kept[row];
      given = release[age] * held.charge + remaining[age] * held.charge;
    }
    charge[row] += given - taken * scale[row];
    for (std::int64_t r = row + 1; r < end; ++r) {
      double before = taken * scale[r - 1];
      if (Falls) before *= column_.kept[r];
      charge[r] += (release[0] * before + remaining[0] * before) - taken * scale[r];
    }
    held = {end - 1, taken * scale[end - 1]};
  }

  // What level w still holds goes to those of these packets that come before `end`.
  void give_back(std::int64_t w, Held& held, std::int64_t end) noexcept {
    const std::int64_t next = held.row + 1, silent = next + traps_.length, stop = end < silent ? end : silent;
    const double* const release = traps_.release + w * traps_.release_stride;
    double* const charge = column_.charge;
    std::int64_t row = next > first_ ? next : first_;
    if (!Falls)
      for (; row + width <= stop; row += width)
        store(charge + row, load<Vector>(charge + row) + load<Vector>(release + row - next) * held.charge);
    for (; row < stop; ++row) {
      if (Falls) held.charge *= column_.kept[row];
      charge[row] += release[row - next] * held.charge;
    }
  }

  const Traps& traps_;
  const Column& column_;
  const std::int64_t first_, end_;
};

template <bool Falls>
void read_column(const Traps& traps, const Column& column) noexcept {
  const double top = greatest(column.charge, column.rows);
  std::int64_t levels = traps.levels;
  while (levels > 0 && traps.level[levels - 1] > top) --levels;
  for (std::int64_t w = 0; w < levels; ++w) column.held[w] = {-1 - traps.length, 0};
  for (std::int64_t first = 0; first < column.rows; first += packets)
    Packets<Falls>(traps, column, first).pass(levels);
}

}  // namespace

void read_out(const Traps& traps, const Column& column) noexcept {
  if (column.kept)
    read_column<true>(traps, column);
  else
    read_column<false>(traps, column);
}

}  // namespace fleck::FLECK_ISA
