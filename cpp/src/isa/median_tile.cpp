// The median of every window of a tile, by value bands.
//
// All windows of a tile share most of their pixels, and their medians lie close together. So the pixels whose keys
// fall in a narrow band around the tile's own median, known from a sample, are sorted once; a box count of the
// pixels below the band turns each window's rank into a rank within the band; and the sorted band is dealt out in
// bins of 64 pixels, lowest first: a window that holds more of the bin's pixels than its remaining rank has its
// median there, any other subtracts them. What is left unfinished goes on with the next band above.
#include "isa/median_tile.hpp"

#include "isa/vector.hpp"

#if defined(__BMI2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fleck::FLECK_ISA {
namespace {

// --- Vectors of bytes, as wide as the instruction set has them -------------------------------------------------

constexpr int lanes = vector_bytes;
typedef std::uint8_t Bytes __attribute__((vector_size(lanes), may_alias));

// One bit per lane; every lane of v is 0 or 0xff.
inline std::uint64_t bits_of(Bytes v) {
#if defined(__AVX512BW__)
  return _mm512_movepi8_mask(reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(reinterpret_cast<__m256i>(v)));
#elif defined(__SSE2__)
  return static_cast<std::uint32_t>(_mm_movemask_epi8(reinterpret_cast<__m128i>(v)));
#else
  std::uint64_t bits = 0;
  for (int i = 0; i < lanes; ++i) bits |= std::uint64_t(v[i] & 1) << i;
  return bits;
#endif
}

// Index of the n-th set bit, n counted from 0; mask has more than n bits.
inline int select_bit(std::uint64_t mask, int n) {
#if defined(__BMI2__)
  return __builtin_ctzll(_pdep_u64(std::uint64_t(1) << n, mask));
#else
  for (; n > 0; --n) mask &= mask - 1;
  return __builtin_ctzll(mask);
#endif
}

template <class T>
inline T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
inline T larger(T a, T b) {
  return a < b ? b : a;
}

// --- Constants -------------------------------------------------------------------------------------------------

constexpr int bin_size = 64;                 // one bit each in a window's mask
constexpr int group_size = 3 * bin_size;     // so that a saturated byte of 255 cannot be used up
constexpr int long_run = 4 * bin_size;       // this many equal keys are counted at once instead
constexpr int sample_size = 512;
constexpr std::int32_t finished = 1 << 30;   // a rank that no number of pixels uses up
constexpr std::uint8_t used_up = 255;        // the same for a byte; ranks above it are cut to it

template <class Key>
constexpr Key last_key = static_cast<Key>(~Key(0));

// Loops over bytes and wider integers stand in functions of their own, with __restrict: a byte may alias anything,
// and would keep the compiler from vectorising.

// --- Counting --------------------------------------------------------------------------------------------------

// Whole planes at a time: what runs over from row to row is not used, and nothing is read that was just written.
inline void widen(const std::uint8_t* __restrict in, std::ptrdiff_t n, std::uint16_t* __restrict out) {
  for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = in[i];
}

inline void add_apart(const std::uint16_t* in, int apart, std::ptrdiff_t n, std::uint16_t* __restrict out) {
  for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = static_cast<std::uint16_t>(in[i] + in[i + apart]);
}

inline void add_to(const std::uint16_t* __restrict in, std::ptrdiff_t n, std::uint16_t* __restrict out) {
  for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = static_cast<std::uint16_t>(out[i] + in[i]);
}

// tile.row_sums[i] = present[i] + ... + present[i + window_cols - 1]. Runs of 1, 2, 4, ... are summed from each other;
// a window is made of those that its binary digits name.
template <class Key>
void sum_rows(const MedianTile<Key>& tile) {
  const int window = tile.window_cols;
  std::ptrdiff_t n = std::ptrdiff_t(tile.region_rows) * tile.pitch;
  const std::ptrdiff_t sums = n - window + 1;
  std::uint16_t *run = tile.runs, *spare = tile.spare_runs;
  widen(tile.present, n, run);
  __builtin_memset(tile.row_sums, 0, sums * sizeof(std::uint16_t));
  int at = 0;
  for (int length = 1;; length *= 2) {
    if (window & length) {
      add_to(run + at, sums, tile.row_sums);
      at += length;
    }
    if (2 * length > window) return;
    n -= length;
    add_apart(run, length, n, spare);
    std::uint16_t* const swap = run;
    run = spare;
    spare = swap;
  }
}

inline void exchange_rows(std::int32_t* __restrict total, const std::uint16_t* __restrict enters,
                          const std::uint16_t* __restrict leaves) {
  for (int x = 0; x < tile_cols; ++x) total[x] += enters[x] - leaves[x];
}

// Calls row(r, sums) for every output row; sums[x] is the number of ones of tile.present in the window of output
// (r, x).
template <class Key, class Row>
void box_counts(const MedianTile<Key>& tile, Row row) {
  const auto sums_of = [&](int y) { return tile.row_sums + std::ptrdiff_t(y) * tile.pitch; };
  sum_rows(tile);
  std::int32_t total[tile_cols] = {};
  for (int y = 0; y < tile.window_rows - 1; ++y)
    for (int x = 0; x < tile_cols; ++x) total[x] += sums_of(y)[x];
  const std::uint16_t none[tile_cols] = {};
  for (int r = 0; r < tile.rows; ++r) {
    exchange_rows(total, sums_of(r + tile.window_rows - 1), r > 0 ? sums_of(r - 1) : none);
    row(r, total);
  }
}

inline std::int32_t middle_rank(std::int32_t count) { return count > 0 ? (count - 1) >> 1 : finished; }

// 1 key of an odd number, 2 of an even one; gives the number of windows that hold anything.
inline int set_wanted(const std::int32_t* __restrict count, std::uint8_t* __restrict wanted, int n) {
  int windows = 0;
  for (int i = 0; i < n; ++i) wanted[i] = static_cast<std::uint8_t>(2 - (count[i] & 1));
  for (int i = 0; i < n; ++i) windows += count[i] > 0;
  return windows;
}

// Sets count, lower, upper and wanted; gives the number of windows that hold anything.
template <class Key>
int start(MedianTile<Key>& tile) {
  const auto row = [&](int r, const std::int32_t* sums) {
    for (int x = 0; x < tile_cols; ++x) tile.count[r * tile_cols + x] = x < tile.cols ? sums[x] : 0;
  };
  if (tile.complete) {
    std::int32_t area[tile_cols];
    for (int x = 0; x < tile_cols; ++x) area[x] = tile.window_rows * tile.window_cols;
    for (int r = 0; r < tile.rows; ++r) row(r, area);
  } else {
    box_counts(tile, row);
  }
  const int outputs = tile.rows * tile_cols;
  for (int i = 0; i < outputs; ++i) tile.lower[i] = tile.upper[i] = last_key<Key>;
  return set_wanted(tile.count, tile.wanted, outputs);
}

template <class Key>
void mark_below(const Key* __restrict keys, Key low, std::uint8_t* __restrict below, std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; ++i) below[i] = keys[i] < low;
}

