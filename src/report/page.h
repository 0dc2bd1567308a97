// SPDX-License-Identifier: Apache-2.0
// The HTML report: one self-contained file that works offline, made from an analysis's folder.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// The page of DIR, for a file in `folder` (links to tables are relative to it). Error if DIR has neither summary.json
// nor metrics.json, or if one of its files has unexpected content.
std::string report_page(const Path& dir, const Path& folder);
// Writes report.html and claims.csv (claims_table) of an analysis into its folder.
void write_page(const Path& dir);

// One page on several analyses: their scores, and the curves of figures that at least two of them have, one colour per
// run. Runs are named by distinct_names(). Error if a folder is given twice.
std::string comparison_page(const std::vector<Path>& dirs, const Path& folder);
void write_comparison(const std::vector<Path>& dirs, const Path& out);

// The part of each path that distinguishes it from the others: a/x, b/x -> a, b. Error if two paths are the same.
std::vector<std::string> distinct_names(const std::vector<Path>& dirs);

}  // namespace loralens
