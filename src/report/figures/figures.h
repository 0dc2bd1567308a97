// SPDX-License-Identifier: Apache-2.0
// Converts an analysis's figures to Vega-Lite specifications, and combines figures of several runs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "analysis/findings.h"

namespace loralens {

// A self-contained specification with inline data (only the necessary columns, 6 significant digits). Rows: those that
// match `where`; if some of these have an empty fold, only those. Rows with an empty cell in an axis column are left
// out. Columns that the figure does not name but whose values differ give separate curves. "usermeta" holds the
// figure's description for combined_figure. data.values may be empty. Error for a column that tables do not have.
nlohmann::json vega_lite(const Figure& figure, const std::vector<Row>& rows);

struct RunFigure {
  std::string run;      // name in the legend
  nlohmann::json spec;  // result of vega_lite
};

// Combines same-named curves or bars of several runs in one figure: one colour per run, one panel per combination of
// the original colour, dash and panel values. Null for kinds that cannot be overlaid (heat map, scatter plot). Error
// for specifications that vega_lite did not make.
nlohmann::json combined_figure(const std::vector<RunFigure>& figures);

}  // namespace loralens