inline std::int32_t set_ranks(const std::int32_t* __restrict count, const std::int32_t* __restrict below,
                              std::int32_t* __restrict left) {
  std::int32_t any = 0;
  for (int x = 0; x < tile_cols; ++x) any |= left[x] = middle_rank(count[x]) - below[x];
  return any;
}

// Sets each window's rank among the pixels that are not below `low`; false when some median lies below it.
template <class Key>
bool rank_above(MedianTile<Key>& tile, Key low) {
  if (low == 0) {
    for (int i = 0; i < tile.rows * tile_cols; ++i) tile.left[i] = middle_rank(tile.count[i]);
    return true;
  }
  mark_below(tile.keys, low, tile.present, std::ptrdiff_t(tile.region_rows) * tile.pitch);
  std::int32_t any = 0;
  box_counts(tile, [&](int r, const std::int32_t* sums) {
    any |= set_ranks(tile.count + r * tile_cols, sums, tile.left + r * tile_cols);
  });
  return any >= 0;
}

// --- Sorting ---------------------------------------------------------------------------------------------------

constexpr int digit_bits = 9;
constexpr int digit_values = 1 << digit_bits;

template <class Key>
inline int digit(Key key, Key low, int shift) {
  return static_cast<int>((key - low) >> shift & (digit_values - 1));
}

