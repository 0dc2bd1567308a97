// SPDX-License-Identifier: Apache-2.0
// A parallel for loop over indices on new threads (at::parallel_for is serial if the caller is compiled without
// OpenMP).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace loralens {

// Calls work(i) for i in [0, count), in no particular order, on up to `threads` threads. Rethrows the first exception;
// later indices are then skipped.
inline void parallel_for(size_t count, size_t threads, const std::function<void(size_t)>& work) {
  threads = std::clamp<size_t>(threads, 1, std::max<size_t>(count, 1));
  if (threads == 1) {
    for (size_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::atomic<size_t> next = 0;
  std::exception_ptr error;
  std::mutex guard;
  const auto run = [&] {
    for (size_t i; (i = next++) < count;) {
      try {
        work(i);
      } catch (...) {
        std::lock_guard lock(guard);
        if (!error) error = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> pool;
  for (size_t t = 1; t < threads; ++t) pool.emplace_back(run);
  run();
  for (auto& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace loralens
