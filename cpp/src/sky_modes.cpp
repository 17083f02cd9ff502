#include <algorithm>
#include <cmath>
#include <limits>

#include "aligned.hpp"
#include "file_rows.hpp"
#include "fleck/combine_stack.hpp"
#include "isa/combine_stack.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

// One histogram of ACSREJ's sky.
struct SkyRange {
  float first, width;
  std::int32_t bins;
};

struct Extremes {
  float least = std::numeric_limits<float>::infinity();
  double sum = 0;
  std::int64_t count = 0;
};

// Rows of values and quality as they are; what stands beyond the last column does not count.
class PlainRows {
 public:
  Aligned<float> value;
  Aligned<std::int32_t> quality;

  explicit PlainRows(const StackFrame& frame)
      : value(whole_blocks(frame.data.cols)),
        quality(value.size(), 1),
        cols_(frame.data.cols),
        data_(frame.data, frame.file),
        bits_(frame.quality, frame.file),
        has_quality_(frame.quality.data) {
    if (!has_quality_) std::fill_n(quality.begin(), cols_, 0);
  }

  void load(std::int64_t row) {
    load_row(data_.row(row), 0, 0, cols_, value.data());
    if (has_quality_) load_bits(bits_.row(row), 0, 0, cols_, quality.data());
  }

 private:
  const std::int64_t cols_;
  FileRows data_, bits_;
  const bool has_quality_;
};

SkyRange sky_range(const StackFrame& frame, std::int32_t bits) {
  constexpr int least_bins = 1000, most_bins = 10000, least_value = -15000;
  Extremes seen;
  PlainRows rows(frame);
  for (std::int64_t row = 0; row < frame.data.rows; ++row) {
    rows.load(row);
    for (std::int64_t x = 0; x < frame.data.cols; ++x)
      if (const float value = rows.value[x]; (rows.quality[x] & bits) == 0 && std::isfinite(value))
        seen.least = std::min(seen.least, value), seen.sum += value, ++seen.count;
  }
  const auto whole = [](double number) { return static_cast<int>(std::clamp(number, -0x1p30, 0x1p30)); };
  const int first = seen.least < least_value ? least_value : whole(seen.least);
  const int mean = seen.sum > 0 ? whole(seen.sum / static_cast<double>(seen.count) + 1) : 1;
  const std::int64_t bins = 2 * std::int64_t{mean} - first + 1;
  if (bins <= most_bins) return {static_cast<float>(first), 1, static_cast<int>(std::max<std::int64_t>(bins, least_bins))};
  return {static_cast<float>(first), static_cast<float>(bins) / most_bins, most_bins};
}

// Neighbours are alike: a histogram for each of four does not wait for itself.
class Histogram {
 public:
  Histogram(const SkyRange& range, std::int64_t width) : range_(range), bin_(width) {
    for (auto& part : parts_) part.resize(range.bins + 1);
  }

  void add(const PlainRows& rows) {
    FLECK_PICK(sky_bins)(rows.value.data(), rows.quality.data(), std::ssize(rows.value), range_.first, range_.width,
                         range_.bins, bin_.data());
    for (std::int64_t x = 0; x < std::ssize(bin_); x += 4)
      for (int i = 0; i < 4; ++i) ++parts_[i][bin_[x + i]];
  }

  std::vector<std::int32_t> counts() const {
    std::vector<std::int32_t> sum(range_.bins);
    for (const auto& part : parts_)
      for (std::int32_t bin = 0; bin < range_.bins; ++bin) sum[bin] += part[bin];
    return sum;
  }

 private:
  const SkyRange range_;
  Aligned<std::int32_t> bin_;
  std::vector<std::int32_t> parts_[4];
};

float mode_of(const std::vector<std::int32_t>& histogram, const SkyRange& range) {
  const auto peak = std::max_element(histogram.begin(), histogram.end());
  const auto at = static_cast<float>(peak - histogram.begin());
  const auto middle = static_cast<float>(range.first + (at + 0.5) * range.width);
  if (peak == histogram.begin() || peak + 1 == histogram.end()) return middle;
  const auto before = static_cast<float>(peak[0] - peak[-1]), behind = static_cast<float>(peak[0] - peak[1]);
  const float both = before + behind;
  if (both == 0) return middle;
  return static_cast<float>(at + 0.5 + 0.5 * (before - behind) / both) * range.width + range.first;
}

}  // namespace

std::vector<float> sky_modes(std::span<const StackFrame> frames, std::int32_t bits, int threads,
                             const std::function<void(std::int64_t frame)>& after) {
  const SkyRange range = sky_range(frames[0], bits);
  std::vector<float> modes(frames.size());
  parallel_for(std::ssize(frames), threads, [&](std::int64_t n, int) {
    const StackFrame& frame = frames[n];
    PlainRows rows(frame);
    Histogram histogram(range, std::ssize(rows.value));
    for (std::int64_t row = 0; row < frame.data.rows; ++row) {
      rows.load(row);
      histogram.add(rows);
    }
    modes[n] = mode_of(histogram.counts(), range);
    if (after) after(n);
  });
  return modes;
}

}  // namespace fleck
