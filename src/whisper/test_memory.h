// SPDX-License-Identifier: Apache-2.0
// For tests: memory of CPU tensors in bytes, as LibTorch's allocator reports it.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

namespace loralens {

// Counts the bytes that this thread allocates and frees until the end of the scope.
class AllocatedBytes {
 public:
  int64_t now() const { return counter_->now; }
  int64_t most() const { return counter_->most; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
      now += size;
      most = std::max(most, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t now = 0, most = 0;
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE, counter_};
};

}  // namespace loralens
