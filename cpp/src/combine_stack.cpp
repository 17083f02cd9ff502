#include "fleck/combine_stack.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "aligned.hpp"
#include "isa/combine_stack.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr std::int64_t rows_at_once = 8;

std::int64_t padded(std::int64_t cols) { return (cols + stack_block - 1) / stack_block * stack_block; }

// Rows of every frame, of which the last few are kept. What stands beyond the last column is blank.
class Ring {
 public:
  const std::int64_t rows, cols, width, kept, step;

  Ring(std::span<const StackFrame> frames, std::int64_t kept_)
      : rows(frames[0].data.rows),
        cols(frames[0].data.cols),
        width(padded(cols)),
        kept(kept_),
        step(kept_ * width),
        frames_(frames),
        value_(frames.size() * step),
        variance_(frames.size() * step),
        quality_(frames.size() * step) {}

  std::int64_t frames() const { return static_cast<std::int64_t>(frames_.size()); }
  std::int64_t at(std::int64_t frame, std::int64_t row) const { return frame * step + row % kept * width; }
  const float* value(std::int64_t frame, std::int64_t row) const { return value_.data() + at(frame, row); }
  const float* variance(std::int64_t frame, std::int64_t row) const { return variance_.data() + at(frame, row); }
  const std::int32_t* quality(std::int64_t frame, std::int64_t row) const { return quality_.data() + at(frame, row); }

  void enter(std::int64_t frame, std::int64_t row) {
    const StackFrame& f = frames_[frame];
    float* value = value_.data() + at(frame, row);
    float* variance = variance_.data() + at(frame, row);
    std::int32_t* quality = quality_.data() + at(frame, row);
    load_row(f.data, row, 0, cols, value);
    if (f.error.data) load_row(f.error, row, 0, cols, variance);
    if (f.quality.data)
      load_bits(f.quality, row, 0, cols, quality);
    else
      std::fill_n(quality, cols, 0);
    std::fill(value + cols, value + width, std::numeric_limits<float>::quiet_NaN());
    std::fill(quality + cols, quality + width, 0);
    FLECK_PICK(enter_row)(value, variance, quality, width, f.zero, f.scale, f.error.data, f.slope, f.floor);
  }

 private:
  std::span<const StackFrame> frames_;
  Aligned<float> value_, variance_;
  Aligned<std::int32_t> quality_;
};

// Batcher's odd-even merge sort of n numbers.
std::vector<std::int16_t> sorting_network(std::int64_t n) {
  std::vector<std::int16_t> swaps;
  for (std::int64_t p = 1; p < n; p *= 2)
    for (std::int64_t k = p; k >= 1; k /= 2)
      for (std::int64_t j = k % p; j + k < n; j += 2 * k)
        for (std::int64_t i = 0; i < std::min(k, n - j - k); ++i)
          if ((i + j) / (2 * p) == (i + j + k) / (2 * p)) {
            swaps.push_back(static_cast<std::int16_t>(i + j));
            swaps.push_back(static_cast<std::int16_t>(i + j + k));
          }
  return swaps;
}

// What all rows of a stack share, and room to sort for each worker.
class Rows {
 public:
  Rows(const Ring& ring, std::span<const StackFrame> frames, int workers)
      : ring_(ring), network_(sorting_network(ring.frames())), room_(workers) {
    for (const StackFrame& f : frames) scale_.push_back(f.scale);
    for (auto& room : room_) room.resize(ring.frames() * stack_block);
  }

  CombineRow operator()(std::int64_t row, int worker) {
    return {ring_.width,         ring_.frames(),       ring_.step,           ring_.value(0, row),
            ring_.variance(0, row), ring_.quality(0, row), scale_.data(),    room_[worker].data(),
            network_.data(),     std::ssize(network_) / 2};
  }

 private:
  const Ring& ring_;
  std::vector<std::int16_t> network_;
  std::vector<float> scale_;
  std::vector<Aligned<float>> room_;
};

// A row of results, as wide as the loops write it, and the way to where it belongs.
struct RowOut {
  Aligned<float> data, error;
  Aligned<std::int32_t> quality, used;

  explicit RowOut(std::int64_t width) : data(width), error(width), quality(width), used(width) {}
  CombinedRow view() { return {data.data(), error.data(), quality.data(), used.data()}; }