inline void to_starts(std::uint32_t* counts) {
  std::uint32_t sum = 0;
  for (int d = 0; d < digit_values; ++d) {
    const std::uint32_t here = counts[d];
    counts[d] = sum;
    sum += here;
  }
}

template <class Key>
void move_by_digit(const Element<Key>* __restrict from, Element<Key>* __restrict to, int n, Key low, int shift,
                   std::uint32_t* __restrict starts) {
  for (int i = 0; i < n; ++i) to[starts[digit(from[i].key, low, shift)]++] = from[i];
}

// Sorts n elements with keys in [low, high], least significant digit first, two digits a time; gives whichever of the
// two buffers holds the result. Equal keys stay in order.
template <class Key>
Element<Key>* sort(Element<Key>* from, Element<Key>* to, int n, Key low, Key high) {
  int bits = 0;
  for (Key span = high - low; span; span >>= 1) ++bits;
  for (int shift = 0; shift < bits; shift += 2 * digit_bits) {
    const bool second = shift + digit_bits < bits;
    std::uint32_t starts[digit_values] = {}, second_starts[digit_values] = {};
    for (int i = 0; i < n; ++i) {
      ++starts[digit(from[i].key, low, shift)];
      ++second_starts[second ? digit(from[i].key, low, shift + digit_bits) : 0];
    }
    to_starts(starts);
    move_by_digit(from, to, n, low, shift, starts);
    if (!second) return to;
    to_starts(second_starts);
    move_by_digit(to, from, n, low, shift + digit_bits, second_starts);
  }
  return from;
}

// --- Bands -----------------------------------------------------------------------------------------------------

// Sorted keys of the tile, evenly taken; what a band may begin and end with.
template <class Key>
struct Sample {
  Key keys[sample_size];
  int size = 0;

  explicit Sample(const MedianTile<Key>& tile) {
    const std::ptrdiff_t n = std::ptrdiff_t(tile.region_rows) * tile.pitch;
    const std::ptrdiff_t stride = (n / sample_size + 1) | 1;  // odd: never in step with the pitch
    Key lowest = last_key<Key>, highest = 0;
    for (std::ptrdiff_t i = 0; i < n; i += stride) {
      const Key key = tile.keys[i];
      tile.band[size] = {key, 0};
      if (key == last_key<Key>) continue;
      ++size;
      lowest = smaller(lowest, key);
      highest = larger(highest, key);
    }
    const Element<Key>* sorted = size ? sort(tile.band, tile.spare, size, lowest, highest) : tile.band;
    for (int i = 0; i < size; ++i) keys[i] = sorted[i].key;
  }

  Key low(int i) const { return i < 0 ? Key(0) : high(i); }
  Key high(int i) const { return i >= size ? Key(last_key<Key> - 1) : keys[i]; }
};

template <class Key>
std::int32_t count_below(const Key* __restrict keys, std::ptrdiff_t n, Key limit) {
  std::int32_t below = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) below += keys[i] < limit;
  return below;
}

inline float root(float x) { return __builtin_sqrtf(x); }

#if defined(__AVX512BW__)
// The same for 16 pixels in a row; `band` has room for 8 elements beyond its last.
inline int gather_16(const std::uint32_t* keys, std::uint32_t position, std::uint32_t low, std::uint32_t span,
                     Element<std::uint32_t>* band, int n) {
  const __m512i key = _mm512_load_si512(keys);
  const __m512i lanes_16 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i at = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(position)), lanes_16);
  const __mmask16 in = _mm512_cmple_epu32_mask(_mm512_sub_epi32(key, _mm512_set1_epi32(static_cast<int>(low))),
                                               _mm512_set1_epi32(static_cast<int>(span)));
  // Elements, a key and its position, are 64 bits: eight at a time.
  const __m512i low_half = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high_half = _mm512_add_epi32(low_half, _mm512_set1_epi32(8));
  const __m512i first = _mm512_permutex2var_epi32(key, low_half, at);
  const __m512i second = _mm512_permutex2var_epi32(key, high_half, at);
  _mm512_storeu_si512(band + n, _mm512_maskz_compress_epi64(static_cast<__mmask8>(in), first));
  n += __builtin_popcount(in & 0xff);
  _mm512_storeu_si512(band + n, _mm512_maskz_compress_epi64(static_cast<__mmask8>(in >> 8), second));
  return n + __builtin_popcount(in >> 8);
}
#endif

