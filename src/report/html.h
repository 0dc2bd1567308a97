// SPDX-License-Identifier: Apache-2.0
// HTML building blocks of the report pages: escaping, tables, figures, links, page skeleton.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

// Text as HTML, in content and in quoted attributes.
std::string escaped(std::string_view text);

// JSON in a <script> element that no browser runs; `attributes` such as "id=\"explorer\"".
std::string json_script(const std::string& attributes, const nlohmann::json& value);

// A caption and a <table>. Cells are HTML already; the first cell of a row is its header.
std::string html_table(const std::string& caption, const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows);

// A paragraph, or a list if there are several texts. Empty for none.
std::string sentences(const nlohmann::json& texts, const std::string& class_name);

// "logit-lens" as a title: "Logit lens".
std::string title_of(const std::string& name);

// A line of the table of contents. inner: below the line of its chapter.
struct ContentsEntry {
  std::string anchor, name;
  bool inner = false;
};

// The whole page with `main` as its content.
std::string whole_page(const std::string& title, const std::vector<ContentsEntry>& contents, const std::string& main);

// A link to a file as seen from a page in `folder`; percent-encoded.
std::string link_to(const Path& file, const Path& folder);
// "file:///..." of a file on this machine.
std::string file_url(const Path& file);

// A figure that page.js draws.
std::string figure_html(const std::string& name, const nlohmann::json& spec);

}  // namespace loralens
