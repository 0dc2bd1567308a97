// SPDX-License-Identifier: Apache-2.0
// (IA)³: trained scales of activations (Liu et al., 2022), as PEFT defines it.
#pragma once

#include <string>
#include <vector>

#include "adapter/adapter_options.h"
#include "whisper/adapter_set.h"

namespace loralens {

struct Ia3Options {
  // feedforward_modules of PEFT: adapted modules whose name ends so scale their input instead of their output.
  std::vector<std::string> feedforward = {"fc2"};
  std::string feedforward_pattern;  // when not empty: a regular expression for their whole name, instead of the list
};

// y = scale ⊙ (W x + b), or y = W (scale ⊙ x) + b.
struct Ia3 : LinearAdapter {
  at::Tensor scale;  // out×1, or 1×in; 1 at the start
  bool of_input = false;

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  AdapterOperations operations() const override;
  // 1 + N(0, 0.02).
  void randomise(uint64_t key) const override;
};

}  // namespace loralens
