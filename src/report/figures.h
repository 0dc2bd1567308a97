// SPDX-License-Identifier: Apache-2.0
// From what an analysis wants to show to a Vega-Lite specification.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "analysis/findings.h"

namespace loralens {

// A specification with its data inside (only the columns that are needed, 6 significant digits), which draws itself
// alone and on the page. Rows: those that `where` lets through; if some of these have an empty fold, only they. A row
// that is empty in the column of an axis has no place on it and is left out. Columns that nobody names but that differ
// become curves of their own. "usermeta" holds the figure's description for combined_figure. data.values may be empty.
// Error for a column that a table does not have.
nlohmann::json vega_lite(const Figure& figure, const std::vector<Row>& rows);

struct RunFigure {
  std::string run;      // what the legend calls it
  nlohmann::json spec;  // as vega_lite made it
};

// Same-named curves or bars of several runs on one figure: a colour for each run, a panel for each combination of what
// were colours, dashes and panels. Null for a kind that cannot be laid over another (heat map, scatter plot).
// Error for specifications that vega_lite did not make.
nlohmann::json combined_figure(const std::vector<RunFigure>& figures);

}  // namespace loralens
