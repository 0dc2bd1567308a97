// SPDX-License-Identifier: Apache-2.0
// Factory functions of all analyses; analyses.cc registers them in the order of the report.
#pragma once

#include <memory>

#include "analysis/analysis.h"

namespace loralens {

std::unique_ptr<Analysis> make_contribution(const Setting& setting);
std::unique_ptr<Analysis> make_logit_lens(const Setting& setting);
std::unique_ptr<Analysis> make_erasure(const Setting& setting);
std::unique_ptr<Analysis> make_ablation(const Setting& setting);
std::unique_ptr<Analysis> make_depth(const Setting& setting);
std::unique_ptr<Analysis> make_patching(const Setting& setting);
std::unique_ptr<Analysis> make_paths(const Setting& setting);
std::unique_ptr<Analysis> make_attribution(const Setting& setting);
std::unique_ptr<Analysis> make_difference_lens(const Setting& setting);
std::unique_ptr<Analysis> make_steering(const Setting& setting);
std::unique_ptr<Analysis> make_components(const Setting& setting);
std::unique_ptr<Analysis> make_interchange(const Setting& setting);
std::unique_ptr<Analysis> make_neurons(const Setting& setting);
std::unique_ptr<Analysis> make_erasure_of_concepts(const Setting& setting);
std::unique_ptr<Analysis> make_probes(const Setting& setting);
std::unique_ptr<Analysis> make_retention(const Setting& setting);
std::unique_ptr<Analysis> make_diagnosis(const Setting& setting);
std::unique_ptr<Analysis> make_spectrum(const Setting& setting);
std::unique_ptr<Analysis> make_alignment(const Setting& setting);
std::unique_ptr<Analysis> make_gradients(const Setting& setting);
std::unique_ptr<Analysis> make_embedding(const Setting& setting);
std::unique_ptr<Analysis> make_dynamics(const Setting& setting);

}  // namespace loralens
