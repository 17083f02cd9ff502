// Solves small dense systems whose matrix is symmetric and positive definite; the order of sums is fixed.
#pragma once

#include <cmath>
#include <vector>

namespace fleck {

class Cholesky {
 public:
  // Takes the lower triangle of an n * n matrix, row by row.
  Cholesky(std::vector<double> matrix, int n) : n_(n), factor_(std::move(matrix)) {
    for (int j = 0; j < n_; ++j) {
      double* row = &factor_[j * n_];
      for (int i = 0; i < j; ++i) row[i] = less_sum(row[i], row, &factor_[i * n_], i) / factor_[i * n_ + i];
      const double pivot = less_sum(row[j], row, row, j);
      if (!(pivot > 0)) definite_ = false;
      row[j] = std::sqrt(pivot);
    }
  }

  // Whether the matrix is positive definite; nothing can be solved if not.
  explicit operator bool() const { return definite_; }

  // Replaces the right side by the solution.
  void solve(std::vector<double>& x) const {
    for (int i = 0; i < n_; ++i) x[i] = less_sum(x[i], &factor_[i * n_], x.data(), i) / factor_[i * n_ + i];
    for (int i = n_; i-- > 0;) {
      for (int k = i + 1; k < n_; ++k) x[i] -= factor_[k * n_ + i] * x[k];
      x[i] /= factor_[i * n_ + i];
    }
  }

 private:
  static double less_sum(double value, const double* a, const double* b, int n) {
    for (int k = 0; k < n; ++k) value -= a[k] * b[k];
    return value;
  }

  int n_;
  bool definite_ = true;
  std::vector<double> factor_;
};

}  // namespace fleck
