// SPDX-License-Identifier: Apache-2.0
// The gauges of the factors A and B of an update, which compute the same network: as trained, and balanced.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "whisper/adapter_set.h"

namespace loralens {

// Rows of B A x have the same inner products as rows of root A x, which are at most R wide.
struct Factor {
  at::Tensor b;  // out×k, float64, CPU
  at::Tensor root;  // at most k×k: the triangular factor of b
};

struct Gauge {
  std::string name;  // "": as trained; "balanced": B A = U Σ Vᵀ, A = √Σ Vᵀ, B = U √Σ
  at::Tensor change;  // k×R: the A of this gauge is change · A
  Factor factor;  // the B of this gauge
};

// The trained and the balanced gauge of an update.
std::vector<Gauge> gauges_of(const Factors& factors);

}  // namespace loralens
