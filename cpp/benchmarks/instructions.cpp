// Runs one kernel once on a small frame, with one thread, for benchmarks/instructions.py to count its instructions.
// With no argument: names the compiler, the target and the kernels.
#include <cstdio>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "fleck/cte_readout.hpp"
#include "fleck/combine_stack.hpp"
#include "fleck/gaussian_filter.hpp"
#include "fleck/label_components.hpp"
#include "fleck/median_filter.hpp"
#include "fleck/literal_search.hpp"
#include "fleck/mesh_statistics.hpp"
#include "fleck/peak_search.hpp"
#include "fleck/photon_noise.hpp"
#include "fleck/profile_fit.hpp"
#include "fleck/runtime.hpp"
#include "fleck/shadow_search.hpp"
#include "fleck/smooth_noise.hpp"
#include "fleck/streak_search.hpp"
#include "fleck/trail_scan.hpp"
#include "frames.hpp"

// Instructions are counted while this function runs.
[[gnu::noipa]] void counted(const std::function<void()>& kernel) {
  kernel();
  asm volatile("" : : : "memory");  // a tail call would leave the function
}

namespace {

constexpr std::int64_t rows = 256, cols = 512, pixels = rows * cols, box = 64, boxes = pixels / (box * box);
constexpr float level = 1000, deviation = 10;

#if defined(__clang__)
constexpr char compiler[] = "clang", version[] = __clang_version__;
#else
constexpr char compiler[] = "gcc", version[] = __VERSION__;
#endif
#if defined(__x86_64__)
constexpr char target[] = "x86_64";
#elif defined(__aarch64__)
constexpr char target[] = "aarch64";
#else
constexpr char target[] = "other";
#endif

// Nearly normal: each pixel is the sum of twelve uniform numbers, whose variance is 1.
std::vector<float> background() {
  const std::vector<float> uniform = noise(12 * pixels);
  std::vector<float> frame(pixels, level - 6 * deviation);
  for (std::int64_t i = 0; i < 12 * pixels; ++i) frame[i / 12] += deviation * uniform[i];
  return frame;
}

std::vector<std::uint8_t> one_in_ten() {
  std::vector<std::uint8_t> masked;
  for (const float value : noise(pixels)) masked.push_back(value < 0.1f);
  return masked;
}

template <class T>
fleck::View2D<T> plane(std::vector<T>& values, std::int64_t width) {
  return {values.data(), std::ssize(values) / width, width, width, 1};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<float> frame = background();
  const std::vector<std::uint16_t> whole(frame.begin(), frame.end());
  const std::vector<std::uint8_t> masked = one_in_ten();
  const fleck::Image image = image_of(frame, rows, cols);
  const fleck::Image whole_image{reinterpret_cast<const std::byte*>(whole.data()), rows, cols, cols * 2, 2,
                                 fleck::DType::u16};
  const fleck::Mask mask{masked.data(), rows, cols, cols};
  std::vector<float> out(pixels);
  std::vector<std::uint16_t> whole_out(pixels);
  std::vector<std::int32_t> labels(pixels);
  std::vector<double> levels(boxes), noises(boxes), deviations(boxes, deviation);
  std::vector<std::int64_t> counts(boxes);
  // Of a mean of 1 and a tenth of that as noise: no feature is there.
  std::vector<float> noisy(frame.begin(), frame.begin() + 64 * 64), noise_of_it(64 * 64, 0.1f);
  for (float& value : noisy) value = 1 + 0.1f * (value - level) / deviation;
  const fleck::ProfilePatch patch{0, 0, 1, image_of(noisy, 64, 64), image_of(noise_of_it, 64, 64), {}};
  const fleck::ProfileStart start{{32, 32, 2.3, 0.1, 0, 0, 0.1, 0.5, 0.5}, {3, 3, 0.5, 0.7, 0.7, 0.7, 1, 0.2, 1},
                                  {25, 25, 1.3, -3, -3, -1.9, 0, 0.05, -0.5}, {39, 39, 3.3, 3, 3, 2, 1.1, 0.85, 1},
                                  21, 13, 1, 1};
  fleck::FittedProfile fitted;
  double misfit;
  std::vector<std::uint8_t> states(pixels);
  // Forty levels, of which the frame reaches thirty, some of them here and there.
  constexpr std::int64_t charge_levels = 40, trail = 60;
  std::vector<double> charges, captures(charge_levels, 5), profile(charge_levels * trail, 1.0 / trail);
  for (std::int64_t w = 0; w < charge_levels; ++w) charges.push_back(level * (0.7 + 0.01 * static_cast<double>(w)));
  const fleck::TrapTable traps{charges, captures, plane(profile, trail), plane(profile, trail), 2};

  // Six frames of a quarter of the rows, one of them with cosmic rays.
  std::vector<float> struck = frame;
  for (std::int64_t i = 0; i < pixels; i += 97) struck[i] += 40 * deviation;
  const std::vector<float> errors(pixels, deviation);
  std::vector<fleck::StackFrame> stack;
  for (int n = 0; n < 6; ++n)
    stack.push_back({image_of(n ? frame : struck, rows / 4, cols), image_of(errors, rows / 4, cols), {}});
  std::vector<float> combined_errors(pixels);
  std::vector<std::int32_t> combined_bits(pixels);
  const fleck::StackResult combined{{out.data(), rows / 4, cols, cols}, {combined_errors.data(), rows / 4, cols, cols},
                                    {combined_bits.data(), rows / 4, cols, cols}, {}};

  const auto median = [&](std::int64_t side, const fleck::Mask& left_out) {
    fleck::median_filter<float>(image, left_out, plane(out, cols), {side, side}, fleck::Border::reflect, nullptr, 1);
  };
  const std::pair<std::string_view, std::function<void()>> kernels[] = {
      {"median_filter 3x3", [&] { median(3, {}); }},
      {"median_filter 15x15", [&] { median(15, {}); }},
      {"median_filter 31x31", [&] { median(31, {}); }},
      {"median_filter 15x15 masked", [&] { median(15, mask); }},
      {"median_filter 15x15 uint16",
       [&] {
         fleck::median_filter<std::uint16_t>(whole_image, {}, plane(whole_out, cols), {15, 15},
                                             fleck::Border::reflect, nullptr, 1);
       }},
      {"label_components",
       [&] {
         const fleck::LabelParameters parameters{.threshold = level + 2 * deviation};
         fleck::label_components(image, {}, parameters, plane(labels, cols), 1);
       }},
      {"mesh_statistics",
       [&] {
         fleck::mesh_statistics(image, {}, {.box_rows = box, .box_cols = box}, plane(levels, cols / box),
                                plane(noises, cols / box), plane(counts, cols / box), 1);
       }},
      {"find_seeds", [&] { fleck::find_seeds(image, {}, false, -4.8 * deviation, {}, 1); }},
      {"shadow_search",
       [&] { fleck::shadow_search(image, {}, 8, fleck::ShadowPart::whole, {}, plane(out, cols), 1); }},
      {"streak_search", [&] { fleck::streak_search(image, {}, 24, 30, plane(out, cols), 1); }},
      {"peak_search",
       [&] {
         const fleck::PeakNoise noise{plane(deviations, cols / box), box, box, 1e-5f, {}, 1, {}};
         fleck::peak_search(image, {}, noise, 1.02f * level / deviation, 2, 1);
       }},
      {"profile_fit", [&] { fleck::profile_fit({&patch, 1}, {&start, 1}, {&fitted, 1}, {&misfit, 1}, 1); }},
      {"literal_search",
       [&] {
         const fleck::LiteralRecipe recipe{box, box, 15, 15, 5, 25, 6, 1e-5, 0.02, true};
         fleck::literal_search(image, {}, 0, recipe, plane(levels, cols / box), plane(noises, cols / box),
                               plane(states, cols), 1);
       }},
      {"cte_readout", [&] { fleck::cte_readout(image, traps, {}, plane(out, cols), 1); }},
      {"smooth_noise", [&] { fleck::smooth_noise(image, deviation, plane(out, cols), 1); }},
      {"combine_stack median",
       [&] { fleck::combine_stack(stack, fleck::StackMethod::median, 0, {}, combined, 1, {}); }},
      {"combine_stack clipped_mean",
       [&] { fleck::combine_stack(stack, fleck::StackMethod::clipped_mean, 0, {}, combined, 1, {}); }},
      {"reject_cosmic_rays",
       [&] { fleck::reject_cosmic_rays(stack, {.sigmas = {6.5f, 5.5f, 4.5f}}, combined, nullptr, 1, {}); }},
      {"photon_noise",
       [&] {
         const std::uint64_t seed = 1;
         fleck::photon_noise(image, 4, {&seed, 1}, plane(out, cols), 1);
       }},
      {"sky_modes", [&] { fleck::sky_modes(stack, 0, 1, {}); }},
      {"gaussian_filter", [&] { fleck::gaussian_filter(image, {}, 2, plane(out, cols), 1); }},
  };

  if (argc < 2) {
    std::printf("%s %s\n%s\n", compiler, version, target);
    for (const auto& [name, kernel] : kernels) std::printf("%s\n", name.data());
    return 0;
  }
  fleck::active_isa();  // chosen once, and not by the kernel
  for (const auto& [name, kernel] : kernels)
    if (name == argv[1]) {
      counted(kernel);
      return 0;
    }
  std::fprintf(stderr, "no kernel is called %s\n", argv[1]);
  return 1;
}
