// SPDX-License-Identifier: Apache-2.0
// The report: one file that works offline, made from the folder of an analysis alone.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// The page over DIR as write_findings wrote it, for a file in `folder` (links to tables and audio are relative to it).
// Error if DIR has no summary.json, or it or a file that it names is not what write_findings writes.
std::string report_page(const Path& dir, const Path& folder);
// Writes DIR/report.html.
void write_page(const Path& dir);

// One page over several analyses: their scores, and the curves of figures that at least two of them have, a colour for
// each run, which is called by the part of its path that tells it from the others. Error if a folder is given twice.
std::string comparison_page(const std::vector<Path>& dirs, const Path& folder);
void write_comparison(const std::vector<Path>& dirs, const Path& out);

// The part of each path that tells it from the others: a/x, b/x -> a, b. Error if two are the same.
std::vector<std::string> distinct_names(const std::vector<Path>& dirs);

}  // namespace loralens
