// SPDX-License-Identifier: Apache-2.0
// Chooses the device and the precision of a computation by their names.
#pragma once

#include <string>

#include "study/open_run.h"

namespace loralens {

struct ComputeChoice {
  std::string device = "auto";     // auto, cpu, cuda, cuda:1
  std::string precision = "auto";  // auto, fp32, bf16; without gradients fp16
  int threads = 0;                 // 0: as many as there are cores
};

// Error message if there is no device of this name; "" if there is one.
std::string device_error(const std::string& name);

// The number of CPU threads: of the choice, else of the machine's cores.
int thread_count(const ComputeChoice& choice);

// auto: the first GPU if there is one; bfloat16 if the device multiplies it fast (GPUs from Ampere on; CPUs with
// AVX512-BF16), else float32. fp16 needs a GPU. Sets LibTorch's number of threads, if the choice gives one. UsageError
// for the name of no device or precision, Error for one that cannot be used here.
Compute compute_of(const ComputeChoice& choice);

}  // namespace loralens
