#include "isa/median_network.hpp"

#include <type_traits>

#include "isa/lanes.hpp"

namespace fleck::FLECK_ISA {
namespace {

#define FLECK_NETWORK __attribute__((noinline))
#include "median_networks.inc"
#undef FLECK_NETWORK

constexpr int max_rows = 64;  // of the input of a tile
constexpr int strips_untrimmed = 15;

constexpr int power_of_two(int n) { return n <= 1 ? 1 : 2 * power_of_two((n + 1) / 2); }

// One kind of network at work on a row of tiles.
template <class L, class Network>
struct Tiles {
  using T = typename L::T;
  static constexpr int input_rows = Network::window_rows - 1 + Network::tile_rows;
  static constexpr int ring = power_of_two(Network::slots);
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
        slots[k] = workspace + std::ptrdiff_t((j + k + ring) & (ring - 1)) * Network::slot_size * L::lanes;
      Network::ahead(rows, slots, scratch);
      if (j < 0) continue;
      for (int r = 0; r < Network::tile_rows; ++r) out[r] = medians + r * median_row + at;
      done(j, Network::tile(rows, slots, scratch, out));
    }
  }
};

// Tiles whose medians were not proven, lane by lane, until there are enough for the full network.
template <class L, class Network>
class Redo {
  using T = typename L::T;
  using Full = Tiles<L, Network>;
  static constexpr int cols = Network::tile_cols + Network::window_cols - 1;  // of a tile's input
  static constexpr int row_vectors = Network::lead * Network::tile_cols + Network::reach;
  static constexpr std::ptrdiff_t row_size = std::ptrdiff_t(row_vectors) * L::lanes;
  static constexpr std::ptrdiff_t median_row = std::ptrdiff_t(Network::tile_cols) * L::lanes;

 public:
  static constexpr std::ptrdiff_t workspace_size =
      Full::workspace_size + Full::input_rows * row_size + Network::tile_rows * median_row;

  Redo(const T* const* input, T* medians, std::ptrdiff_t medians_row, T* workspace)
      : input_(input), medians_(medians), medians_row_(medians_row), workspace_(workspace) {}

  void add(int tile, int lane) {
    for (int r = 0; r < Full::input_rows; ++r) {
      const T* from = input_[r] + std::ptrdiff_t(tile) * Network::tile_cols * L::lanes + lane;
      T* to = row(r) + count_;
      for (int c = 0; c < cols; ++c) to[c * L::lanes] = from[c * L::lanes];
    }
    at_[count_++] = std::ptrdiff_t(tile) * Network::tile_cols * L::lanes + lane;
    if (count_ == L::lanes) flush();
  }

  void flush() {
    if (count_ == 0) return;
    const T* input[Full::input_rows];
    for (int r = 0; r < Full::input_rows; ++r) input[r] = row(r);
    T* const medians = workspace_ + Full::workspace_size + Full::input_rows * row_size;
    Full::run(input, 1, workspace_, medians, median_row, [](int, std::uint64_t) {});
    for (int r = 0; r < Network::tile_rows; ++r)
      for (int c = 0; c < Network::tile_cols; ++c)
        for (int k = 0; k < count_; ++k)
          medians_[r * medians_row_ + at_[k] + c * L::lanes] = medians[r * median_row + c * L::lanes + k];
    count_ = 0;
  }

 private:
  T* row(int r) const {
    return workspace_ + Full::workspace_size + Network::lead * median_row + r * row_size;
  }

  const T* const* input_;
  T* medians_;
  std::ptrdiff_t medians_row_;
  T* workspace_;
  std::ptrdiff_t at_[L::lanes];
  int count_ = 0;
};

// The medians of a window, with the trimmed network where there is one and it pays.
template <class L, class Network, class Trimmed>
struct Window {
  using T = typename L::T;
  static constexpr bool has_trimmed = !std::is_same_v<Network, Trimmed>;
  static constexpr std::ptrdiff_t trimmed_size = has_trimmed ? Tiles<L, Trimmed>::workspace_size : 0;

  static constexpr NetworkSizes sizes() {
    return {Network::window_rows, Network::window_cols, Network::tile_rows, Network::tile_cols, L::lanes,
            Network::lead,        Network::reach,       trimmed_size + Redo<L, Network>::workspace_size};
  }

  static void strip(MedianStrip<T>& strip, std::int64_t y) {
    const T* input[max_rows];
    const int ring = strip.ring_rows();
    for (int r = 0; r < ring; ++r)
      input[r] = strip.pixels + (y + r) % ring * strip.row_size() + strip.sizes.lead * Network::tile_cols * L::lanes;
    const std::ptrdiff_t median_row = std::ptrdiff_t(strip.lane_cols()) * L::lanes;
    T* const workspace = strip.workspace + trimmed_size;
    if (!has_trimmed || strip.untrimmed > 0) {
      strip.untrimmed -= strip.untrimmed > 0;
      Tiles<L, Network>::run(input, strip.tiles, workspace, strip.medians, median_row, [](int, std::uint64_t) {});
      return;
    }
    Redo<L, Network> redo(input, strip.medians, median_row, workspace);
    int redone = 0;
    Tiles<L, Trimmed>::run(input, strip.tiles, strip.workspace, strip.medians, median_row,
                           [&](int tile, std::uint64_t unproven) {
                             for (; unproven; unproven &= unproven - 1, ++redone)
                               redo.add(tile, __builtin_ctzll(unproven));
                           });
    redo.flush();
    if (redone * 8 > strip.tiles * L::lanes) strip.untrimmed = strips_untrimmed;
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
  {Window<Lanes<T>, Network<Lanes<T>>, Trimmed<Lanes<T>>>::sizes(),                                  \
   &Window<Lanes<T>, Network<Lanes<T>>, Trimmed<Lanes<T>>>::strip},
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
  using L = Lanes<T>;
  T* const row = strip.pixels + y % strip.ring_rows() * strip.row_size() +
                 std::ptrdiff_t(strip.sizes.lead) * strip.sizes.tile_cols * L::lanes;
  const int cols = strip.row_vectors() - strip.sizes.lead * strip.sizes.tile_cols - L::lanes;
  for (int c = 0; c < cols; c += L::lanes) L::gather(line + c, strip.lane_cols(), row + std::ptrdiff_t(c) * L::lanes);
}

template <class T>
void median_strip(MedianStrip<T>& strip, std::int64_t y) {
  find<T>(strip.sizes.window_rows, strip.sizes.window_cols)->strip(strip, y);
}

template <class T>
void take_line(const MedianStrip<T>& strip, int r, T* line) {
  using L = Lanes<T>;
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
