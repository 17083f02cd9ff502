#include "fleck/cte_readout.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "aligned.hpp"
#include "isa/cte_readout.hpp"
#include "threads.hpp"

namespace fleck {

namespace {

constexpr std::int64_t together = 16;  // columns that are copied together: whole lines of memory

// The table with its profiles as the loops want them.
class Profiles {
 public:
  explicit Profiles(const TrapTable& traps)
      : table_(traps), release_(ended(traps.release)), remaining_(ended(traps.remaining)) {}

  Traps traps() const {
    const std::int64_t length = table_.release.cols;
    return {table_.level.data(), table_.capture.data(), release_.data(), remaining_.data(),
            std::ssize(table_.level), length, length + 1, length + 1};
  }

 private:
  static Aligned<double> ended(View2D<const double> profile) {
    Aligned<double> copy(profile.rows * (profile.cols + 1), 0.0);
    for (std::int64_t w = 0; w < profile.rows; ++w)
      std::copy_n(profile.row(w), profile.cols, copy.data() + w * (profile.cols + 1));
    return copy;
  }

  TrapTable table_;
  Aligned<double> release_, remaining_;
};

// One column at a time, with the scale of its traps.
class Readout {
 public:
  Readout(std::int64_t rows, const Profiles& profiles, int substeps, const TrapMap& map)
      : rows_(rows), substeps_(substeps), map_(map), traps_(profiles.traps()),
        charge_(padded(), -std::numeric_limits<double>::infinity()), scale_(padded()), kept_(padded()),
        held_(traps_.levels) {}

  std::int64_t rows() const { return rows_; }

  void set_column(std::int64_t col) {
    if (set_ && !map_.nodes) return;
    static constexpr double flat[4] = {1, 1, 1, 1};
    const double* const node = map_.nodes ? map_.nodes.row(col) : flat;
    const std::int64_t step = map_.nodes ? map_.nodes.col_stride : 1;
    const double whole = static_cast<double>(map_.rows), quarter = whole / 4;
    for (std::int64_t i = 0; i < rows_; ++i) {
      const double row = static_cast<double>(i + map_.first), place = std::min(row / quarter, 2.999);
      const auto n = static_cast<std::int64_t>(place);
      const double here = node[n * step] + (node[(n + 1) * step] - node[n * step]) * (place - static_cast<double>(n));
      scale_[i] = static_cast<float>(here * ((row + 1) / whole) * map_.date);
    }
    watch_falls();
    set_ = true;
  }

  void weaken(std::int64_t first, std::int64_t last) {
    set_ = false;
    for (std::int64_t i = first; i <= last; ++i) scale_[i] = static_cast<float>(scale_[i] * 0.75);
  }

  void watch_falls() {
    falls_ = false;
    kept_[0] = 1;
    for (std::int64_t i = 1; i < rows_; ++i) {
      const bool falls = scale_[i] < scale_[i - 1];
      kept_[i] = falls ? scale_[i] / scale_[i - 1] : 1.0;
      falls_ |= falls;
    }
  }

  // What the register gets; valid until the next call.
  const double* operator()(const double* column) {
    std::copy_n(column, rows_, charge_.data());
    const Column view{charge_.data(), scale_.data(), falls_ ? kept_.data() : nullptr, held_.data(), rows_};
    for (int i = 0; i < substeps_; ++i) FLECK_PICK(read_out)(traps_, view);
    return charge_.data();
  }

 private:
  std::int64_t padded() const { return (rows_ + most_packets - 1) / most_packets * most_packets; }

  std::int64_t rows_;
  int substeps_;
  TrapMap map_;
  Traps traps_;
  bool falls_ = false, set_ = false;  // set_: for the columns that are like this one
  Aligned<double> charge_, scale_, kept_;
  std::vector<Held> held_;
};

class Restorer {
 public:
  Restorer(Readout& readout, const RestoreOptions& options)
      : readout_(readout), options_(options), observed_(readout.rows()), model_(readout.rows()) {}

