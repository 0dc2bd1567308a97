// SPDX-License-Identifier: Apache-2.0
#include "cli/clips.h"

#include <iostream>

#include "base/error.h"
#include "base/text.h"
#include "corpus/folds/folds.h"

namespace loralens {

CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description) {
  return command.add_option("--corpus", tables, description)->allow_extra_args(false)->default_str("");
}

std::string scheme_error(const std::string& scheme) {
  return error_of([&] { check_scheme(scheme); });
}

std::vector<std::string> audio_paths(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  for (const std::string& file : arguments) {
    if (file != "-") {
      paths.push_back(file);
      continue;
    }
    for (std::string line; std::getline(std::cin, line);)
      if (!line.empty()) paths.push_back(line);
  }
  return paths;
}

void print_file(const std::string& path, const std::string& error, const nlohmann::ordered_json& values) {
  nlohmann::ordered_json line = {{"path", is_utf8(path) ? path : shown(path)}};
  if (error.empty())
    line.update(values);
  else
    line["error"] = error;
  std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n' << std::flush;
  if (!std::cout) fail("cannot write to standard output");
}

}  // namespace loralens
