#include "fleck/smooth_noise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "aligned.hpp"
#include "isa/smooth_noise.hpp"
#include "threads.hpp"

namespace fleck {

namespace {

constexpr int most_steps = 100;
constexpr double least_noise = 0.1, close = 0.00001;
constexpr std::int64_t band = 32;  // rows of a job

Rows around(const Aligned<float>& image, std::int64_t row, std::int64_t rows, std::int64_t cols) {
  const float* const here = image.data() + row * cols;
  return {row > 0 ? here - cols : nullptr, here, row + 1 < rows ? here + cols : nullptr};
}

}  // namespace

int smooth_noise(const Image& image, double read_noise, View2D<float> out, int threads) {
  const std::int64_t rows = image.rows, cols = image.cols, bands = (rows + band - 1) / band;
  Aligned<float> observed(rows * cols);
  copy_block(image, {}, 0, 0, View2D<float>{observed.data(), rows, cols, cols, 1});
  Aligned<float> present = observed, next(rows * cols);
  std::vector<Rest> rests(rows);
  const int workers = static_cast<int>(std::min<std::int64_t>(resolve_threads(threads), bands));
  std::vector<Aligned<double>> sums(workers, Aligned<double>(cols));

  int steps = 0;
  for (bool more = read_noise >= least_noise; more && steps < most_steps; ++steps) {
    parallel_for(bands, workers, [&](std::int64_t job, int worker) {
      for (std::int64_t row = job * band; row < std::min(rows, (job + 1) * band); ++row)
        FLECK_PICK(smooth_row)(around(observed, row, rows, cols), around(present, row, rows, cols), read_noise, cols,
                               sums[worker].data(), next.data() + row * cols, rests[row]);
    });
    std::swap(present, next);
    double squares = 0, count = 0;
    for (const Rest& rest : rests) {
      squares += rest.squares;
      count += rest.count;
    }
    more = !(read_noise - std::sqrt(squares / count) < close);
  }
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t x = 0; x < cols; ++x) out(row, x) = present[row * cols + x];
  return steps;
}

}  // namespace fleck
