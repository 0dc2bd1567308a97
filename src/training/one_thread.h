// SPDX-License-Identifier: Apache-2.0
// Limits LibTorch to one thread for the training of a head, whose small products are slower on several threads.
#pragma once

#include <ATen/Parallel.h>

namespace loralens {

// Sets LibTorch's number of threads to 1 if `wanted`; the destructor restores the former number.
class OneThread {
 public:
  explicit OneThread(bool wanted) : before_(at::get_num_threads()), wanted_(wanted) {
    if (wanted_) at::set_num_threads(1);
  }
  ~OneThread() {
    if (wanted_) at::set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
  bool wanted_;
};

}  // namespace loralens