// Gathers the region's pixels with low <= key <= high into tile.band.
template <class Key>
int gather(MedianTile<Key>& tile, Key low, Key high) {
  const Key span = high - low;
  Element<Key>* const band = tile.band;
  int n = 0;
  for (int y = 0; y < tile.region_rows; ++y) {
    const Key* keys = tile.keys + std::ptrdiff_t(y) * tile.pitch;
    const std::uint32_t row = static_cast<std::uint32_t>(y) << 16;
    int x = 0;
#if defined(__AVX512BW__)
    if constexpr (sizeof(Key) == 4)
      for (; x < tile.pitch; x += 16) n = gather_16(keys + x, row | static_cast<std::uint32_t>(x), low, span, band, n);
#endif
    for (; x < tile.pitch; ++x) {
      band[n] = {keys[x], row | static_cast<std::uint32_t>(x)};
      n += static_cast<Key>(keys[x] - low) <= span;
    }
  }
  return n;
}

// One window's median, or the lower or upper of two, is `key`, and so is the next pixel when has_next. Until the upper
// of two is found it is taken for the largest key. Gives 1 when the window is finished, else 0.
template <class Key>
inline int found(MedianTile<Key>& tile, int i, Key key, bool has_next) {
  const int done = tile.wanted[i] == 1 || has_next;
  tile.lower[i] = smaller(tile.lower[i], key);
  tile.upper[i] = done ? key : last_key<Key>;
  tile.wanted[i] = 1;
  tile.left[i] = done * finished;
  return done;
}

// A run of equal keys: counted in every window at once. Gives the number of windows finished.
template <class Key>
int take_run(MedianTile<Key>& tile, const Element<Key>* run, int n) {
  __builtin_memset(tile.present, 0, std::size_t(tile.region_rows) * tile.pitch);
  for (int i = 0; i < n; ++i)
    tile.present[std::ptrdiff_t(run[i].position >> 16) * tile.pitch + (run[i].position & 0xffff)] = 1;
  const Key key = run[0].key;
  int done = 0;
  box_counts(tile, [&](int r, const std::int32_t* sums) {
    for (int x = 0; x < tile_cols; ++x) {
      const int i = r * tile_cols + x;
      if (tile.left[i] < sums[x])
        done += found(tile, i, key, tile.left[i] + 1 < sums[x]);
      else
        tile.left[i] -= sums[x];
    }
  });
  return done;
}

// For outputs 0 .. outputs - 1, one bit per pixel of the bin: does the window that begins there hold it?
template <class Key, int Shift>
void window_masks(const Element<Key>* bin, int n, int window, int outputs, std::uint64_t* masks) {
  for (int i = 0; i <= outputs; ++i) masks[i] = 0;
  for (int i = 0; i < n; ++i) {
    const int at = static_cast<int>(bin[i].position >> Shift & 0xffff);
    masks[larger(at - window + 1, 0)] ^= std::uint64_t(1) << i;  // enters
    masks[smaller(at + 1, outputs)] ^= std::uint64_t(1) << i;    // leaves
  }
  for (int i = 1; i < outputs; ++i) masks[i] ^= masks[i - 1];
}

