// SPDX-License-Identifier: Apache-2.0
#include "compute/threads.h"

#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

namespace loralens {

// at::parallel_for is serial in files that are compiled without OpenMP, but the loop of a TensorIterator, inside
// LibTorch, is compiled with it. The iterator runs over `count` bytes that are never accessed.
void share_among_threads(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& work) {
  at::Tensor indices = at::empty({count}, c10::ScalarType::Byte);
  const auto* first = static_cast<const char*>(indices.const_data_ptr());
  auto iterator = at::TensorIterator::nullary_op(indices);
  iterator.for_each([&](char** data, const int64_t*, int64_t size) { work(data[0] - first, data[0] - first + size); },
                    grain);
}

}  // namespace loralens
