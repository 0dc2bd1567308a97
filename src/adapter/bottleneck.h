// SPDX-License-Identifier: Apache-2.0
// Bottleneck adapters: a narrow two-layer network after attention and after the MLP (Houlsby et al., 2019), or after
// the MLP alone (Pfeiffer et al., 2021).
#pragma once

#include <cstdint>

#include "base/range.h"
#include "whisper/adapter_set.h"

namespace loralens {

inline constexpr Range<int64_t> reductions{1, 4096};

struct BottleneckOptions {
  int64_t reduction = 16;  // the bottleneck's width is D / reduction
};

// y = x + W_up GELU(W_down x + b_down) + b_up, on the output of attention or MLP before it is added to the residual
// stream.
struct Bottleneck : SiteAdapter {
  Linear down;  // (D/reduction)×D
  Linear up;    // D×(D/reduction)

  at::Tensor forward(const at::Tensor& x, const Site& site, const Pass& pass) const override;
  // Returns false: a bottleneck is not linear, so no weights compute the same function.
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override;
  // Weights: normal, standard deviation 0.02. Biases: 0.
  void randomise(uint64_t key) const override;
};

}  // namespace loralens
