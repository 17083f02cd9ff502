#include "isa/median_network.hpp"

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
  static void run(const T* const* input, int tiles, T* workspace, T* medians, std::ptrdiff_t median_row, Done done) {
    T* const scratch = workspace + slots_size;
    const T* rows[input_rows];
    T *slots[Network::lead + 1], *out[Network::tile_rows];
    for (int j = -Network::lead; j < tiles; ++j) {
      const std::ptrdiff_t at = std::ptrdiff_t(j) * Network::tile_cols * L::lanes;
      for (int r = 0; r < input_rows; ++r) rows[r] = input[r] + at;
      for (int k = 0; k <= Network::lead; ++k)
        slots[k] = workspace + std::ptrdiff_t((j + k + Network::lead) % ring) * Network::slot_size * L::lanes;
      Network::ahead(rows, slots, scratch);
      if (j < 0) continue;
      for (int r = 0; r < Network::tile_rows; ++r) out[r] = medians + r * median_row + at;
      done(j, Network::tile(rows, slots, scratch, out));
    }
  }
};

// The medians of a window, with the trimmed network where there is one and it pays.
template <class L, class Network, class Trimmed>
struct Window {
  using T = typename L::T;
  static constexpr bool has_trimmed = !std::is_same_v<Network, Trimmed>;
  static constexpr std::ptrdiff_t trimmed_size = has_trimmed ? Tiles<L, Trimmed>::workspace_size : 0;

  static constexpr NetworkSizes sizes() {
    return {Network::window_rows, Network::window_cols, Network::tile_rows, Network::tile_cols, L::lanes,
            Network::lead,        Network::reach,       trimmed_size + Tiles<L, Network>::workspace_size};
  }

  static void strip(MedianStrip<T>& strip, std::int64_t y) {
    const T* input[max_rows];
    const int ring = strip.ring_rows();
    for (int r = 0; r < ring; ++r)
      input[r] = strip.pixels + (y + r) % ring * strip.row_size() + strip.sizes.lead * Network::tile_cols * L::lanes;
    const std::ptrdiff_t median_row = std::ptrdiff_t(strip.lane_cols()) * L::lanes;
    strip.unproven_count = 0;
    if (has_trimmed && strip.untrimmed == 0) {
      Tiles<L, Trimmed>::run(input, strip.tiles, strip.workspace, strip.medians, median_row,
                             [&](int tile, std::uint64_t unproven) {
                               fetch(strip, tile);
                               for (; unproven; unproven &= unproven - 1)
                                 strip.unproven[strip.unproven_count++] = __builtin_ctzll(unproven) * strip.tiles + tile;
                             });
      if (strip.unproven_count * 8 <= strip.tiles * L::lanes) return;
      strip.unproven_count = 0;
      strip.untrimmed = strips_untrimmed;
    }
    strip.untrimmed -= strip.untrimmed > 0;
    Tiles<L, Network>::run(input, strip.tiles, strip.workspace + trimmed_size, strip.medians, median_row,
                           [&](int tile, std::uint64_t) { fetch(strip, tile); });
  }
};

template <class T>
struct Entry {
  NetworkSizes sizes;
  void (*strip)(MedianStrip<T>&, std::int64_t);
};

template <class T>
const Entry<T>* find(int window_rows, int window_cols) {
#define FLECK_ENTRY(Network, Trimmed)                                                        \
  {Window<NetworkLanes<T>, Network<NetworkLanes<T>>, Trimmed<NetworkLanes<T>>>::sizes(),                                  \
   &Window<NetworkLanes<T>, Network<NetworkLanes<T>>, Trimmed<NetworkLanes<T>>>::strip},
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
void put_line(const MedianStrip<T>& strip, std::int64_t y, const T* line) {
  using L = NetworkLanes<T>;
  T* const row = strip.pixels + y % strip.ring_rows() * strip.row_size() +
                 std::ptrdiff_t(strip.sizes.lead) * strip.sizes.tile_cols * L::lanes;
  const int cols = strip.row_vectors() - strip.sizes.lead * strip.sizes.tile_cols - L::lanes;
  for (int c = 0; c < cols; c += L::lanes) L::gather(line + c, strip.line_stride, row + std::ptrdiff_t(c) * L::lanes);
}

template <class T>
void median_strip(MedianStrip<T>& strip, std::int64_t y) {
  find<T>(strip.sizes.window_rows, strip.sizes.window_cols)->strip(strip, y);
}

template <class T>
void take_line(const MedianStrip<T>& strip, int r, T* line) {
  using L = NetworkLanes<T>;
  const int cols = strip.lane_cols();
  const T* medians = strip.medians + std::ptrdiff_t(r) * cols * L::lanes;
  // From the last on: what a lane writes beyond its columns, the next one corrects.
  for (int c = (cols - 1) / L::lanes * L::lanes; c >= 0; c -= L::lanes)
    L::scatter(medians + std::ptrdiff_t(c) * L::lanes, line + c, cols);
}

#define FLECK_INSTANTIATE(T)                                                        \
  template NetworkSizes network_sizes<T>(int, int);                                 \
  template void put_line<T>(const MedianStrip<T>&, std::int64_t, const T*);         \
  template void median_strip<T>(MedianStrip<T>&, std::int64_t);                     \
  template void take_line<T>(const MedianStrip<T>&, int, T*);
FLECK_INSTANTIATE(float)
FLECK_INSTANTIATE(double)
FLECK_INSTANTIATE(std::int16_t)
#undef FLECK_INSTANTIATE

}  // namespace fleck::FLECK_ISA
