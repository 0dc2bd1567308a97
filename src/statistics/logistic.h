// SPDX-License-Identifier: Apache-2.0
// Multinomial logistic regression with an L2 penalty, by truncated Newton: conjugate gradients solve for the Newton
// step (Nocedal and Wright, Numerical Optimization, 2nd edition, section 7.1).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// Samples to fit on. All in double precision, on the CPU.
struct LogisticSamples {
  at::Tensor x;        // n×D
  at::Tensor labels;   // n, int64, in [0, C)
  at::Tensor weights;  // n, positive; undefined: all equal
  int64_t classes = 0;  // C
};

struct LogisticFit {
  at::Tensor weight;  // C×D
  at::Tensor bias;    // C
};

// Minimises Σ w_i CE_i / Σ w_i + l2/2 · ‖weight‖², with CE the cross-entropy in nats and the bias unpenalised;
// scikit-learn's LogisticRegression with C = 1 / (l2 · Σ w_i) has the same minimum. At the end the gradient's largest
// entry is at most `tolerance`. A class without samples gets the weight 0 and a bias that gives it a probability below
// e^-30.
// start: the search begins there, for instance at a fit of the same samples with another l2; null: begins at 0.
// Error for l2 <= 0, no samples, or if the minimum is not reached.
LogisticFit fit_logistic(const LogisticSamples& samples, double l2, const LogisticFit* start = nullptr,
                         double tolerance = 1e-7);

// Fits one regression per penalty and returns the logits of `scored` (m×D) under each: m×C. Before fitting, each column
// of x is standardised to mean 0 and standard deviation 1 over the samples (a constant column has no effect). l2:
// descending, because each search begins at the previous fit.
std::vector<at::Tensor> logits_by_penalty(const LogisticSamples& samples, const at::Tensor& scored,
                                          std::span<const double> l2, double tolerance = 1e-7);

// fit_logistic after the same standardisation. The returned weights apply to x itself.
LogisticFit fit_standardised_logistic(const LogisticSamples& samples, double l2);

// The logits of x (..×D): ..×C.
at::Tensor logistic_logits(const LogisticFit& fit, const at::Tensor& x);

}  // namespace loralens
