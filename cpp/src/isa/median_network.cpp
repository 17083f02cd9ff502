#include "isa/median_network.hpp"

#include <algorithm>
#include <type_traits>

#include "isa/median_lanes.hpp"

namespace fleck::FLECK_ISA {
namespace {

#define FLECK_NETWORK __attribute__((noinline))
#define FLECK_SHORT_NETWORK inline __attribute__((always_inline))
#include "median_networks.inc"
#undef FLECK_SHORT_NETWORK
#undef FLECK_NETWORK

constexpr int max_rows = 64;  // of the input of a tile
constexpr int strips_untrimmed = 16;

// A tile's share of the memory that the next strip wants.
template <class T>
inline void fetch(const MedianStrip<T>& strip, int tile) {
  const std::ptrdiff_t share = (strip.fetch_bytes / strip.tiles + 63) / 64 * 64;
  for (int r = 0; r < strip.fetch_rows; ++r)
    for (std::ptrdiff_t b = tile * share; b < (tile + 1) * share; b += 64) __builtin_prefetch(strip.fetch[r] + b, 0, 2);
  asm volatile("");  // gcc leaves out functions that only prefetch
}

// One kind of network at work on a row of tiles.
template <class L, class Network>
struct Tiles {
  using T = typename L::T;
  static constexpr int input_rows = Network::window_rows - 1 + Network::tile_rows;
  static constexpr int ring = Network::slots;
  static constexpr std::ptrdiff_t slots_size = std::ptrdiff_t(ring) * Network::slot_size * L::lanes;
  static constexpr std::ptrdiff_t workspace_size = slots_size + std::ptrdiff_t(Network::scratch_size) * L::lanes;
  static_assert(input_rows <= max_rows);

  // Calls done(j, unproven lanes) after every tile j. rows point to the columns of tile 0.
  template <class Done>
  static void run(const MedianStrip<T>& strip, const T* const* input, Done done) {
    T* const scratch = strip.workspace + slots_size;
    const T *rows[input_rows], *shifts[Network::tile_rows];
    T *slots[Network::lead + 1], *out[Network::tile_rows], *uppers[Network::tile_rows];
    for (int j = -Network::lead; j < strip.tiles; ++j) {
      const std::ptrdiff_t at = std::ptrdiff_t(j) * Network::tile_cols * L::lanes;
      for (int r = 0; r < input_rows; ++r) rows[r] = input[r] + at;
      for (int k = 0; k <= Network::lead; ++k)
        slots[k] = strip.workspace + std::ptrdiff_t((j + k + Network::lead) % ring) * Network::slot_size * L::lanes;
      Network::ahead(rows, slots, scratch);
      if (j < 0) continue;
      for (int r = 0; r < Network::tile_rows; ++r) {
        const std::ptrdiff_t output = std::ptrdiff_t(r) * strip.lane_cols() * L::lanes + at;
        out[r] = strip.medians + output;
        uppers[r] = strip.uppers + output;
        shifts[r] = strip.shifts + output;
      }
      done(j, Network::tile(rows, slots, scratch, out, shifts, uppers));
    }
  }
};

// Sums of signs in the windows of a strip, whose rows begin at `signs`; names the tiles where one is beyond the margin.
template <class L>
struct Shifts {
  using T = typename L::T;
  using V = typename L::V;

