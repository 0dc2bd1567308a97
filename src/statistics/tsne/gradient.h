// SPDX-License-Identifier: Apache-2.0
// Objective and gradient of t-SNE: the Kullback–Leibler divergence of the similarities in the plane, q = w / Σ w with w
// = 1 / (1 + ‖y_i - y_j‖²), from those in the feature space, p (van der Maaten and Hinton, 2008). Similar points
// attract each other, all pairs repel. The repulsion is exact, over all pairs, in float32: with SIMD this is faster
// than the Barnes-Hut approximation up to tens of thousands of points.
#pragma once

#include <array>
#include <vector>

#include "statistics/tsne/similarities.h"

namespace loralens {

using Plane = std::vector<std::array<double, 2>>;

// The gradient 4 Σ_j (factor·p_ij - q_ij) w_ij (y_i - y_j) for each point i. factor: early exaggeration, or 1. Relative
// error 1e-6 of the repulsion, plus the error of rounding positions to float32. The result does not depend on the
// number of threads. Time grows with n² / threads.
Plane gradient(const Similarities& p, const Plane& plane, double factor, size_t threads);

// The divergence Σ p log(p / q) in nats, over the pairs with p > 0. It does not depend on the number of threads.
double divergence(const Similarities& p, const Plane& plane, size_t threads);

}  // namespace loralens
