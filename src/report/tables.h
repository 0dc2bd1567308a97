// SPDX-License-Identifier: Apache-2.0
// Writes the output folder of an analysis: tables, arrays, figures and a summary, from which the page is made.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/findings.h"
#include "base/formats/csv.h"
#include "corpus/clips.h"

namespace loralens {

// analysis,protocol,model,variant,fold,seed,step,layer,module,component,metric,class,value,low,high,n,estimand,p,
// p_adjusted,null_low,null_high,null_draws. Tables of older versions end with n.
const std::vector<std::string>& table_columns();

// A row's cell in one of the columns model, variant, fold, step, layer, module, component, metric and class; "" is
// empty. Error for another column.
std::string cell_of(const Row& row, const std::string& column);

// The tidy table. Numbers have the fewest digits that restore them exactly. Cells are empty where the interval, p or
// null is NaN, and where n or null_draws is 0.
Table table_of(const std::string& analysis, const std::string& protocol, const std::vector<Row>& rows);

// Writes into `folder`, which exists, tables/<analysis>.csv, arrays/<analysis>.npz (where there are arrays),
// figures/<name>.vl.json and summary.json.
// clips: the table that ClipFinding::clip indexes. classes: the classes of their probabilities, in order.
// about: what was run, an object; shown on the page are, in this order: run base method corpus folds clips speakers
// against untrained precision device versions (an object), each a text, number or list; any other key under its own
// name; and "metrics", the scores of the run (metrics.json). protocol and seed are added to it. A figure that has
// nothing to draw is left out, and a note says so. Error if two figures have the same name.
void write_findings(const Path& folder, const std::string& protocol, uint64_t seed,
                    const std::vector<NamedFindings>& analyses, const Clips& clips,
                    const std::vector<std::string>& classes, nlohmann::json about);

// A finite number rounded to `digits` significant digits; null for NaN and infinities.
nlohmann::json rounded(double value, int digits = 6);

}  // namespace loralens
