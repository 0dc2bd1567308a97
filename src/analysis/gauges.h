// SPDX-License-Identifier: Apache-2.0
// What the factors A and B of an update may be replaced by: the balanced gauge, which makes the same network, and a
// random B of the same singular values, as a null.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "whisper/adapter_set.h"

namespace loralens {

inline constexpr int64_t random_factors = 5;  // random B in place of each B

// B, or what takes its place. Inner products of B A x are those of root A x, which has at most R numbers a row.
struct Factor {
  at::Tensor b;  // out×k, float64, CPU
  at::Tensor root;  // at most k×k: the triangular factor of b
};

struct Gauge {
  std::string name;  // "": as trained; "balanced": B A = U Σ Vᵀ, A = √Σ Vᵀ, B = U √Σ
  at::Tensor change;  // k×R: the A of this gauge is change · A
  Factor factor;  // the B of this gauge
  std::vector<Factor> random;  // U' S V'ᵀ with that B's singular values S and random orthonormal U', V'
};

// Both gauges of an update. seed: of the random factors.
std::vector<Gauge> gauges_of(const Factors& factors, uint64_t seed);

}  // namespace loralens