// Counts the pixels of a bin in every window; hits[r] has a bit for each window of row r whose rank is used up.
template <class Key>
void count_bin(MedianTile<Key>& tile, const Element<Key>* bin, int n, std::uint64_t* hits) {
  std::uint8_t* const counts = tile.bin;
  __builtin_memset(counts, 0, std::size_t(tile.region_rows) * tile_cols);
  for (int i = 0; i < n; ++i) {
    std::uint8_t* __restrict row = counts + std::ptrdiff_t(bin[i].position >> 16) * tile_cols;
    const std::uint8_t* __restrict ones =
        tile.step + tile_cols - 1 + tile.window_cols - 1 - std::ptrdiff_t(bin[i].position & 0xffff);
    for (int x = 0; x < tile_cols; ++x) row[x] += ones[x];
  }
  for (int r = 0; r < tile.rows; ++r) hits[r] = 0;
  for (int x = 0; x < tile_cols; x += lanes) {
    const auto row = [&](int y) { return *reinterpret_cast<const Bytes*>(counts + std::ptrdiff_t(y) * tile_cols + x); };
    Bytes sum = {};
    for (int y = 0; y < tile.window_rows - 1; ++y) sum += row(y);
    for (int r = 0; r < tile.rows; ++r) {
      Bytes& left = *reinterpret_cast<Bytes*>(tile.left_byte + r * tile_cols + x);
      sum += row(r + tile.window_rows - 1);
      const Bytes hit = reinterpret_cast<Bytes>(left < sum);
      left -= sum & ~hit;
      hits[r] |= bits_of(hit) << x;
      sum -= row(r);
    }
  }
}

// At most 64 sorted pixels. Gives the number of windows finished. Without a branch in the loop: whether a window holds
// an even number of pixels is anyone's guess.
template <bool Odd, class Key>
int take_bin(MedianTile<Key>& tile, const Element<Key>* bin, int n) {
  std::uint64_t hits[max_tile_rows], in_rows[max_tile_rows + 1], in_cols[tile_cols + 1];
  count_bin(tile, bin, n, hits);
  window_masks<Key, 16>(bin, n, tile.window_rows, tile.rows, in_rows);
  window_masks<Key, 0>(bin, n, tile.window_cols, tile_cols, in_cols);
  Key *const lower = tile.lower, *const upper = tile.upper;
  std::uint8_t *const left = tile.left_byte, *const wanted = tile.wanted;
  int done = 0;
  for (int r = 0; r < tile.rows; ++r) {
    const std::uint64_t in_row = in_rows[r];
    if constexpr (Odd) done += __builtin_popcountll(hits[r]);
    for (std::uint64_t bits = hits[r]; bits; bits &= bits - 1) {
      const int x = __builtin_ctzll(bits), i = r * tile_cols + x;
      const std::uint64_t inside = in_row & in_cols[x];
      const int at = select_bit(inside, left[i]);
      if constexpr (Odd) {
        lower[i] = bin[at].key;
        left[i] = used_up;
      } else {
        const std::uint64_t after = inside >> at >> 1;
        const int two = wanted[i] - 1, has_next = after != 0, finishes = has_next | (two ^ 1);
        const int next = (__builtin_ctzll(after | std::uint64_t(1) << 63) + 1) & -(two & has_next);
        lower[i] = smaller(lower[i], bin[at].key);
        upper[i] = bin[at + next].key | (Key(finishes) - 1);  // as found() does
        wanted[i] = 1;
        left[i] = static_cast<std::uint8_t>(-finishes);
        done += finishes;
      }
    }
  }
  return done;
}

inline std::int32_t saturated(std::int32_t rank) { return rank < used_up ? rank : used_up; }

