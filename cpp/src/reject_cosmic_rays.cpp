#include "isa/reject_cosmic_rays.hpp"

#include <atomic>

#include "stack_rows.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr std::int64_t least_rows = 256, approach = 24;  // of a thread's band, and before it
constexpr std::int64_t rows_told = 16;

// Columns of cosmic rays, of each iteration, frame and late row: all that a later row has to know.
using Hits = std::vector<std::vector<std::int32_t>>;

// How far a radius reaches to the side, in its own row and in each row after it.
std::vector<std::int64_t> half_widths(float radius) {
  std::vector<std::int64_t> widths;
  const float radius2 = radius * radius;
  const auto in = [&](std::int64_t dx, std::int64_t dy) { return static_cast<float>(dx * dx + dy * dy) <= radius2; };
  for (std::int64_t dy = 0; in(0, dy); ++dy) {
    widths.push_back(0);
    while (in(widths[dy] + 1, dy)) ++widths[dy];
  }
  return widths;
}

// What a whole stack shares.
struct Rejection {
  const std::span<const StackFrame> frames;
  const CosmicRays& rules;
  const StackResult& result;
  std::uint8_t* const rejected;
  const AfterRows& after;
  const std::vector<std::int64_t> widths = half_widths(rules.radius);
  const std::int64_t kept = std::ssize(widths), iterations = std::ssize(rules.sigmas);
  const std::int32_t bits = rules.exempt ? rules.bits & ~excluded : rules.bits;
  const std::uint8_t left_out =
      static_cast<std::uint8_t>(hit | spill | blank | (rules.exempt && rules.accidents ? 0 : excluded));
  float total = 0, sky = 0;
  std::atomic<bool> stopped = false;

  Rejection(std::span<const StackFrame> frames_, const CosmicRays& rules_, const StackResult& result_,
            std::uint8_t* rejected_, const AfterRows& after_)
      : frames(frames_), rules(rules_), result(result_), rejected(rejected_), after(after_) {
    for (const StackFrame& f : frames) total += f.scale, sky += f.zero;
    sky = std::max(sky, 0.0f);
  }

  std::int64_t slot(std::int64_t k, std::int64_t frame, std::int64_t row) const {
    return (k * std::ssize(frames) + frame) * kept + row % kept;
  }

  HitTest test(std::int64_t k, std::int64_t frame) const {
    const float spill2 = rules.spill > 0 ? rules.spill * rules.spill : -1;
    return {rules.sigmas[k] * rules.sigmas[k], spill2, rules.scale_noise, frames[frame].scale};
  }

  void tell(std::int64_t first, std::int64_t last) {
    if (!after) return;
    try {
      after(first, last);
    } catch (...) {
      stopped = true;
      throw;
    }
  }
};

// One row of one frame in one iteration.
struct Marking {
  HitTest test;
  std::int64_t cols;
  const float *value, *variance, *guess;
  const std::int32_t* quality;
  std::uint8_t* marks;

  bool is_near(std::int64_t x) const {
    const float off = value[x] - guess[x];
    return off * off > test.spill2 * (test.sigma2 * variance[x] / (test.time * test.time));
  }
};

// Rows one after the other. Marks of a row reach its own and later pixels alone, so every iteration has done with a row
// before the next row begins.
class Band {
 public:
  explicit Band(Rejection& all)
      : all_(all),
        stack_(all.frames),
        guess_(stack_.width),
        exposure_(stack_.width),
        variance_(stack_.width),
        out_(stack_.width),
        resting_(stack_.frames() * stack_.step),
        marks_(resting_.size()),
        every_(stack_.width),
        far_(stack_.width),
        hits_(all.iterations * stack_.frames() * all.kept),
        counts_(stack_.frames()) {}

  const Hits& hits() const { return hits_; }
  const std::vector<std::int64_t>& counts() const { return counts_; }

  // Comes to the first row of a band as if there were no cosmic rays long before it.
  void come_to(std::int64_t row) {
    const std::int64_t before = std::max(approach, all_.kept * all_.iterations);
    for (std::int64_t y = std::max<std::int64_t>(0, row - before); y < row && !all_.stopped; ++y) work_on(y);
  }

