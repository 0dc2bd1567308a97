// SPDX-License-Identifier: Apache-2.0
// Recognises the files and folders that this program wrote: --force replaces nothing else (Complaint in base/output.h).
#pragma once

#include <string>

#include "base/files.h"

namespace loralens {

// Each function returns why the file or folder was not written by this program; "" if it was.

// Accepted: a run of `train`, finished or interrupted, or the output folder of `evaluate`, `analyze`, `synth`,
// `import` or `embed`, without any other files; or an empty folder.
std::string complaint_about_folder(const Path& folder);
std::string complaint_about_table(const Path& file);  // of `corpus`
std::string complaint_about_audit(const Path& file);  // of `audit -o`
std::string complaint_about_embeddings(const Path& file);  // of `embed -o FILE.npz`
std::string complaint_about_page(const Path& file);  // of `report`
std::string complaint_about_profile(const Path& file);  // of --profile=FILE

}  // namespace loralens
