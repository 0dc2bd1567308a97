// SPDX-License-Identifier: Apache-2.0
// Replacements of the factors A and B of an update: the balanced gauge, which computes the same network, and random B
// with the same singular values, as a null.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "whisper/adapter_set.h"

namespace loralens {

inline constexpr int64_t random_factors = 5;  // random draws for each B

// B or a random replacement. Rows of B A x have the same inner products as rows of root A x, which are at most R wide.
struct Factor {
  at::Tensor b;  // out×k, float64, CPU
  at::Tensor root;  // at most k×k: the triangular factor of b
};

struct Gauge {
  std::string name;  // "": as trained; "balanced": B A = U Σ Vᵀ, A = √Σ Vᵀ, B = U √Σ
  at::Tensor change;  // k×R: the A of this gauge is change · A
  Factor factor;  // the B of this gauge
  std::vector<Factor> random;  // U' S V'ᵀ: S singular values of this gauge's B; U', V' random orthonormal
};

// The trained and the balanced gauge of an update. seed: for the random factors.
std::vector<Gauge> gauges_of(const Factors& factors, uint64_t seed);

}  // namespace loralens