  static void sum(MedianStrip<T>& strip, const T* const* signs) {
    const NetworkSizes& sizes = strip.sizes;
    const int cols = strip.lane_cols() + sizes.window_cols - 1;
    T* const sums = strip.sums;
    T* const counts = sums + strip.row_size();
    for (int c = 0; c < cols; ++c) {
      V sum{}, count{};
      for (int y = 0; y < sizes.window_rows; ++y) {
        const V sign = L::load(signs[y], c);
        sum += sign;
        count += sign * sign;
      }
      L::store(sums, c, sum);
      L::store(counts, c, count);
    }
    T* const farthest = counts + strip.row_size();
    for (int j = 0; j < strip.tiles; ++j) L::store(farthest, j, V{});
    for (int r = 0; r < sizes.tile_rows; ++r) {
      if (r > 0) exchange_rows(signs[r - 1], signs[r - 1 + sizes.window_rows], cols, sums, counts);
      sum_row(strip, sums, counts, strip.shifts + std::ptrdiff_t(r) * strip.lane_cols() * L::lanes, farthest);
    }
    strip.shifted_count = 0;
    const V most = V{} + static_cast<T>(2 * sizes.margin);
    for (int j = 0; j < strip.tiles; ++j)
      for (std::uint64_t bits = L::bits(L::less(most, L::load(farthest, j))); bits; bits &= bits - 1)
        strip.shifted[strip.shifted_count++] = __builtin_ctzll(bits) * strip.tiles + j;
  }

 private:
  static void exchange_rows(const T* leaves, const T* enters, int cols, T* sums, T* counts) {
    for (int c = 0; c < cols; ++c) {
      const V out = L::load(leaves, c), in = L::load(enters, c);
      L::store(sums, c, L::load(sums, c) + in - out);
      L::store(counts, c, L::load(counts, c) + in * in - out * out);
    }
  }

  static void sum_row(const MedianStrip<T>& strip, const T* sums, const T* counts, T* shifts, T* farthest) {
    const int window = strip.sizes.window_cols;
    const T area = static_cast<T>(strip.sizes.window_rows * window), none = no_pixel;
    V sum{}, count{};
    for (int c = 0; c < window - 1; ++c) sum += L::load(sums, c), count += L::load(counts, c);
    for (int j = 0, c = 0; j < strip.tiles; ++j) {
      V far = L::load(farthest, j);
      for (const int end = c + strip.sizes.tile_cols; c < end; ++c) {
        sum += L::load(sums, c + window - 1);
        count += L::load(counts, c + window - 1);
        const V known = count < area ? sum : V{};
        far = L::max(far, L::max(known, -known));
        L::store(shifts, c, count < area ? known : V{} + none);
        sum -= L::load(sums, c);
        count -= L::load(counts, c);
      }
      L::store(farthest, j, far);
    }
  }
};

// The medians of a window, with the trimmed network where there is one and it pays.
template <class L, class Network, class Trimmed, class Masked, class TrimmedMasked>
struct Window {
  using T = typename L::T;
  static constexpr bool has_trimmed = !std::is_same_v<Network, Trimmed>;
  static constexpr int lead = std::max({Network::lead, Trimmed::lead, Masked::lead, TrimmedMasked::lead});
  static constexpr int reach = std::max({Network::reach, Trimmed::reach, Masked::reach, TrimmedMasked::reach});
  static constexpr std::ptrdiff_t workspace =
      std::max({Tiles<L, Network>::workspace_size, Tiles<L, Trimmed>::workspace_size, Tiles<L, Masked>::workspace_size,
                Tiles<L, TrimmedMasked>::workspace_size});

  static constexpr NetworkSizes sizes() {
    return {Network::window_rows, Network::window_cols, Network::tile_rows, Network::tile_cols, L::lanes,
            Masked::margin,       lead,                 reach,              workspace};
  }

  static void strip(MedianStrip<T>& strip, std::int64_t y) {
    const T *pixels[max_rows], *signs[max_rows];
    const int ring = strip.ring_rows();
    for (int r = 0; r < ring; ++r) {
      const std::ptrdiff_t at = (y + r) % ring * strip.row_size() + strip.sizes.lead * Network::tile_cols * L::lanes;
      pixels[r] = strip.pixels + at;
      signs[r] = strip.signs + at;
    }
    if (strip.masked) {
      Shifts<L>::sum(strip, signs);
      run<Masked, TrimmedMasked>(strip, pixels);
    } else {
      run<Network, Trimmed>(strip, pixels);
    }
  }

