// SPDX-License-Identifier: Apache-2.0
// What the strict and the published form of the spectrum analysis do differently.
#pragma once

#include "analysis/analysis.h"

namespace loralens {

struct SpectrumForm {
  Part part;  // whose clips the activations and gradients are of
  // Centred spectra, A in the balanced gauge, and one factor replaced by a random one (random-A, random-B).
  bool variants_too;
  bool weights_too;  // spectra of the weights and of their change
  // The untrained model also with LoRA's dropout (variant `dropout`): the published code never sets it to evaluation
  // mode.
  bool dropout_too;
  bool beside_published;  // one more sentence: the published values
};

inline constexpr SpectrumForm strict_spectrum{
    .part = Part::test, .variants_too = true, .weights_too = true, .dropout_too = false, .beside_published = false};

inline constexpr SpectrumForm published_spectrum{
    .part = Part::sample, .variants_too = false, .weights_too = false, .dropout_too = true, .beside_published = true};

}  // namespace loralens
