// SPDX-License-Identifier: Apache-2.0
// The chapters of an analysis's page: each is folded at first and then shows the first sentence of its analyses.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "report/html.h"

namespace loralens {

// A folded chapter. first: HTML that is shown while the chapter is folded; main: its content.
std::string chapter_html(const std::string& anchor, const std::string& title, const std::string& first,
                         const std::string& main);

// The chapters of all analyses in dir, in the order of the report; their anchors and those of the analyses are added to
// `contents`. folder: of the page, for links.
std::string analyses_html(const Path& dir, const nlohmann::json& analyses, const Path& folder,
                          std::vector<ContentsEntry>& contents);

}  // namespace loralens