 private:
  template <class Whole, class Short>
  static void run(MedianStrip<T>& strip, const T* const* pixels) {
    strip.unproven_count = 0;
    if (has_trimmed && strip.untrimmed == 0) {
      Tiles<L, Short>::run(strip, pixels, [&](int tile, std::uint64_t unproven) {
        fetch(strip, tile);
        for (; unproven; unproven &= unproven - 1)
          strip.unproven[strip.unproven_count++] = __builtin_ctzll(unproven) * strip.tiles + tile;
      });
      if (strip.unproven_count * 8 <= strip.tiles * L::lanes) return;
      strip.unproven_count = 0;
      strip.untrimmed = strips_untrimmed;
    }
    strip.untrimmed -= strip.untrimmed > 0;
    Tiles<L, Whole>::run(strip, pixels, [&](int tile, std::uint64_t) { fetch(strip, tile); });
  }
};

template <class T>
struct Entry {
  NetworkSizes sizes;
  void (*strip)(MedianStrip<T>&, std::int64_t);
};

template <class T>
const Entry<T>* find(int window_rows, int window_cols) {
  using L = NetworkLanes<T>;
#define FLECK_ENTRY(Network, Trimmed, Masked, TrimmedMasked)                                  \
  {Window<L, Network<L>, Trimmed<L>, Masked<L>, TrimmedMasked<L>>::sizes(),                   \
   &Window<L, Network<L>, Trimmed<L>, Masked<L>, TrimmedMasked<L>>::strip},
  static constexpr Entry<T> entries[] = {FLECK_MEDIAN_NETWORKS(FLECK_ENTRY)};
#undef FLECK_ENTRY
  for (const Entry<T>& entry : entries)
    if (entry.sizes.window_rows == window_rows && entry.sizes.window_cols == window_cols) return &entry;
  return nullptr;
}

}  // namespace

template <class T>
NetworkSizes network_sizes(int window_rows, int window_cols) {
  const Entry<T>* entry = find<T>(window_rows, window_cols);
  return entry ? entry->sizes : NetworkSizes{};
}

template <class T>
void put_line(const MedianStrip<T>& strip, T* ring, std::int64_t y, const T* line) {
  using L = NetworkLanes<T>;
  T* const row = ring + y % strip.ring_rows() * strip.row_size() +
                 std::ptrdiff_t(strip.sizes.lead) * strip.sizes.tile_cols * L::lanes;
  const int cols = strip.row_vectors() - strip.sizes.lead * strip.sizes.tile_cols - L::lanes;
  for (int c = 0; c < cols; c += L::lanes) L::gather(line + c, strip.line_stride, row + std::ptrdiff_t(c) * L::lanes);
}

template <class T>
void median_strip(MedianStrip<T>& strip, std::int64_t y) {
  find<T>(strip.sizes.window_rows, strip.sizes.window_cols)->strip(strip, y);
}

template <class T>
void take_line(const MedianStrip<T>& strip, const T* medians, int r, T* line) {
  using L = NetworkLanes<T>;
  const int cols = strip.lane_cols();
  medians += std::ptrdiff_t(r) * cols * L::lanes;
  // From the last on: what a lane writes beyond its columns, the next one corrects.
  for (int c = (cols - 1) / L::lanes * L::lanes; c >= 0; c -= L::lanes)
    L::scatter(medians + std::ptrdiff_t(c) * L::lanes, line + c, cols);
}

#define FLECK_INSTANTIATE(T)                                                        \
  template NetworkSizes network_sizes<T>(int, int);                                 \
  template void put_line<T>(const MedianStrip<T>&, T*, std::int64_t, const T*);         \
  template void median_strip<T>(MedianStrip<T>&, std::int64_t);                     \
  template void take_line<T>(const MedianStrip<T>&, const T*, int, T*);
FLECK_INSTANTIATE(float)
FLECK_INSTANTIATE(double)
FLECK_INSTANTIATE(std::int16_t)
#undef FLECK_INSTANTIATE

}  // namespace fleck::FLECK_ISA
