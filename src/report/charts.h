// SPDX-License-Identifier: Apache-2.0
// The chart builders: Vega-Lite specifications (vega.github.io/vega-lite) with their data inside.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/findings.h"

namespace loralens {

// A chart of `values`: objects whose keys are the figure's columns, value, and where they are known low, high and n.
// Any other key tells curves apart (a curve for each of its values) and stands in the tooltip. A scatter plot's objects
// are those of figures.cc: x, y, panel, label, speaker, id. Curves and bars: a click on a legend entry hides and shows
// what it stands for. Bars and heat maps draw no dash: bars become paler instead, heat maps ignore it; their y_title is
// that of the second axis. Scatter plots have no axes, as places of a t-SNE have no units.
nlohmann::json chart(const Figure& figure, const nlohmann::json& values);

// The values of a column, each once: numbers ascending; models as adapted, frozen, untrained, others; else as they
// come.
std::vector<nlohmann::json> domain_of(const nlohmann::json& values, const std::string& column);

}  // namespace loralens
