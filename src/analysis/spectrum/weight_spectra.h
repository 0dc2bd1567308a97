// SPDX-License-Identifier: Apache-2.0
// Effect of adaptation on the weights: spectra of ΔW, W and W + ΔW, overlap of the leading directions of ΔW and W (Hu
// et al., 2021, section 7), and intruder dimensions (Shuttleworth et al., 2024).
#pragma once

#include <string>

#include "analysis/spectrum/curves.h"
#include "analysis/spectrum/intruders.h"

namespace loralens {

// Adds, for each adapted linear layer of the fold (all linear layers after full fine-tuning):
//   components delta-weight, adapted-weight (model adapted), weight (model frozen), delta-weight (model untrained),
// with
//   all measures of a spectrum;
//   components output-directions (left singular vectors) and input-directions (right ones), metrics overlap and chance,
//   variants top-<i>-in-<j>: how far the i leading directions of ΔW lie in the span of the j leading of W. Pairs with i
//   above the rank of ΔW or j not below the width are left out;
//   component adapted-weight, metric intruders, variants cosine-<threshold>: of the 10 leading output directions of
//   W + ΔW.
// Returns the reason if nothing could be added, else an empty string.
std::string add_weight_spectra(const FoldSubjects& fold, SpectrumCurves& curves, Intruders& intruders);

}  // namespace loralens
