#include "fleck/median_filter.hpp"

#include <stdexcept>
#include <vector>

#include "element.hpp"
#include "fleck/tuning.hpp"
#include "isa.hpp"
#include "median_bands.hpp"
#include "median_lines.hpp"
#include "median_networks.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

// Side of the largest window that takes a network.
template <class Key>
int network_side() {
  if (sizeof(Key) == 2) return max_window;  // always the faster
  return sizeof(Key) == 4 ? tuning().network_side_32 : tuning().network_side_64;
}

template <class E, bool Swapped, class Out>
void run(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
         const std::byte* cval, int threads) {
  using Key = ordered_key<E>;
  if (has_lines(window)) return LineFilter<E, Swapped, Out>(image, mask, out, window, border, cval).run(threads);
  const int rows = static_cast<int>(std::min<std::int64_t>(band_tile_rows(window.rows), image.rows));
  TileSet left(image.rows, image.cols, rows, tile_cols);
  const NetworkFilter<E, Swapped, Out> networks(image, mask, out, window, border, cval);
  const bool small = std::max(window.rows, window.cols) <= network_side<network_key<E>>();
  if (small && networks.exists())
    networks.run(left, threads);
  else
    left.add(0, image.rows, 0, image.cols);
  const std::vector<std::int64_t> tiles = left.numbers();
  const BandFilter<E, Swapped, Out> bands(image, mask, out, window, border, cval);
  const std::int64_t across = (image.cols - 1) / tile_cols + 1;
  std::vector<std::unique_ptr<BandScratch<Key>>> scratch(resolve_threads(threads));
  constexpr std::int64_t together = 16;  // tiles of one job, each calling for the memory of the next
  const std::int64_t count = static_cast<std::int64_t>(tiles.size());
  parallel_for((count + together - 1) / together, threads, [&](std::int64_t job, int worker) {
    if (!scratch[worker])
      scratch[worker] =
          std::make_unique<BandScratch<Key>>(static_cast<int>(window.rows), static_cast<int>(window.cols), rows);
    const auto place = [&](std::int64_t i) { return std::pair(tiles[i] / across * rows, tiles[i] % across * tile_cols); };
    for (std::int64_t i = job * together, last = std::min(i + together, count); i < last; ++i) {
      bands.load(scratch[worker]->tile, place(i), rows);
      if (i + 1 < last) bands.fetch(scratch[worker]->tile, place(i + 1));
      bands.find(scratch[worker]->tile, place(i));
    }
  });
}

// Whether Out can be the result for E: its own type, or the float that an even count needs.
template <class E, class Out>
constexpr bool has_result = std::is_same_v<std::conditional_t<std::is_same_v<E, Half>, float, E>, Out> ||
                            (std::is_integral_v<E> &&
                             std::is_same_v<Out, std::conditional_t<sizeof(E) <= 2, float, double>>);

template <class Out>
constexpr DType dtype_of_type =
    std::is_same_v<Out, float>    ? DType::f32
    : std::is_same_v<Out, double> ? DType::f64
    : sizeof(Out) == 1            ? (std::is_signed_v<Out> ? DType::i8 : DType::u8)
    : sizeof(Out) == 2            ? (std::is_signed_v<Out> ? DType::i16 : DType::u16)
    : sizeof(Out) == 4            ? (std::is_signed_v<Out> ? DType::i32 : DType::u32)
                                  : (std::is_signed_v<Out> ? DType::i64 : DType::u64);

void require(bool ok, const char* what) {
  if (!ok) throw std::invalid_argument(what);
}

}  // namespace

DType median_dtype(DType dtype, bool excludes) {
  switch (dtype) {
    case DType::f16: return DType::f32;
    case DType::u8:
    case DType::i8:
    case DType::u16:
    case DType::i16: return excludes ? DType::f32 : dtype;
    case DType::u32:
    case DType::i32:
    case DType::u64:
    case DType::i64: return excludes ? DType::f64 : dtype;
    case DType::f32:
    case DType::f64: break;
  }
  return dtype;
}

template <class Out>
void median_filter(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
                   const std::byte* cval, int threads) {
  const auto fits = [](std::int64_t side, std::int64_t frame) { return side % 2 == 1 && side >= 1 && side <= frame; };
  require(fits(window.rows, image.rows) && fits(window.cols, image.cols),
          "window sides must be odd and no larger than the frame");
  require(window.rows <= max_window && window.cols <= max_window, "window sides must be at most 4095");
  require(out.rows == image.rows && out.cols == image.cols, "output and image differ in shape");
  require(median_dtype(image.dtype, may_exclude(mask, border)) == dtype_of_type<Out>, "output has the wrong type");
  visit_type(image.dtype, image.swapped, [&]<class E, bool Swapped>() {
    if constexpr (has_result<E, Out>) run<E, Swapped>(image, mask, out, window, border, cval, threads);
  });
}

#define FLECK_INSTANTIATE(Out)                                                                                   \
  template void median_filter<Out>(const Image&, const Mask&, const View2D<Out>&, MedianWindow, Border,          \
                                   const std::byte*, int);
FLECK_INSTANTIATE(std::uint8_t)
FLECK_INSTANTIATE(std::int8_t)
FLECK_INSTANTIATE(std::uint16_t)
FLECK_INSTANTIATE(std::int16_t)
FLECK_INSTANTIATE(std::uint32_t)
FLECK_INSTANTIATE(std::int32_t)
FLECK_INSTANTIATE(std::uint64_t)
FLECK_INSTANTIATE(std::int64_t)
FLECK_INSTANTIATE(float)
FLECK_INSTANTIATE(double)
#undef FLECK_INSTANTIATE

}  // namespace fleck
