#include "isa/median_lines.hpp"

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {
namespace {

// Some of the 16 lines, as many as a vector holds.
template <class Key>
class Some {
 public:
  using V = Lanes<Key>;

  explicit Some(std::int64_t first) : first_(first) {}

  V at(const Key* plane, int i) const { return load<V>(plane + i * lines + first_); }
  void put(Key* plane, int i, V v) const { __builtin_memcpy(plane + i * lines + first_, &v, sizeof v); }

 private:
  std::int64_t first_;
};

template <class V>
inline V lesser(V a, V b) { return a < b ? a : b; }
template <class V>
inline V greater(V a, V b) { return a < b ? b : a; }

// As many vectors stay in the registers.
constexpr int kept = 16;

// Sorts n <= kept rows that first fall and then rise, or the other way round.
template <int n, class V>
inline __attribute__((always_inline)) void sort_bitonic(V* v) {
#pragma GCC unroll 5
  for (int step = n / 2; step > 0; step /= 2)
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i)
      if ((i & step) == 0) {
        const V a = v[i], b = v[i + step];
        v[i] = lesser(a, b);
        v[i + step] = greater(a, b);
      }
}

template <int n, class Key>
void sort_bitonic(const Some<Key>& some, Key* rows) {
  if constexpr (n > kept) {
    for (int i = 0; i < n / 2; ++i) {
      const auto a = some.at(rows, i), b = some.at(rows, i + n / 2);
      some.put(rows, i, lesser(a, b));
      some.put(rows, i + n / 2, greater(a, b));
    }
    sort_bitonic<n / 2>(some, rows);
    sort_bitonic<n / 2>(some, rows + n / 2 * lines);
  } else {
    typename Some<Key>::V v[n];
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) v[i] = some.at(rows, i);
    sort_bitonic<n>(v);
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) some.put(rows, i, v[i]);
  }
}

// Merges the sorted halves of n rows.
template <int n, class Key>
void merge(const Some<Key>& some, const Key* halves, Key* out) {
  for (int i = 0; i < n / 2; ++i) {
    const auto a = some.at(halves, i), b = some.at(halves, n - 1 - i);
    some.put(out, i, lesser(a, b));
    some.put(out, i + n / 2, greater(a, b));
  }
  sort_bitonic<n / 2>(some, out);
  sort_bitonic<n / 2>(some, out + n / 2 * lines);
}

template <int Block, int n, class Key>
void sort_plane(const Some<Key>& some, Key* plane) {
  Key* const next = plane + Block * lines;
  for (int i = 0; i < Block; i += n) merge<n>(some, plane + i * lines, next + i * lines);
  if constexpr (n < Block) sort_plane<Block, 2 * n>(some, next);
}

// Of the n windows from `first` on the median is among the n sorted `candidates`, or in what not all of them share,
// the pixels that are farthest from the block. Half of the windows share n / 2 more pixels, a sorted piece of the
// block before or after: of the candidates and those the n / 2 in the middle remain.
template <int Block, int n, class Key>
void descend(const Some<Key>& some, const Key* candidates, int first, const Key* before, const Key* after, Key* out) {
  if constexpr (n == 1) {
    some.put(out, first, some.at(candidates, 0));
  } else {
    constexpr int half = n / 2;
    alignas(64) Key middle[half * lines];
    const auto narrow = [&](const Key* piece, int windows) {
      for (int i = 0; i < half; ++i) {
        const auto low = some.at(candidates, i), high = some.at(candidates, i + half);
        some.put(middle, i, lesser(greater(low, some.at(piece, half - 1 - i)), high));
      }
      sort_bitonic<half>(some, middle);
      descend<Block, half>(some, middle, windows, before, after, out);
    };
    constexpr int plane = (piece_planes(half) - 1) * Block;
    narrow(before + (plane + first + half) * lines, first);
    narrow(after + (plane + first) * lines, first + half);
  }
}

}  // namespace

template <class Key, int Block>
void sort_pieces(Key* pieces) noexcept {
  for (int first = 0; first < lines; first += lanes<Key>) sort_plane<Block, 2>(Some<Key>(first), pieces);
}

template <class Key, int Block>
void middle_keys(const Key* before, const Key* own, const Key* after, Key* out) noexcept {
  constexpr int sorted = (piece_planes(Block) - 1) * Block * lines;
  for (int first = 0; first < lines; first += lanes<Key>)
    descend<Block, Block>(Some<Key>(first), own + sorted, 0, before, after, out);
}

#define FLECK_FOR_BLOCK(Key, Block)                   \
  template void sort_pieces<Key, Block>(Key*) noexcept; \
  template void middle_keys<Key, Block>(const Key*, const Key*, const Key*, Key*) noexcept;
#define FLECK_FOR(Key) \
  FLECK_FOR_BLOCK(Key, 8) FLECK_FOR_BLOCK(Key, 16) FLECK_FOR_BLOCK(Key, 32) FLECK_FOR_BLOCK(Key, 64) \
  FLECK_FOR_BLOCK(Key, 128)
FLECK_FOR(std::int32_t)
FLECK_FOR(std::int64_t)
#undef FLECK_FOR
#undef FLECK_FOR_BLOCK

}  // namespace fleck::FLECK_ISA
