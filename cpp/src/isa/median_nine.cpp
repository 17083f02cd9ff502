#include "isa/median_nine.hpp"

#include <bit>
#include <limits>
#include <type_traits>
#include <utility>

#include "isa/median_lanes.hpp"

namespace fleck::FLECK_ISA {
namespace {

// Shows whether some pixel is NaN or -0.0. As signed integers, positive NaN and -0.0, less one, are above all others;
// as unsigned ones, negative NaN are.
template <class T>
class Extremes {
  using Signed = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Unsigned = std::make_unsigned_t<Signed>;
  typedef Signed SignedLanes __attribute__((vector_size(vector_bytes)));
  typedef Unsigned UnsignedLanes __attribute__((vector_size(vector_bytes)));

 public:
  void add(typename NetworkLanes<T>::V pixels) {
    const UnsignedLanes bits = reinterpret_cast<UnsignedLanes>(pixels);
    const SignedLanes less = reinterpret_cast<SignedLanes>(bits - 1);
    most_ = less > most_ ? less : most_;
    highest_ = bits > highest_ ? bits : highest_;
  }

  bool ordered() const {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    bool all = true;
    for (int i = 0; i < NetworkLanes<T>::lanes; ++i)
      all &= most_[i] < std::bit_cast<Signed>(infinity) && highest_[i] <= std::bit_cast<Unsigned>(-infinity);
    return all;
  }

 private:
  SignedLanes most_{};
  UnsignedLanes highest_{};
};

template <>
class Extremes<std::int16_t> {
 public:
  void add(NetworkLanes<std::int16_t>::V) {}
  bool ordered() const { return true; }
};

template <class T>
struct Nine {
  using L = NetworkLanes<T>;
  using V = typename L::V;
  using Unaligned = typename L::Unaligned;
  static_assert(2 * L::lanes <= nine_slack && L::lanes <= nine_step<T>);

  static V load(const T* p) { return *reinterpret_cast<const Unaligned*>(p); }
  static void store(T* p, V v) { *reinterpret_cast<Unaligned*>(p) = v; }
  static V middle(V a, V b, V c) { return L::max(L::min(a, b), L::min(L::max(a, b), c)); }

  // Columns of three, sorted.
  struct Columns {
    V low, mid, high;
  };

  // The columns of a pair and one more.
  static Columns columns(V low, V high, V other) {
    return {L::min(low, other), L::max(low, L::min(high, other)), L::max(high, other)};
  }

  // Lanes from the k-th on, and the first k of the next vector.
  template <int K, int... I>
  static V later(V here, V next, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(here, next, (I + K)...);
  }
  template <int K>
  static V later(V here, V next) {
    return later<K>(here, next, std::make_integer_sequence<int, L::lanes>());
  }

  static V median(const Columns& here, const Columns& next) {
    const V low = L::max(L::max(here.low, later<1>(here.low, next.low)), later<2>(here.low, next.low));
    const V high = L::min(L::min(here.high, later<1>(here.high, next.high)), later<2>(here.high, next.high));
    return middle(low, middle(here.mid, later<1>(here.mid, next.mid), later<2>(here.mid, next.mid)), high);
  }
};

}  // namespace

template <class T>
bool medians_of_nine(const T* const* rows, std::int64_t n, T* const* out, const Ahead (&ahead)[4]) {
  using N = Nine<T>;
  using V = typename N::V;
  const T* const row[] = {rows[0], rows[1], rows[2], rows[3]};
  T *const upper_out = out[0], *const lower_out = out[1];
  typename N::Columns upper, lower;
  Extremes<T> extremes;
  const auto sort = [&](std::int64_t i) {
    const V pixels[] = {N::load(row[0] + i), N::load(row[1] + i), N::load(row[2] + i), N::load(row[3] + i)};
    for (const V& some : pixels) extremes.add(some);
    const V low = N::L::min(pixels[1], pixels[2]), high = N::L::max(pixels[1], pixels[2]);
    upper = N::columns(low, high, pixels[0]);
    lower = N::columns(low, high, pixels[3]);
  };
  sort(0);
  for (std::int64_t i = 0; i < n; i += N::L::lanes) {
    const auto upper_here = upper, lower_here = lower;
    sort(i + N::L::lanes);
    N::store(upper_out + i, N::median(upper_here, upper));
    N::store(lower_out + i, N::median(lower_here, lower));
    for (const Ahead& wanted : ahead) __builtin_prefetch(wanted.from + i * wanted.bytes, 0, 2);
  }
  return extremes.ordered();
}

#define FLECK_INSTANTIATE(T) \
  template bool medians_of_nine<T>(const T* const*, std::int64_t, T* const*, const Ahead (&)[4]);
FLECK_INSTANTIATE(float)
FLECK_INSTANTIATE(double)
FLECK_INSTANTIATE(std::int16_t)
#undef FLECK_INSTANTIATE

}  // namespace fleck::FLECK_ISA
