// SPDX-License-Identifier: Apache-2.0
// Checks the flags of an analysis without making it.
#pragma once

#include <string>
#include <vector>

namespace loralens {

// flags: words of a command line, such as "--only=ablation", beside the run and -o. Errors of CLI11 for flags that
// `loralens analyze` does not have or whose values it does not take, UsageError for an analysis that does not exist.
void check_analysis_flags(const std::vector<std::string>& flags);

}  // namespace loralens