  void write(const StackResult& result, std::int64_t row, std::int64_t cols) const {
    std::copy_n(data.data(), cols, result.data.row(row));
    std::copy_n(error.data(), cols, result.error.row(row));
    std::copy_n(quality.data(), cols, result.quality.row(row));
    if (result.used) std::copy_n(used.data(), cols, result.used.row(row));
  }
};

void enter_rows(Ring& ring, std::int64_t first, std::int64_t last, int threads) {
  parallel_for(ring.frames(), threads, [&](std::int64_t frame, int) {
    for (std::int64_t row = first; row < last; ++row) ring.enter(frame, row);
  });
}

// Guess, marks and sums of one stack, row after row. Iteration k marks a row when iteration k - 1 has finished all rows
// that its marks reach.
class Rejection {
 public:
  Rejection(std::span<const StackFrame> frames, const CosmicRays& rules, const StackResult& result,
            std::uint8_t* rejected, int threads)
      : frames_(frames),
        rules_(rules),
        result_(result),
        rejected_(rejected),
        threads_(threads),
        reach_(static_cast<std::int64_t>(std::ceil(rules.radius))),
        iterations_(std::ssize(rules.sigmas)),
        bits_(rules.exempt ? rules.bits & ~excluded : rules.bits),
        left_out_(static_cast<std::uint8_t>(hit | spill | blank | (rules.exempt && rules.accidents ? 0 : excluded))),
        ring_(frames, rows_at_once + (reach_ + 1) * iterations_ + 1),
        rows_(ring_, frames, threads),
        guess_(ring_.step),
        marks_(iterations_, Aligned<std::uint8_t>(ring_.frames() * ring_.step)),
        done_(iterations_ + 1),
        counts_(frames.size()),
        marking_(frames.size(), {{}, std::vector<std::int32_t>(ring_.width)}) {
    for (int worker = 0; worker < threads; ++worker) {
      sums_.emplace_back(2 * ring_.width);
      out_.emplace_back(ring_.width);
      all_.emplace_back(ring_.width);
    }
    for (const StackFrame& f : frames) total_ += f.scale, sky_ += f.zero;
    sky_ = std::max(sky_, 0.0f);
    const float radius2 = rules.radius * rules.radius;
    for (std::int64_t dy = 0; dy <= reach_; ++dy)
      for (std::int64_t dx = -reach_; dx <= reach_; ++dx)
        if (static_cast<float>(dx * dx + dy * dy) <= radius2) near_.push_back({dy, dx});
    if (reach_ == 0) near_.clear();
    for (int mark = 0; mark < 256; ++mark) {
      const int alone = mark & mark_alone;
      const bool stays = alone == hit || alone & blank || (alone == excluded && !rules.accidents) || !(mark & near);
      beside_[mark] = static_cast<std::uint8_t>(stays ? mark : (mark & ~mark_alone) | spill);
    }
  }

  std::vector<std::int64_t> run(const AfterRows& after) {
    while (done_.back() < ring_.rows) {
      first_guess();
      for (std::int64_t k = 0; k < iterations_; ++k) iterate(k);
      if (after && !after(done_.back())) break;
    }
    return {counts_.begin(), counts_.end()};
  }

 private:
  struct Offset {
    std::int64_t dy, dx;
  };

  // The row that is being marked and those after it that its marks reach, and its columns that are cosmic rays.
  struct Marking {
    std::vector<std::uint8_t*> rows;
    std::vector<std::int32_t> far;
  };

  float* guess(std::int64_t row) { return guess_.data() + row % ring_.kept * ring_.width; }
  std::uint8_t* marks(std::int64_t k, std::int64_t frame, std::int64_t row) {
    return marks_[k].data() + ring_.at(frame, row);
  }

  void first_guess() {
    const std::int64_t first = done_[0], last = std::min(ring_.rows, first + rows_at_once);
    enter_rows(ring_, first, last, threads_);
    parallel_for(last - first, threads_, [&](std::int64_t i, int worker) {
      const CombineRow row = rows_(first + i, worker);
      if (rules_.median)
        FLECK_PICK(guess_median)(row, rules_.bits, guess(first + i));
      else
        FLECK_PICK(guess_least)(row, rules_.bits, rules_.accidents, guess(first + i));
    });
    done_[0] = last;
  }

