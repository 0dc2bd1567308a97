// SPDX-License-Identifier: Apache-2.0
#include "inference/file_batches.h"

#include <ATen/core/grad_mode.h>

#include <future>

namespace loralens {

void see_windows(DecodedFile& file, int64_t positions, const std::function<void(const std::vector<at::Tensor>&)>& see) {
  for (std::vector<at::Tensor> mels = std::move(file.mels); !mels.empty();) {
    auto ahead = std::async(std::launch::async, [&] {
      const at::NoGradGuard no_grad;
      return next_windows(*file.rest, positions);
    });
    see(mels);
    mels = ahead.get();
  }
  finish(file.result, *file.rest);
}

}  // namespace loralens
