// SPDX-License-Identifier: Apache-2.0
// Gauge-free alignment of an update ΔW = Σ σ_i u_i v_iᵀ with a covariance. With V and the covariance of the update's
// input it shows how far the update reads from strong directions of its input. With U and the covariance of the loss's
// gradient at its output it shows how far the update writes where the loss is sensitive. Unlike measures of A and B it
// does not depend on how ΔW is factored.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace loralens {

// Covariance over positions, each clip with the same weight: with μ the mean over clips of a clip's mean, the mean over
// clips of the mean over a clip's positions of (x - μ)(x - μ)ᵀ. Memory: d×d float64, whatever the number of clips.
class ClipCovariance {
 public:
  // clips: a T×d tensor of each clip, T >= 1, any floating type. Error if d differs from that of earlier clips.
  void add(const std::vector<at::Tensor>& clips);
  // d×d, float64, on the CPU. Error before the first clip.
  at::Tensor covariance() const;
  int64_t clips() const { return clips_; }

 private:
  at::Tensor shift_, products_, sum_;  // d (the first clip's mean, against cancellation), d×d, d
  int64_t clips_ = 0;
};

// A covariance C with its eigenvalues λ.
struct CovarianceSpectrum {
  // vectors: also the eigenvectors, which take four times as long.
  explicit CovarianceSpectrum(const at::Tensor& covariance, bool vectors = false);

  at::Tensor covariance;  // d×d, float64, CPU
  at::Tensor eigenvalues;  // d, float64, descending, >= 0
  at::Tensor eigenvectors;  // d×d, float64, columns in the same order; undefined without `vectors`
};

struct Strength {
  double strength = 0;  // α = Σ σ_i w_iᵀ C w_i / (Σ σ_i · tr C / d): 1 on average for random directions
  // e = (α - 1) / (α_max - 1), α_max = Σ σ_i λ_i / (Σ σ_i · tr C / d): 0 on average for random directions, 1 for the
  // leading eigenvectors in the order of the singular values. NaN if all λ are equal.
  double efficiency = 0;
};

// directions: d×k orthonormal columns w_i; values: k singular values σ_i >= 0, not all 0. NaN for a covariance of 0.
Strength strength_of(const CovarianceSpectrum& spectrum, const at::Tensor& directions, const at::Tensor& values);

// α for random directions and a covariance with these eigenvalues (d). squares: S×d×k, any floating type: the squared
// coordinates of orthonormal columns in the basis of the eigenvectors, haar_columns().square(). Returns S values. Their
// expectation is 1, their variance
// 2 (d tr C² - (tr C)²) (d Σσ² - (Σσ)²) / ((d + 2) (d - 1) (tr C)² (Σσ)²).
std::vector<double> strength_draws(const at::Tensor& eigenvalues, const at::Tensor& squares, const at::Tensor& values);

}  // namespace loralens
