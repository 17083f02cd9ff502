// Many frames of one scene become one: mean, median, clipped mean, or what is left after cosmic-ray rejection.
//
// A frame's pixel d is compared and combined as x = (d - zero) / scale, in float32; its variance is the square of its
// error or, without an error plane, slope * max(d, 0) + floor. Results depend on no other frame's order than that of
// the stack, and on neither threads nor instruction set.
//
// Layout   any Images of one shape in (the quality of integers); float32 and int32 out, whose columns are contiguous.
// Blank    a pixel whose data or error is not finite is never used.
// Reading  each thread reads its rows once, in order, for cosmic rays also some rows before its first; a frame's file, if
//          it has one, 32 KB at a time. Throws UnreadableFile. Sums are taken frame by frame.
// Scratch  a row of every frame for each thread, 12 bytes a pixel, for cosmic rays 14; 32 KB for each plane of a file.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <system_error>
#include <vector>

#include "fleck/image.hpp"

namespace fleck {

// An open file that is mapped from begin to end: what lies there is read from the file.
struct MappedFile {
  int descriptor = -1;  // there is none
  const std::byte *begin = nullptr, *end = nullptr;
};

struct UnreadableFile : std::system_error {
  int descriptor;
  UnreadableFile(int descriptor_, int error)
      : std::system_error(error, std::generic_category()), descriptor(descriptor_) {}
};

struct StackFrame {
  Image data;
  Image error = {}, quality = {};  // data == nullptr: there is none
  float zero = 0, scale = 1;
  float slope = 0, floor = 0;
  MappedFile file = {};
};

struct StackResult {
  View2D<float> data, error;
  View2D<std::int32_t> quality;
  View2D<std::int32_t> used;  // frames that a pixel is made of; may be empty
};

// Told now and then, by any thread, of rows that are finished, from first to before last. What it throws stops the work.
using AfterRows = std::function<void(std::int64_t first, std::int64_t last)>;

enum class StackMethod { mean, median, clipped_mean };

// What lies more than low (high) standard deviations below (above) the median of what is left is left out, again and
// again until nothing more is, `rounds` times at the most.
struct Clipping {
  double low = 3, high = 3;
  int rounds = 5;
};

// Pixels with one of the bits are not used. Mean and deviation are taken in float64; the median of an even number is
// the mean of the middle two. The error is sqrt(sum of variances of x) / n, that of a median of more than two
// sqrt(pi / 2) times that; the quality is the OR of what is used. Where nothing is: 0, 0 and the OR of all.
void combine_stack(std::span<const StackFrame> frames, StackMethod method, std::int32_t bits, const Clipping& clipping,
                   const StackResult& result, int threads, const AfterRows& after);

// The algorithm of ACSREJ (calacs 10.5, ACS ISR 2018-05), in float32 and in its order: t is a frame's scale, d - zero its
// counts above the sky, v its variance, g the guess.
//   guess      the median or the least x of a pixel's good frames; 0 where none is
//   iteration  for every sigma: a pixel is HIT where (x - g)^2 > sigma^2 (v + (scale_noise max(g t, 0))^2) / t^2; of its
//              neighbours within the radius, in its own row and those after it, SPILL are those with
//              (x - g)^2 > spill^2 sigma^2 v / t^2 (spill <= 0: all), which are tested all the same. Then
//              g = sum(x t) / sum(t) over what is neither HIT, SPILL nor excluded; g stays where nothing is left
//   result     g T + sky with T = sum(t) and sky = max(sum(zero), 0); error T / sum(t) sqrt(sum v), over what is left; 0
//              and `sky` where nothing is; the OR of all qualities without rejected_bit, which is set where all
//              frames are HIT or SPILL
// A pixel with one of `bits` is excluded: neither tested nor summed. With `accidents` what ACSREJ does besides is done
// too. It keeps its marks in a copy of the quality, so a quality of 8 or 2 acts like HIT or SPILL; a pixel marked SPILL
// from an earlier row is no longer excluded and its quality is lost, as is bit 2 of all; the least x is min(0, x) of the
// rest where the first frame's pixel is bad; and for biases and darks (`exempt`) excluded pixels are summed.
struct CosmicRays {
  std::vector<float> sigmas;
  float radius = 2.1f;
  float spill = 0.5555f;
  float scale_noise = 0.3f;  // a fraction
  bool median = false;
  std::int32_t bits = 0;
  bool exempt = false;  // bit 4 does not count for biases and darks
  bool accidents = true;
  std::int32_t rejected_bit = 8192;
};

// Gives how many pixels of each frame were rejected in the last iteration; `rejected`, which may be empty, has a 1 for
// each of them, frame after frame.
std::vector<std::int64_t> reject_cosmic_rays(std::span<const StackFrame> frames, const CosmicRays& rules,
                                             const StackResult& result, std::uint8_t* rejected, int threads,
                                             const AfterRows& after);

// The most frequent value of each frame, as ACSREJ takes its sky: from a histogram of bins of 1 (wider where there
// would be more than 10000) from the least value of the first frame, at -15000 or above, to twice its mean less that,
// the peak of a parabola through the highest bin and its neighbours. Pixels of the first frame with one of `bits` do
// not set the range, and pixels of any frame whose quality is not 0 do not count.
// `after` is told of each frame that is read.
std::vector<float> sky_modes(std::span<const StackFrame> frames, std::int32_t bits, int threads,
                             const std::function<void(std::int64_t frame)>& after);

}  // namespace fleck
