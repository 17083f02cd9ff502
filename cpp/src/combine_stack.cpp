#include "fleck/combine_stack.hpp"

#include "stack_rows.hpp"
#include "threads.hpp"

namespace fleck {
namespace {

constexpr std::int64_t rows_of_a_job = 32;

struct Worker {
  StackRow stack;
  RowOut out;

  explicit Worker(std::span<const StackFrame> frames) : stack(frames), out(stack.width) {}
};

}  // namespace

void combine_stack(std::span<const StackFrame> frames, StackMethod method, std::int32_t bits, const Clipping& clipping,
                   const StackResult& result, int threads, const AfterRows& after) {
  const int workers = resolve_threads(threads);
  const std::int64_t rows = frames[0].data.rows;
  std::vector<Worker> each(workers, Worker(frames));
  const RowClipping how{clipping.low, clipping.high, method == StackMethod::clipped_mean ? clipping.rounds : 0,
                        method == StackMethod::median};
  parallel_for((rows + rows_of_a_job - 1) / rows_of_a_job, workers, [&](std::int64_t job, int worker) {
    auto& [stack, out] = each[worker];
    const std::int64_t first = job * rows_of_a_job, last = std::min(rows, first + rows_of_a_job);
    for (std::int64_t row = first; row < last; ++row) {
      stack.enter(row);
      FLECK_PICK(combine_row)(stack.view(), bits, how, out.view());
      out.write(result, row, stack.cols);
    }
    if (after) after(first, last);
  });
}

}  // namespace fleck
