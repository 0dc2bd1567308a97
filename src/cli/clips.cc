// SPDX-License-Identifier: Apache-2.0
#include "cli/clips.h"

#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/progress.h"
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
    const std::string list(std::istreambuf_iterator<char>(std::cin), {});
    for (std::string& line : lines_of(without_byte_order_mark(list)))
      if (!line.empty()) paths.push_back(std::move(line));
  }
  return paths;
}

void print_file(const FileResult& file, const nlohmann::ordered_json& values) {
  const std::string path = is_utf8(file.path) ? file.path : shown(file.path);
  nlohmann::ordered_json line = {{"path", path}};
  if (file.error.empty())
    line.update(values);
  else
    line["error"] = file.error;
  if (!file.soundless.empty()) line["warning"] = file.soundless;
  std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n' << std::flush;
  if (!std::cout) fail("cannot write to standard output");
  if (!file.soundless.empty())
    log_line(fmt::format("{}: {}: the answer says nothing about speech", path, file.soundless));
}

}  // namespace loralens
