// SPDX-License-Identifier: Apache-2.0
#include "cli/clips.h"

#include "base/error.h"
#include "corpus/folds/folds.h"

namespace loralens {

CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description) {
  return command.add_option("--corpus", tables, description)->allow_extra_args(false)->default_str("");
}

std::string scheme_error(const std::string& scheme) {
  try {
    check_scheme(scheme);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace loralens
