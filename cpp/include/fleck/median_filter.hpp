// Exact two-dimensional median of any odd window, with pixels left out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fleck/image.hpp"

namespace fleck {

// What stands beyond the frame, in the words of scipy.ndimage; `shrink` keeps only what lies inside.
enum class Border : std::uint8_t { reflect, constant, nearest, mirror, wrap, shrink };

inline constexpr std::int64_t max_window = 4095;

struct MedianWindow {
  std::int64_t rows = 1;  // odd, at most the frame's rows and max_window
  std::int64_t cols = 1;  // odd, at most the frame's cols and max_window
};

// True when a window may hold fewer pixels than its area, for a reason other than NaN.
inline bool may_exclude(const Mask& mask, Border border) { return static_cast<bool>(mask) || border == Border::shrink; }

// The result's type: float16 gives float32, other floats their own; integers their own when nothing can be left
// out (the count is odd then), else float32 up to 16 bits and float64 beyond.
DType median_dtype(DType dtype, bool excludes);

// out[r, c] is the median of the window centred on image[r, c].
//
// Layout    image and mask: any strides, image in any type and byte order. out: shape of image, any strides, and
//           Out is median_dtype(image.dtype, may_exclude(mask, border)), else std::invalid_argument.
// Left out  NaN, and pixels where mask is not zero. The median of an even number of pixels is (a + b) / 2 of the
//           two middle ones, computed in Out; of no pixels it is NaN. -0.0 counts as just below +0.0.
// Border    pixels beyond the frame are those that scipy.ndimage puts there, with the mask of the pixel they
//           repeat; `constant` uses *cval, one value of the image's type in native byte order (null: zero), never
//           masked but left out when NaN; `shrink` leaves them out.
// Aliasing  out must not overlap image or mask.
// Method    Square windows of 3 to 21 pixels: networks of minimum and maximum, many tiles side by side in the lanes
//           of a vector. Pixels that are left out stand as the lowest and the highest number by turns, and how far
//           that shifts the middle of a window is counted. 3 x 3 where none is left out: minimum and maximum of whole
//           rows, without a copy where pixels are keys as they stand. One row or one column of 15, 31, 63, 127 or 255
//           pixels: sorted pieces of a line are merged, many lines side by side. Every other window, and tiles where
//           the shift is too far, a pixel is -infinity, or an integer is too large for the networks' keys: value
//           bands, which serve any window. All are exact, and give the same bytes.
// Cost      Networks: about 2 minima or maxima per pixel of the window, some 1.5 times as much where pixels are left
//           out. Lines: about 50 for 127 pixels, twice as many near pixels that are left out. Bands: grow slowly with
//           the window, some passes over a tile of 64 x 24 to 64 x 128 outputs with its halo. Threads share bands of
//           rows and tiles out; the result does not depend on them.
// Scratch   per thread. Networks: 0.4 MB for 3 x 3, 1.4 MB for 15 x 15, 2.3 MB for 21 x 21. Lines: 0.3 MB for 127
//           pixels. Bands: about 27 bytes (43 for 64-bit types) per pixel of a tile with its halo: 0.4 MB for a window
//           of 41 x 41, 3 MB for 255 x 255.
template <class Out>
void median_filter(const Image& image, const Mask& mask, const View2D<Out>& out, MedianWindow window, Border border,
                   const std::byte* cval, int threads);

}  // namespace fleck