  void iterate(std::int64_t k) {
    const std::int64_t first = done_[k + 1], ready = done_[k], entered = marked_to(first);
    const std::int64_t last = ready == ring_.rows ? ready : std::max(first, ready - reach_);
    parallel_for(ring_.frames(), threads_, [&](std::int64_t frame, int) {
      for (std::int64_t row = entered; row < ready; ++row)
        FLECK_PICK(first_marks)(ring_.value(frame, row), ring_.variance(frame, row), ring_.quality(frame, row),
                                guess(row), ring_.width, test(k, frame), marks(k, frame, row));
      for (std::int64_t row = first; row < last; ++row) mark_row(k, frame, row);
    });
    parallel_for(last - first, threads_, [&](std::int64_t i, int worker) { average_row(k, first + i, worker); });
    done_[k + 1] = last;
  }

  // Up to where an iteration's rows have their first marks: what the one before had finished a block ago.
  std::int64_t marked_to(std::int64_t done) const { return done ? std::min(ring_.rows, done + reach_) : 0; }

  HitTest test(std::int64_t k, std::int64_t frame) const {
    const float spill2 = rules_.spill > 0 ? rules_.spill * rules_.spill : -1;
    return {rules_.sigmas[k] * rules_.sigmas[k], spill2, rules_.scale_noise, frames_[frame].scale, bits_,
            rules_.accidents};
  }

  void mark_row(std::int64_t k, std::int64_t frame, std::int64_t row) {
    Marking& own = marking_[frame];
    own.rows.clear();
    for (std::int64_t y = row; y <= std::min(row + reach_, ring_.rows - 1); ++y) own.rows.push_back(marks(k, frame, y));
    std::uint8_t* here = own.rows[0];
    if (rules_.accidents) FLECK_PICK(exclude_row)(ring_.quality(frame, row), ring_.width, bits_, here);
    const std::int64_t n = FLECK_PICK(far_columns)(here, ring_.width, own.far.data());
    for (std::int64_t i = 0; i < n; ++i) {
      std::uint8_t& mark = here[own.far[i]];
      if (const int alone = mark & mark_alone; alone == blank || alone == excluded) continue;
      mark = static_cast<std::uint8_t>((mark & ~mark_alone) | hit);
      spill_over(own, own.far[i]);
    }
  }

  void spill_over(const Marking& own, std::int64_t col) const {
    for (const Offset& to : near_) {
      const std::int64_t x = col + to.dx;
      if (to.dy >= std::ssize(own.rows) || x < 0 || x >= ring_.cols) continue;
      std::uint8_t& mark = own.rows[to.dy][x];
      mark = beside_[mark];
    }
  }

  void average_row(std::int64_t k, std::int64_t row, int worker) {
    const bool last = k + 1 == iterations_;
    Aligned<float>& room = sums_[worker];
    const StackSums sums = last ? StackSums{room.data(), room.data() + ring_.width} : StackSums{};
    FLECK_PICK(average_row)(rows_(row, worker), marks(k, 0, row), left_out_, guess(row), sums);
    if (last) finish_row(row, sums, worker);
  }

  void finish_row(std::int64_t row, const StackSums& sums, int worker) {
    RowOut& out = out_[worker];
    Aligned<std::uint8_t>& all = all_[worker];
    std::fill(out.quality.begin(), out.quality.end(), 0);
    std::fill(all.begin(), all.end(), 255);
    FLECK_PICK(finish_row)(sums, guess(row), ring_.width, total_, sky_, out.data.data(), out.error.data());
    for (std::int64_t frame = 0; frame < ring_.frames(); ++frame) {
      const std::uint8_t* mark = marks(iterations_ - 1, frame, row);
      counts_[frame] += FLECK_PICK(add_quality)(ring_.quality(frame, row), mark, ring_.width, out.quality.data(),
                                                all.data());
      note_rejected(frame, row, mark);
    }
    const std::int32_t hidden = blank_bit | rules_.rejected_bit | (rules_.accidents ? spill : 0);
    for (std::int64_t x = 0; x < ring_.width; ++x)
      out.quality[x] = (out.quality[x] & ~hidden) | (all[x] ? rules_.rejected_bit : 0);
    count_used(row, out);
    out.write(result_, row, ring_.cols);
  }

  void note_rejected(std::int64_t frame, std::int64_t row, const std::uint8_t* mark) {
    if (!rejected_) return;
    std::uint8_t* to = rejected_ + (frame * ring_.rows + row) * ring_.cols;
    for (std::int64_t x = 0; x < ring_.cols; ++x)
      to[x] = (mark[x] & mark_alone) == hit || (mark[x] & mark_alone) == spill;
  }

