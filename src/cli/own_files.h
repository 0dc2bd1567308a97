// SPDX-License-Identifier: Apache-2.0
// What the program's own files and folders look like: --force replaces nothing else (Complaint in base/output.h).
#pragma once

#include <string>

#include "base/files.h"

namespace loralens {

// Each says why the file or folder is not one that this program wrote; "" if it is.

// A run of `train`, finished or interrupted, or what `evaluate`, `analyze`, `synth` or `import` wrote, with nothing
// else in it; or an empty folder.
std::string complaint_about_folder(const Path& folder);
std::string complaint_about_table(const Path& file);    // of `corpus`
std::string complaint_about_audit(const Path& file);    // of `audit -o`
std::string complaint_about_page(const Path& file);     // of `report`
std::string complaint_about_profile(const Path& file);  // of --profile=FILE

}  // namespace loralens
