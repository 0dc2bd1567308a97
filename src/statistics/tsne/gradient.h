// What t-SNE descends: the divergence of a plane's similarities, q = w / Σ w with w = 1 / (1 + ‖y_i - y_j‖²), from the
// space's (van der Maaten and Hinton, 2008). Points attract those they are similar to and repel all others. Repulsion is
// that of all pairs, in float32: vectors of 16 pairs are faster than Barnes and Hut's tree up to tens of thousands of
// points, and there is nothing to approximate.
#pragma once

#include <array>
#include <vector>

#include "statistics/tsne/similarities.h"

namespace loralens {

using Plane = std::vector<std::array<double, 2>>;

// 4 Σ_j (factor·p_ij - q_ij) w_ij (y_i - y_j) for each point i, to 1e-6 of its repulsion and to what the rounding of
// places to float32 does. Neither it nor the divergence depends on the number of threads. Time grows with n² / threads.
Plane gradient(const Similarities& p, const Plane& plane, double factor, size_t threads);

// Σ p log(p / q), nats, over the pairs of which p is given.
double divergence(const Similarities& p, const Plane& plane, size_t threads);

}  // namespace loralens