inline void narrow_ranks(const std::int32_t* __restrict left, std::uint8_t* __restrict bytes, int n) {
  for (int i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(saturated(left[i]));
}

// Ranks only fall; one that has risen was set when its window was finished. (Bins that follow take off at most 64
// each, which leaves it above what it was.)
inline void widen_ranks(std::int32_t* __restrict left, const std::uint8_t* __restrict bytes, int n) {
  for (int i = 0; i < n; ++i) {
    const std::int32_t before = saturated(left[i]), now = bytes[i];
    left[i] = now > before ? finished : left[i] - before + now;
  }
}

// Up to three bins, with ranks in saturated bytes. Gives the number of windows finished.
template <class Key>
int take_group(MedianTile<Key>& tile, const Element<Key>* group, int n) {
  narrow_ranks(tile.left, tile.left_byte, tile.rows * tile_cols);
  int done = 0;
  for (int i = 0; i < n; i += bin_size) {
    const int size = smaller(bin_size, n - i);
    done += tile.complete ? take_bin<true>(tile, group + i, size) : take_bin<false>(tile, group + i, size);
  }
  widen_ranks(tile.left, tile.left_byte, tile.rows * tile_cols);
  return done;
}

// How many of n sorted pixels come before a long run of equal keys, at most a group.
template <class Key>
int before_long_run(const Element<Key>* sorted, int n) {
  const int limit = smaller(n, group_size);
  for (int i = 0; i < limit && i + long_run <= n; ++i)
    if (sorted[i].key == sorted[i + long_run - 1].key) return i;
  return limit;
}

// Takes a sorted band off the ranks; gives the number of windows that are still unfinished.
template <class Key>
int take_band(MedianTile<Key>& tile, const Element<Key>* sorted, int n, int unfinished) {
  for (int i = 0; i < n && unfinished > 0;) {
    int size = before_long_run(sorted + i, n - i);
    if (size > 0) {
      unfinished -= take_group(tile, sorted + i, size);
    } else {
      while (i + size < n && sorted[i + size].key == sorted[i].key) ++size;
      unfinished -= take_run(tile, sorted + i, size);
    }
    i += size;
  }
  return unfinished;
}

// Where the first band begins and ends, in the sample.
struct Band {
  int first, last;
  int width() const { return larger(last - first, 1); }
};

// A window's median scatters about the tile's by half a standard deviation of the rank that it has in the window. The
// sample only proposes: how many pixels lie below an edge is counted.
template <class Key>
Band first_band(const MedianTile<Key>& tile, const Sample<Key>& sample) {
  const std::ptrdiff_t n = std::ptrdiff_t(tile.region_rows) * tile.pitch;
  const auto below = [&](Key limit) { return static_cast<float>(count_below(tile.keys, n, limit)); };
  const float pixels = below(last_key<Key>), size = static_cast<float>(sample.size);
  const float window = static_cast<float>(tile.window_rows) * static_cast<float>(tile.window_cols);
  const float share = pixels / (static_cast<float>(tile.region_rows) * static_cast<float>(tile.cols + tile.window_cols - 1));
  const float half = smaller(0.5f, 1.5f / root(window * share));
  const int step = larger(1, static_cast<int>(0.375f * root(size)));

  const auto low_enough = [&](int i) { return below(sample.low(i)) <= (0.5f - half) * pixels; };
  const auto high_enough = [&](int i) { return below(static_cast<Key>(sample.high(i) + 1)) >= (0.5f + half) * pixels; };
  Band band{static_cast<int>((0.5f - half) * size), static_cast<int>((0.5f + half) * size)};
  if (low_enough(band.first))
    for (int tries = 0; tries < 2 && low_enough(band.first + step); ++tries) band.first += step;
  else
    while (band.first >= 0 && !low_enough(band.first)) band.first -= step;
  if (band.last < sample.size && high_enough(band.last))
    for (int tries = 0; tries < 2 && high_enough(band.last - step); ++tries) band.last -= step;
  else
    while (band.last < sample.size && !high_enough(band.last)) band.last += step;
  return band;
}

}  // namespace

template <class Key>
void median_tile(MedianTile<Key>& tile) {
  int unfinished = start(tile);
  if (unfinished == 0) return;
  const Sample<Key> sample(tile);
  const Band band = first_band(tile, sample);

  int edge = band.first;
  Key low = sample.low(edge);
  for (int step = band.width(); !rank_above(tile, low); step *= 2) low = sample.low(edge -= step);

  // The largest key is never gathered: what a window still misses at the end is that, and stands there already.
  edge = band.last;
  for (int step = band.width();; step *= 2) {
    const Key high = larger(low, sample.high(edge));
    const int n = gather(tile, low, high);
    const Element<Key>* sorted = sort(tile.band, tile.spare, n, low, high);
    unfinished = take_band(tile, sorted, n, unfinished);
    if (unfinished == 0 || high == last_key<Key> - 1) return;
    low = high + 1;
    edge += step;
  }
}

template void median_tile<std::uint32_t>(MedianTile<std::uint32_t>&);
template void median_tile<std::uint64_t>(MedianTile<std::uint64_t>&);

}  // namespace fleck::FLECK_ISA
