// SPDX-License-Identifier: Apache-2.0
// (IA)³: trained scales of activations (Liu et al., 2022), as PEFT defines it.
#pragma once

#include <string>
#include <vector>

#include "adapter/adapter_options.h"
#include "whisper/adapter_set.h"

namespace loralens {

struct Ia3Options {
  // feedforward_modules of PEFT: an adapted module whose name ends in one of these scales its input, not its output.
  std::vector<std::string> feedforward = {"fc2"};
  std::string feedforward_pattern;  // not empty: a regular expression for the whole name, instead of the list
};

// y = scale ⊙ (W x + b), or, if of_input, y = W (scale ⊙ x) + b.
struct Ia3 : LinearAdapter {
  at::Tensor scale;  // out×1, or 1×in if of_input; initialised to 1
  bool of_input = false;

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  AdapterOperations operations() const override;
  // The scales become 1 plus normal values of standard deviation 0.02.
  void randomise(uint64_t key) const override;
};

}  // namespace loralens
