// SPDX-License-Identifier: Apache-2.0
// Sums and copies of a training's tensors over its processes. All do nothing in one process.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "adapter/parameter.h"
#include "training/processes/processes.h"

namespace loralens {

// Sets the parameters' gradients to their sums over the processes. A parameter that has a gradient in no process keeps
// none.
void sum_gradients(Processes& processes, const std::vector<Parameter>& parameters);

// Sets these tensors, on any device, to those of process 0. Their shapes and types are the same in all processes.
void copy_first(Processes& processes, const std::vector<at::Tensor>& tensors);

// The value of process 0.
int64_t number_of_first(Processes& processes, int64_t value);

// rows_of(all clips), n×..., of which each process computes the rows of every size()-th clip. Every process needs the
// same clips and gets all rows.
at::Tensor shared_rows(Processes& processes, std::span<const int64_t> clips,
                       const std::function<at::Tensor(std::span<const int64_t>)>& rows_of);

}  // namespace loralens
