// SPDX-License-Identifier: Apache-2.0
// Command-line options of commands that read tables of clips; arguments and printed lines of commands that read audio
// files.
#pragma once

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "inference/decoded_files.h"

namespace loralens {

// --corpus TABLE, which may be given several times.
CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description);

// CLI11 check of a scheme of folds (check_scheme): "" if it is valid, else the error message.
std::string scheme_error(const std::string& scheme);

// Gives the paths of the arguments; "-" stands for the lines of standard input, which are read as they are asked for,
// in UTF-8 or UTF-16, and end with LF, CRLF or CR.
PathSource audio_paths(std::vector<std::string> arguments);

// --shard I/N.
CLI::Option* add_shard_option(CLI::App& command, std::string& shard);
// The i-th of n parts of the paths: each n-th one from the i-th on. shard: "I/N", I from 1 to N; "": all. UsageError
// for another text.
PathSource shard_of(PathSource paths, const std::string& shard);

// Logs, each half minute, how many files a long command has written.
class Pace {
 public:
  void count();

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), told_ = start_;
  int64_t files_ = 0;
};

// A path or message as files of results hold it: escaped if it is not UTF-8 or has a zero byte.
std::string writable(const std::string& text);

// The line of a file: its path, and `values`, or its error if it has one. A file without sound gets a "warning".
nlohmann::ordered_json line_of(const FileResult& file, const nlohmann::ordered_json& values);
// As text with its end; bytes that are not UTF-8 are replaced.
std::string text_of(const nlohmann::ordered_json& line);

// Prints the line of a file on standard output. The warning of a file without sound is also logged.
void print_file(const FileResult& file, const nlohmann::ordered_json& values);

}  // namespace loralens