  void operator()(double* column) {
    observed_.assign(column, column + readout_.rows());
    int begun = 0;
    do {
      model_ = observed_;
      for (int i = 1; i < options_.iterations; ++i) approach(options_.read_noise);
      approach(0);
    } while (options_.repair && weaken_rays() && ++begun < 5);
    std::copy(model_.begin(), model_.end(), column);
  }

 private:
  void approach(double noise) {
    const double* const read = readout_(model_.data());
    const double noise2 = noise * noise;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      double difference = read[i] - observed_[i];
      const double squared = difference * difference;
      if (noise > 0) difference *= squared / (squared + noise2);
      model_[i] -= difference;
    }
  }

  double gain(std::int64_t i) const { return model_[i] - observed_[i]; }

  bool weaken_rays() {
    bool found = false;
    for (std::int64_t i = 10; i < readout_.rows() - 2; ++i) {
      if (!overdone(i)) continue;
      found = true;
      std::int64_t ray = i;
      for (std::int64_t k = i - 10; k <= i; ++k)
        if (gain(k) > gain(ray)) ray = k;
      readout_.weaken(ray, i);
    }
    if (found) readout_.watch_falls();
    return found;
  }

  bool overdone(std::int64_t i) const {
    const double *const m = &model_[i], *const o = &observed_[i];
    const double limit = options_.threshold;
    return (limit > m[0] && limit > m[0] - o[0]) || (m[0] + m[1] < -12 && m[0] + m[1] - o[0] - o[1] < -12) ||
           (m[0] + m[1] + m[2] < -15 && m[0] + m[1] + m[2] - o[0] - o[1] - o[2] < -15);
  }

  Readout& readout_;
  const RestoreOptions& options_;
  std::vector<double> observed_, model_;
};

// Calls work(column, index, readout) for every column, which it changes in place.
template <class T, class Work>
void each_column(const Image& image, const TrapTable& traps, const TrapMap& map, View2D<T> out, int threads,
                 const Work& work) {
  const Image lines = transposed(image);
  const std::int64_t rows = image.rows;
  struct Scratch {
    Readout readout;
    Aligned<double> columns;
  };
  const Profiles profiles(traps);
  const std::int64_t blocks = (image.cols + together - 1) / together;
  std::vector<Scratch> scratch(std::min<std::int64_t>(resolve_threads(threads), blocks),
                               {Readout(rows, profiles, traps.substeps, map), Aligned<double>(together * rows)});
  parallel_for(blocks, static_cast<int>(scratch.size()), [&](std::int64_t block, int worker) {
    auto& [readout, columns] = scratch[worker];
    const std::int64_t first = block * together, n = std::min(together, image.cols - first);
    copy_block(lines, {}, first, 0, View2D<double>{columns.data(), n, rows, rows, 1});
    for (double& value : columns) value += 0.0;  // no negative zero: adding nothing would make it positive
    for (std::int64_t i = 0; i < n; ++i) {
      readout.set_column(first + i);
      work(columns.data() + i * rows, readout);
    }
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < n; ++i) out(r, first + i) = static_cast<T>(columns[i * rows + r]);
  });
}

}  // namespace

template <class T>
void cte_readout(const Image& image, const TrapTable& traps, const TrapMap& map, View2D<T> out, int threads) {
  each_column(image, traps, map, out, threads, [&](double* column, Readout& readout) {
    std::copy_n(readout(column), readout.rows(), column);
  });
}

template <class T>
void cte_restore(const Image& image, const TrapTable& traps, const TrapMap& map, const RestoreOptions& options,
                 View2D<T> out, int threads) {
  each_column(image, traps, map, out, threads,
              [&](double* column, Readout& readout) { Restorer(readout, options)(column); });
}

template void cte_readout(const Image&, const TrapTable&, const TrapMap&, View2D<float>, int);
template void cte_readout(const Image&, const TrapTable&, const TrapMap&, View2D<double>, int);
template void cte_restore(const Image&, const TrapTable&, const TrapMap&, const RestoreOptions&, View2D<float>, int);
template void cte_restore(const Image&, const TrapTable&, const TrapMap&, const RestoreOptions&, View2D<double>, int);

}  // namespace fleck
