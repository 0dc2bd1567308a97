// SPDX-License-Identifier: Apache-2.0
// Variant names, figures and report sentences of the strict alignment analysis.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

// Words joined by "-": "frames" (sampled frames instead of clip means), the gauge ("" or "balanced").
std::string alignment_variant(bool frames, const std::string& gauge);
// Rows whose null distribution has V' drawn from the covariance of the module's input.
inline constexpr const char* input_null_variant = "balanced-input";

// The other layer of the heat maps, a component: "layer 3"; and its number, -2 for any other component.
std::string layer_component(int64_t layer);
int64_t layer_of_component(const std::string& component);

// Residual streams: -1 (the embedding), 0, ..., N-1.
std::vector<int64_t> streams_of(const Setting& setting);

// modules: those whose A and B were compared.
std::vector<Figure> alignment_figures(const Setting& setting, const std::set<std::string>& modules);
std::vector<std::string> alignment_reading(const Setting& setting, const std::vector<Row>& rows);

}  // namespace loralens
