// How well labels separate in a space of features: the silhouette (Rousseeuw, 1987) and the purity of the k nearest
// neighbours; both also without each group, for a jackknife, from one pass over the distances.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// x: n×d. Squared Euclidean distances between all rows: n×n, float64 on the CPU, symmetric, 0 on the diagonal. Error
// for another shape or a value that is not finite.
at::Tensor squared_distances(const at::Tensor& x);
// Their square roots.
at::Tensor distances(const at::Tensor& x);

// A mean over points, and what it is without the points of each group.
struct Separation {
  double value = 0;
  std::vector<double> without;  // one a group; empty where no groups were given
};

// (b - a) / max(a, b) of each point: a is its mean distance to the other points of its label, b the smallest mean
// distance to those of another label; 0 for a point that is alone with its label. In [-1, 1], n values. As
// scikit-learn's silhouette_samples. distances: n×n; labels: n numbers from 0, any of which may be unused.
// Error if fewer than 2 labels are in use.
std::vector<double> silhouettes(const at::Tensor& distances, std::span<const int64_t> labels);

// The mean silhouette (silhouette_score). groups: n numbers 0..G-1, or none. Without a group that leaves fewer than
// 2 labels there is no value: NaN, as is that of all points if there are fewer than 2 labels to begin with.
Separation silhouette(const at::Tensor& distances, std::span<const int64_t> labels,
                      std::span<const int64_t> groups = {});

// The share of a point's k nearest others that bear its label (of equal distances the lower number is nearer), mean
// over points. NaN where at most k points are left or fewer than 2 labels, so that it would say nothing.
Separation neighbour_purity(const at::Tensor& distances, std::span<const int64_t> labels, int64_t k,
                            std::span<const int64_t> groups = {});

// The purity to expect of labels that have nothing to do with the distances: the mean share of a point's label among
// the other points. Error for fewer than 2 points.
double chance_purity(std::span<const int64_t> labels);

}  // namespace loralens