  void run(std::int64_t first, std::int64_t last) {
    std::fill(counts_.begin(), counts_.end(), 0);
    for (std::int64_t told = first, row = first; row < last && !all_.stopped;) {
      work_on(row);
      write(row++);
      if (row - told < rows_told && row < last) continue;
      all_.tell(told, row);
      told = row;
    }
  }

  void run(std::int64_t first, std::int64_t last, const Hits& before) {
    hits_ = before;
    run(first, last);
  }

 private:
  void work_on(std::int64_t row) {
    stack_.enter(row);
    for (std::int64_t frame = 0; frame < stack_.frames(); ++frame)
      FLECK_PICK(resting_marks)(stack_.quality(frame), stack_.width, all_.bits, all_.rules.accidents, resting(frame));
    if (all_.rules.median)
      FLECK_PICK(guess_median)(stack_.view(), all_.rules.bits, guess_.data());
    else
      FLECK_PICK(guess_least)(stack_.view(), all_.rules.bits, all_.rules.accidents, guess_.data());
    for (std::int64_t k = 0; k < all_.iterations; ++k) {
      for (std::int64_t frame = 0; frame < stack_.frames(); ++frame) mark(k, frame, row);
      StackSums sums{};
      if (k + 1 == all_.iterations) sums = {exposure_.data(), variance_.data(), out_.used.data()};
      FLECK_PICK(average_row)(stack_.view(), marks_.data(), all_.left_out, guess_.data(), sums);
    }
  }

  std::uint8_t* resting(std::int64_t frame) { return resting_.data() + frame * stack_.step; }
  std::uint8_t* marks(std::int64_t frame) { return marks_.data() + frame * stack_.step; }

  void mark(std::int64_t k, std::int64_t frame, std::int64_t row) {
    const Marking own{all_.test(k, frame), stack_.cols,           stack_.value(frame), stack_.variance(frame),
                      guess_.data(),       stack_.quality(frame), marks(frame)};
    std::copy_n(resting(frame), stack_.width, own.marks);
    for (std::int64_t dy = std::min(all_.kept - 1, row); dy > 0; --dy)
      spill_from_above(own, hits_[all_.slot(k, frame, row - dy)], all_.widths[dy]);
    const std::int64_t n =
        FLECK_PICK(far_columns)(own.value, own.variance, own.guess, stack_.width, own.test, far_.data());
    find_hits(own, std::span(far_).first(n), all_.widths[0], hits_[all_.slot(k, frame, row)]);
  }

  // A pixel is looked at once, for however many cosmic rays: what it becomes is the same for each.
  void spill_from_above(const Marking own, const std::vector<std::int32_t>& cols, const std::int64_t width) const {
    const bool accidents = all_.rules.accidents;
    const std::int32_t bits = all_.bits;
    const auto spilt = static_cast<std::uint8_t>(accidents ? spill | wiped : spill);
    std::int64_t next = 0;
    for (const std::int64_t col : cols) {
      const std::int64_t end = std::min(own.cols, col + width + 1);
      for (std::int64_t x = std::max(next, col - width); x < end; ++x) {
        const std::int32_t q = own.quality[x];
        const bool stays = (q < 0) | (accidents ? q == hit : (q & bits) != 0);
        own.marks[x] = !stays & own.is_near(x) ? spilt : own.marks[x];
      }
      next = end;
    }
  }

  void find_hits(const Marking own, std::span<const std::int32_t> far, const std::int64_t width,
                 std::vector<std::int32_t>& hits) const {
    const int kept = all_.rules.accidents ? hit : excluded;
    hits.clear();
    std::int64_t next = 0;
    for (const std::int32_t col : far) {
      const int mark = own.marks[col];
      if (const int alone = mark & mark_alone; alone == blank || alone == excluded) continue;
      own.marks[col] = static_cast<std::uint8_t>((mark & wiped) | hit);
      hits.push_back(col);
      const std::int64_t end = std::min(own.cols, col + width + 1);
      for (std::int64_t x = std::max(next, col - width); x < end; ++x) {
        const int beside = own.marks[x], alone = beside & mark_alone;
        const bool stays = (alone == hit) | (alone == blank) | (alone == kept);
        own.marks[x] = static_cast<std::uint8_t>(!stays & own.is_near(x) ? (beside & wiped) | spill : beside);
      }
      next = end;
    }
  }

