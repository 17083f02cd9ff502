#include "isa/cte_readout.hpp"

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {

namespace {

using Vector = Lanes<double>;
constexpr int width = lanes<double>;
constexpr double unknown = __builtin_inf();  // top of packets that have changed

// Which packets reach a charge, one bit each; also finds the greatest.
inline std::uint64_t look(const double* charge, double level, double& top) noexcept {
  std::uint64_t bits = 0;
  Vector most = Vector{} - unknown;
#pragma GCC unroll 32
  for (int i = 0; i < packets; i += width) {
    const Vector x = load<Vector>(charge + i);
    most = x > most ? x : most;
    bits |= static_cast<std::uint64_t>(reaches(x, level)) << i;
  }
  top = most[0];
  for (int i = 1; i < width; ++i) top = most[i] > top ? most[i] : top;
  return bits;
}

// The traps of one level, on their way up a column. What they took last is given back when it is known how far.
template <bool Falls>
class Level {
 public:
  Level(const Traps& traps, std::int64_t w, const Column& column) noexcept
      : column_(column), charge_(traps.level[w]), capture_(traps.capture[w]),
        release_(traps.release + w * traps.release_stride), remaining_(traps.remaining + w * traps.remaining_stride),
        length_(traps.length), last_(-1 - traps.length) {}

  void pass() noexcept {
    for (std::int64_t first = 0; first < column_.rows; first += packets) {
      double& top = column_.tops[first / packets];
      if (top < charge_) continue;
      std::uint64_t bits = look(column_.charge + first, charge_, top);
      if (bits != 0) top = unknown;
      while (bits != 0) {
        const int skip = __builtin_ctzll(bits);
        const std::uint64_t rest = ~(bits >> skip);
        const int n = rest != 0 ? __builtin_ctzll(rest) : static_cast<int>(packets);
        capture(first + skip, n);
        bits = skip + n < packets ? bits & (~std::uint64_t{0} << (skip + n)) : 0;
      }
    }
    give_back(column_.rows);
  }

 private:
  double taken(std::int64_t row) const noexcept { return capture_ * column_.scale[row]; }

  // Packets [row, row + n) reach the level, the one before them does not or is the last that did.
  void capture(std::int64_t row, std::int64_t n) noexcept {
    const std::int64_t end = row + n;
    if (last_ != row - 1) {
      give_back(row);
      double given = 0;
      if (const std::int64_t age = row - 1 - last_; age < length_) {
        if (Falls) trapped_ *= column_.kept[row];
        given = release_[age] * trapped_ + remaining_[age] * trapped_;
      }
      column_.charge[row] += given - taken(row);
      ++row;
    }
    capture_behind(row, end);
    last_ = end - 1;
    trapped_ = taken(last_);
  }

  // Packets [row, end) behind one that reached the level, as they all do.
  void capture_behind(std::int64_t row, std::int64_t end) noexcept {
    double* const charge = column_.charge;
    const double* const scale = column_.scale;
    const double released = release_[0], left = remaining_[0];
    for (; row + width <= end; row += width) {
      Vector before = capture_ * load<Vector>(scale + row - 1);
      if (Falls) before *= load<Vector>(column_.kept + row);
      const Vector change = (released * before + left * before) - capture_ * load<Vector>(scale + row);
      store(charge + row, load<Vector>(charge + row) + change);
    }
    for (; row < end; ++row) {
      double before = taken(row - 1);
      if (Falls) before *= column_.kept[row];
      charge[row] += (released * before + left * before) - taken(row);
    }
  }

  // What the traps still hold goes to the packets before `end`.
  void give_back(std::int64_t end) noexcept {
    if (last_ < 0) return;
    const std::int64_t first = last_ + 1, stop = end - first < length_ ? end : first + length_;
    double* const charge = column_.charge;
    std::int64_t row = first;
    if (!Falls)
      for (; row + width <= stop; row += width)
        store(charge + row, load<Vector>(charge + row) + load<Vector>(release_ + row - first) * trapped_);
    for (; row < stop; ++row) {
      if (Falls) trapped_ *= column_.kept[row];
      charge[row] += release_[row - first] * trapped_;
    }
    for (std::int64_t i = first / packets; i * packets < stop; ++i) column_.tops[i] = unknown;
  }

  const Column column_;
  const double charge_, capture_;
  const double *const release_, *const remaining_;
  const std::int64_t length_;
  std::int64_t last_;  // row of the last packet that reached the level
  double trapped_ = 0;
};

}  // namespace

void read_out(const Traps& traps, const Column& column) noexcept {
  double most = -unknown;
  for (std::int64_t first = 0; first < column.rows; first += packets) {
    double& top = column.tops[first / packets];
    look(column.charge + first, 0, top);
    most = top > most ? top : most;
  }
  std::int64_t w = traps.levels;
  while (w > 0 && traps.level[w - 1] > most) --w;
  while (w-- > 0)
    if (column.kept)
      Level<true>(traps, w, column).pass();
    else
      Level<false>(traps, w, column).pass();
}

}  // namespace fleck::FLECK_ISA
