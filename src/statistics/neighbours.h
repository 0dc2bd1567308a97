// SPDX-License-Identifier: Apache-2.0
// Separation of labelled clusters in a feature space: the silhouette (Rousseeuw, 1987) and the purity of the k nearest
// neighbours. Both are also computed without each group, for a jackknife, in one pass over the distances.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// x: n×d. Squared Euclidean distances between all rows: n×n, float64 on the CPU, symmetric, 0 on the diagonal. Error
// for another shape or a value that is not finite.
at::Tensor squared_distances(const at::Tensor& x);
// Euclidean distances: the square roots of squared_distances(x).
at::Tensor distances(const at::Tensor& x);

// A mean over points, and the mean when the points of each group are left out.
struct Separation {
  double value = 0;
  std::vector<double> without;  // one value per group; empty without groups
};

// The silhouette (b - a) / max(a, b) of each point, in [-1, 1]: a is its mean distance to the other points of its
// label, b the smallest of its mean distances to the points of another label. 0 for a point whose label no other point
// has. n values, as scikit-learn's silhouette_samples. distances: n×n; labels: n numbers from 0, any of which may be
// unused. Error if fewer than 2 labels are in use.
std::vector<double> silhouettes(const at::Tensor& distances, std::span<const int64_t> labels);

// The mean silhouette (silhouette_score). groups: n numbers 0..G-1, or empty. A value is NaN if fewer than 2 labels
// are left for it.
Separation silhouette(const at::Tensor& distances, std::span<const int64_t> labels,
                      std::span<const int64_t> groups = {});

// k-nearest-neighbour purity: the share of a point's k nearest other points that have its label, averaged over points.
// At equal distances the point with the lower number counts as nearer. NaN if at most k points or fewer than 2 labels
// are left.
Separation neighbour_purity(const at::Tensor& distances, std::span<const int64_t> labels, int64_t k,
                            std::span<const int64_t> groups = {});

}  // namespace loralens
