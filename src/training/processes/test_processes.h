// SPDX-License-Identifier: Apache-2.0
// For tests: processes that are threads of the test, with the order of sums of processes.
#pragma once

#include <ATen/Parallel.h>

#include <barrier>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "training/processes/processes.h"

namespace loralens {

// What the threads of a group show each other.
struct ThreadGroup {
  explicit ThreadGroup(int64_t size) : tensors(size), texts(size), barrier(size) {}
  std::vector<at::Tensor> tensors;
  std::vector<std::string> texts;
  std::barrier<> barrier;
};

class ThreadProcess : public Processes {
 public:
  ThreadProcess(ThreadGroup& group, int64_t rank) : group_(group), rank_(rank) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return std::ssize(group_.texts); }
  int64_t cores() const override { return 1; }
  int64_t rank_on_host() const override { return rank_; }
  void sum(const at::Tensor& values) override {
    share(values, [&] {
      at::Tensor total = group_.tensors[0].clone();
      for (int64_t r = 1; r < size(); ++r) total.add_(group_.tensors[r]);
      return total;
    });
  }
  void copy_first(const at::Tensor& values) override {
    share(values, [&] { return group_.tensors[0].clone(); });
  }
  std::string text_of_first(const std::string& text) override { return exchange(text)[0]; }
  std::vector<std::string> texts(const std::string& text) override {
    auto all = exchange(text);
    return leads() ? all : std::vector<std::string>();
  }
  [[noreturn]] void abort(int) override { std::abort(); }

 private:
  void share(const at::Tensor& values, const std::function<at::Tensor()>& result_of_all) {
    group_.tensors[rank_] = values;
    group_.barrier.arrive_and_wait();
    const at::Tensor result = result_of_all();
    group_.barrier.arrive_and_wait();
    values.copy_(result);
  }
  std::vector<std::string> exchange(const std::string& text) {
    group_.texts[rank_] = text;
    group_.barrier.arrive_and_wait();
    auto all = group_.texts;
    group_.barrier.arrive_and_wait();
    return all;
  }

  ThreadGroup& group_;
  int64_t rank_;
};

// Calls work in `size` processes, which are threads with one thread of LibTorch each. An exception must be one of all.
inline void in_processes(int64_t size, const std::function<void(Processes&)>& work) {
  ThreadGroup group(size);
  std::vector<std::exception_ptr> errors(size);
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);
      ThreadProcess process(group, rank);
      try {
        work(process);
      } catch (...) {
        errors[rank] = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  if (errors[0]) std::rethrow_exception(errors[0]);
}

}  // namespace loralens