  void write(std::int64_t row) {
    const CosmicRays& rules = all_.rules;
    std::fill(out_.quality.begin(), out_.quality.end(), 0);
    std::fill(every_.begin(), every_.end(), 255);
    FLECK_PICK(finish_row)(exposure_.data(), variance_.data(), guess_.data(), stack_.width, all_.total, all_.sky,
                           out_.data.data(), out_.error.data());
    for (std::int64_t frame = 0; frame < stack_.frames(); ++frame) {
      counts_[frame] += FLECK_PICK(add_quality)(stack_.quality(frame), marks(frame), stack_.width, out_.quality.data(),
                                                every_.data());
      if (all_.rejected) note_rejected(marks(frame), all_.rejected + (frame * stack_.rows + row) * stack_.cols);
    }
    const std::int32_t hidden = blank_bit | rules.rejected_bit | (rules.accidents ? spill : 0);
    for (std::int64_t x = 0; x < stack_.width; ++x)
      out_.quality[x] = (out_.quality[x] & ~hidden) | (every_[x] ? rules.rejected_bit : 0);
    out_.write(all_.result, row, stack_.cols);
  }

  void note_rejected(const std::uint8_t* marks, std::uint8_t* to) const {
    for (std::int64_t x = 0; x < stack_.cols; ++x)
      to[x] = (marks[x] & mark_alone) == hit || (marks[x] & mark_alone) == spill;
  }

  Rejection& all_;
  StackRow stack_;
  Aligned<float> guess_, exposure_, variance_;
  RowOut out_;
  Aligned<std::uint8_t> resting_, marks_;  // before and after cosmic rays are looked for
  Aligned<std::uint8_t> every_;            // rejected in every frame
  std::vector<std::int32_t> far_;
  Hits hits_;
  std::vector<std::int64_t> counts_;
};

// What matters of them to a row.
bool alike(const Rejection& all, std::int64_t row, const Hits& one, const Hits& other) {
  for (std::int64_t k = 0; k < all.iterations; ++k)
    for (std::int64_t frame = 0; frame < std::ssize(all.frames); ++frame)
      for (std::int64_t dy = 1; dy < all.kept; ++dy)
        if (const std::int64_t n = all.slot(k, frame, row - dy); one[n] != other[n]) return false;
  return true;
}

}  // namespace

// Each thread has a band of rows, and guesses what came before it from the rows just before. A bad pixel that is tested
// because a cosmic ray has wiped its mark can hand that on to the next row for ever: where the guess was wrong, the band
// is done again.
std::vector<std::int64_t> reject_cosmic_rays(std::span<const StackFrame> frames, const CosmicRays& rules,
                                             const StackResult& result, std::uint8_t* rejected, int threads,
                                             const AfterRows& after) {
  Rejection all(frames, rules, result, rejected, after);
  const std::int64_t rows = frames[0].data.rows;
  const std::int64_t count = std::clamp<std::int64_t>(rows / least_rows, 1, resolve_threads(threads));
  const auto row_of = [&](std::int64_t n) { return rows * n / count; };
  std::vector<Band> bands(count, Band(all));
  std::vector<Hits> before(count);
  parallel_for(count, static_cast<int>(count), [&](std::int64_t n, int) {
    bands[n].come_to(row_of(n));
    before[n] = bands[n].hits();
    bands[n].run(row_of(n), row_of(n + 1));
  });
  std::vector<std::int64_t> counts(frames.size());
  for (std::int64_t n = 0; n < count; ++n) {
    if (n && !alike(all, row_of(n), before[n], bands[n - 1].hits()))
      bands[n].run(row_of(n), row_of(n + 1), bands[n - 1].hits());
    for (std::size_t frame = 0; frame < frames.size(); ++frame) counts[frame] += bands[n].counts()[frame];
  }
  return counts;
}

}  // namespace fleck
