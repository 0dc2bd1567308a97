// SPDX-License-Identifier: Apache-2.0
// LEACE, least-squares concept erasure: the affine map that changes states least, in the norm of their covariance, such
// that no linear classifier can read a concept from them (Belrose et al., NeurIPS 2023). Shrinkage, tolerances and
// denominators are those of the Python package concept-erasure.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace loralens {

// Mean and covariance of the positions of clips, in which each clip has the same weight: a position of a clip of T
// positions counts 1/T. Keeps D×D values, however many clips are added.
class PositionMoments {
 public:
  void add(const at::Tensor& clip);  // T×D, T > 0

  int64_t clips() const { return clips_; }
  at::Tensor mean() const;  // D, float64, CPU
  at::Tensor covariance() const;  // D×D, divided by the sum of the weights
  // The effective number of positions, (Σ w)² / Σ w² (Kish); the number of positions if all clips are equally long.
  double samples() const;

 private:
  int64_t clips_ = 0;
  double inverse_lengths_ = 0;  // Σ 1/T
  at::Tensor sum_, squares_;  // D, D×D
};

// A covariance of n samples, moved towards a multiple of the identity with the same trace by the optimal linear
// shrinkage of Bodnar, Gupta and Parolya (2014). D×D.
at::Tensor shrunk_covariance(const at::Tensor& covariance, double samples);

// The covariance of clips' states with the indicators of their classes: Σ (x̄ - mean) (z - mean)ᵀ / n · samples /
// (samples - 1). means: n×D; labels: n, in [0, C). D×C.
at::Tensor class_covariance(const at::Tensor& means, std::span<const int64_t> labels, int64_t classes, double samples);

// x -> x - left · right · (x - mean).
struct Eraser {
  at::Tensor left;  // D×R
  at::Tensor right;  // R×D
  at::Tensor mean;  // D

  int64_t rank() const { return right.size(0); }
  at::Tensor operator()(const at::Tensor& x) const;  // ..×D, in x's type and on its device
};

// Makes erasers for one hidden state.
class Whitening {
 public:
  // The shrunk covariance of the moments; eigenvalues below the largest one · D · 2^-52 count as 0.
  explicit Whitening(const PositionMoments& moments);

  // Erases the classes that this class_covariance() describes. Directions of the whitened states whose singular value
  // is at most `tolerance` stay. Rank at most C-1; rank 0 changes nothing.
  Eraser leace(const at::Tensor& class_covariance, double tolerance = 0.01) const;
  // Erases a uniformly distributed subspace of the whitened states. Error if the states have fewer dimensions.
  Eraser random_subspace(int64_t rank, Random& random) const;

 private:
  Eraser of_directions(const at::Tensor& directions) const;  // D×R, orthonormal, of the whitened states

  at::Tensor mean_, whiten_, unwhiten_;  // D; D×D
  at::Tensor basis_;  // D×K: eigenvectors of eigenvalues above 0
};

}  // namespace loralens
