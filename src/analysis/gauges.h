// SPDX-License-Identifier: Apache-2.0
// Two gauges of an update, that is, factorisations B A of the same ΔW: the factors as trained, and balanced ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "whisper/adapter_set.h"

namespace loralens {

// The factor B of a gauge. Rows of B A x have the same inner products as rows of root A x, which have at most R
// entries.
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
