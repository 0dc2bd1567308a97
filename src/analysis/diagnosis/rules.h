// SPDX-License-Identifier: Apache-2.0
// The rules by which a training is diagnosed from the rows of the analysis. docs/analyses.md states them.
#pragma once

#include <string>
#include <vector>

#include "analysis/findings.h"

namespace loralens {

// Weak: the probabilities of the answers differ from those without adapters by less than this (total variation, mean
// over clips).
inline constexpr double weak_below = 0.02;
// Vanishing: below some layer the gradient is smaller than this share of that at the last layer's output.
inline constexpr double vanishing_below_log10 = -2;
// Over-specialised: the UAR is lower than the frozen encoder's, and lower by more than this than on training clips.
inline constexpr double training_gap_above = 0.1;

enum class Verdict { found, absent, unknown };
// "found", "not found", "cannot be told"
std::string words_of(Verdict verdict);

// A row against a limit: found or absent if its interval, or without one nothing, lies wholly on one side.
Verdict below(const Row* row, double limit);

struct Diagnoses {
  const Row* change = nullptr;  // total variation
  const Row* gradient = nullptr;  // of the layer with the smallest gradient
  const Row* difference = nullptr;  // of UARs, adapted minus frozen
  double gap = 0;  // UAR on training minus that on test clips
  Verdict weak = Verdict::unknown, vanishing = Verdict::unknown, over_specialised = Verdict::unknown;
};
Diagnoses diagnose(const std::vector<Row>& rows);

}  // namespace loralens
