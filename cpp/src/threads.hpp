// Work shared out over threads. Jobs are numbered; which thread does which job never changes a result, because
// a job writes only what belongs to its number.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "fleck/runtime.hpp"

namespace fleck {

inline int resolve_threads(int wanted) { return wanted > 0 ? wanted : default_threads(); }

// Calls job(i, worker) for i in [0, jobs); worker in [0, threads) says whose scratch to use. Returns when all are
// done; the first exception of any job is thrown again here. threads = 1 starts no thread.
template <class Job>
void parallel_for(std::int64_t jobs, int threads, Job&& job) {
  const int workers = static_cast<int>(std::min<std::int64_t>(resolve_threads(threads), std::max<std::int64_t>(jobs, 1)));
  if (workers == 1) {
    for (std::int64_t i = 0; i < jobs; ++i) job(i, 0);
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_lock;
  const auto work = [&](int worker) {
    try {
      for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < jobs;) job(i, worker);
    } catch (...) {
      const std::lock_guard guard(failure_lock);
      if (!failure) failure = std::current_exception();
      next.store(jobs, std::memory_order_relaxed);
    }
  };
  std::vector<std::thread> pool;
  pool.reserve(workers - 1);
  for (int worker = 1; worker < workers; ++worker) pool.emplace_back(work, worker);
  work(0);
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fleck
