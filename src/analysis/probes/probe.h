// SPDX-License-Identifier: Apache-2.0
// A linear probe of one hidden state, with its controls: the same regression fitted to permuted labels (Hewitt and
// Liang, Designing and Interpreting Probes with Control Tasks, EMNLP 2019).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace loralens {

// Labels of n clips to fit on. They are the same for all layers and models.
struct ProbeLabels {
  std::vector<int64_t> labels;                 // n, class numbers; classes without a clip are never predicted
  std::vector<std::vector<int64_t>> permuted;  // of each control: n
  std::set<size_t> held_out;                   // the clips that choose the penalty
};

// The clips that choose the penalty: held_out_clips() without those whose class no other clip has. If none is left, the
// last clip of each class that has two or more; empty if there is no such class.
std::set<size_t> choosing_clips(const std::vector<int64_t>& labels, const std::vector<std::string>& groups,
                                uint64_t seed);

class Probe {
 public:
  // Fits a multinomial logistic regression of the standardised states (n×D, float64, CPU), with the penalty that
  // predicts the held-out clips best (fit_refitted_head). Each control has the same penalty. Errors of
  // fit_refitted_head.
  Probe(const at::Tensor& states, const ProbeLabels& labels);

  double l2() const { return l2_; }  // the penalty
  // The predicted classes of each clip's state (B×D): the probe's, then those of the controls.
  std::vector<std::vector<int64_t>> predict(const at::Tensor& states) const;

 private:
  std::vector<int64_t> classes_;  // C, ascending: those that have clips
  double l2_ = 0;
  at::Tensor weight_;  // (1+m)C×D: of the probe, then of its m controls
  at::Tensor bias_;  // (1+m)C
};

}  // namespace loralens
