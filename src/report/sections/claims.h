// SPDX-License-Identifier: Apache-2.0
// Verdicts on the claims of arXiv 2509.08454 that the tables of an analysis allow, each with its test.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

struct Claim {
  std::string text;      // what the paper says
  std::string verdict;   // "holds", "holds in part", "does not hold", "cannot be told", "not tested"
  std::string evidence;  // the numbers and their test, or why there is none
  std::string analysis;  // the section of the page that has the test, such as "alignment"
};

// The claims in the order of the paper. dir: an analysis's folder with its tables; summary: its summary.json. The two
// mechanisms (delayed specialisation, forward alignment) are one family: their p values are adjusted by Holm's method,
// where a test that was not made counts as p = 1. Error for a damaged table.
std::vector<Claim> claims_of(const Path& dir, const nlohmann::json& summary);

// The claims as a table with links to the analyses. Empty if none was tested.
std::string claims_html(const std::vector<Claim>& claims);

// The claims as a table for claims.csv: claim, verdict, evidence, analysis.
Table claims_table(const std::vector<Claim>& claims);

}  // namespace loralens
