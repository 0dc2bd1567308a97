// SPDX-License-Identifier: Apache-2.0
// Chart builders: Vega-Lite specifications (vega.github.io/vega-lite) with inline data.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/findings.h"

namespace loralens {

// A chart of `values`: objects whose keys are the figure's columns, value, and, if known, low, high, n, p, p_adjusted,
// null_low and null_high. Curves have a band for the interval and a grey one for the null. Any other key separates
// curves (one curve per value) and is shown in the tooltip. A scatter plot's objects have the keys x, y,
// panel, label, speaker, id (figures.cc). Curves and bars: a click on a legend entry hides or shows its curve or bars.
// For the dash column, bars become paler and heat maps ignore it. A heat map's y_title is the title of its second axis.
// Scatter plots have no axes, because t-SNE coordinates have no units.
nlohmann::json chart(const Figure& figure, const nlohmann::json& values);

// The distinct values of a column: numbers ascending; models in the order adapted, frozen, untrained, others; other
// columns in order of first occurrence.
std::vector<nlohmann::json> domain_of(const nlohmann::json& values, const std::string& column);

}  // namespace loralens
