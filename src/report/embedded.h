// SPDX-License-Identifier: Apache-2.0
// Files that the build compiles into the program (cmake/report.cmake).
#pragma once

#include <string_view>

namespace loralens::embedded {

extern const std::string_view page_html, page_css, page_js;  // src/report/page.*
extern const std::string_view vega;                          // Vega, Vega-Lite and Vega-Embed: sets window.vegaEmbed

}  // namespace loralens::embedded