  void count_used(std::int64_t row, RowOut& out) {
    if (!result_.used) return;
    std::fill(out.used.begin(), out.used.end(), 0);
    for (std::int64_t frame = 0; frame < ring_.frames(); ++frame) {
      const std::uint8_t* mark = marks(iterations_ - 1, frame, row);
      for (std::int64_t x = 0; x < ring_.width; ++x) out.used[x] += (mark[x] & left_out_) == 0;
    }
  }

  const std::span<const StackFrame> frames_;
  const CosmicRays& rules_;
  const StackResult& result_;
  std::uint8_t* const rejected_;
  const int threads_;
  const std::int64_t reach_, iterations_;
  const std::int32_t bits_;
  const std::uint8_t left_out_;
  Ring ring_;
  Rows rows_;
  Aligned<float> guess_;
  std::vector<Aligned<std::uint8_t>> marks_;  // of each iteration
  std::vector<std::int64_t> done_;            // rows: guessed, then finished by each iteration
  std::vector<std::atomic<std::int64_t>> counts_;
  std::vector<Marking> marking_;           // of each frame
  std::array<std::uint8_t, 256> beside_;   // what a mark becomes beside a cosmic ray
  std::vector<Aligned<float>> sums_;
  std::vector<RowOut> out_;
  std::vector<Aligned<std::uint8_t>> all_;
  std::vector<Offset> near_;
  float total_ = 0, sky_ = 0;
};

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

// Rows of values and quality as they are.
struct PlainRows {
  std::vector<float> value;
  std::vector<std::int32_t> quality;

  explicit PlainRows(const StackFrame& frame) : value(frame.data.cols), quality(frame.data.cols) {}

  void load(const StackFrame& frame, std::int64_t row) {
    load_row(frame.data, row, 0, frame.data.cols, value.data());
    if (frame.quality.data) load_bits(frame.quality, row, 0, frame.data.cols, quality.data());
  }
};

SkyRange sky_range(const StackFrame& frame, std::int32_t bits) {
  constexpr int least_bins = 1000, most_bins = 10000, least_value = -15000;
  Extremes seen;
  PlainRows rows(frame);
  for (std::int64_t row = 0; row < frame.data.rows; ++row) {
    rows.load(frame, row);
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
  Histogram(const SkyRange& range, std::int64_t cols) : range_(range), bin_((cols + 3) / 4 * 4, range.bins) {
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
  std::vector<std::int32_t> bin_, parts_[4];
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

void combine_stack(std::span<const StackFrame> frames, StackMethod method, std::int32_t bits, const Clipping& clipping,
                   const StackResult& result, int threads, const AfterRows& after) {
  const int workers = resolve_threads(threads);
  Ring ring(frames, rows_at_once);
  Rows rows(ring, frames, workers);
  std::vector<RowOut> out(workers, RowOut(ring.width));
  const RowClipping how{clipping.low, clipping.high, method == StackMethod::clipped_mean ? clipping.rounds : 0,
                        method == StackMethod::median};
  for (std::int64_t first = 0; first < ring.rows;) {
    const std::int64_t last = std::min(ring.rows, first + rows_at_once);
    enter_rows(ring, first, last, workers);
    parallel_for(last - first, workers, [&](std::int64_t i, int worker) {
      FLECK_PICK(combine_row)(rows(first + i, worker), bits, how, out[worker].view());
      out[worker].write(result, first + i, ring.cols);
    });
    first = last;
    if (after && !after(first)) return;
  }
}

std::vector<std::int64_t> reject_cosmic_rays(std::span<const StackFrame> frames, const CosmicRays& rules,
                                             const StackResult& result, std::uint8_t* rejected, int threads,
                                             const AfterRows& after) {
  return Rejection(frames, rules, result, rejected, resolve_threads(threads)).run(after);
}

std::vector<float> sky_modes(std::span<const StackFrame> frames, std::int32_t bits, int threads,
                             const std::function<void(std::int64_t frame)>& after) {
  const SkyRange range = sky_range(frames[0], bits);
  std::vector<float> modes(frames.size());
  parallel_for(std::ssize(frames), threads, [&](std::int64_t n, int) {
    const StackFrame& frame = frames[n];
    PlainRows rows(frame);
    Histogram histogram(range, frame.data.cols);
    for (std::int64_t row = 0; row < frame.data.rows; ++row) {
      rows.load(frame, row);
      histogram.add(rows);
    }
    modes[n] = mode_of(histogram.counts(), range);
    if (after) after(n);
  });
  return modes;
}

}  // namespace fleck
