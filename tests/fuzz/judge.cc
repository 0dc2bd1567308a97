// SPDX-License-Identifier: Apache-2.0
#include "fuzz/judge.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/formats/csv.h"
#include "fuzz/process.h"

namespace loralens::fuzz {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A message with digits replaced and shortened, so that the same fault gives the same text.
std::string normal(const std::string& message) {
  std::string text;
  for (const char c : message.substr(0, 400)) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !text.empty() && text.back() == 'N') continue;
    text += digit ? 'N' : c;
  }
  return text.substr(0, 200);
}

// The first internal word in the text: words of libraries that mean nothing to a user, and of errors that the program
// did not handle.
std::string internal_words(const std::string& text) {
  static const char* const words[] = {"[json.exception",
                                      "c10::",
                                      "at::",
                                      "std::",
                                      "basic_string",
                                      "vector::_M",
                                      "map::at",
                                      "bad_alloc",
                                      "bad_function",
                                      "stoi",
                                      "stod",
                                      "stoull",
                                      "stol",
                                      "LibTorch failed",
                                      "INTERNAL",
                                      "ATen",
                                      "optional",
                                      "regex_error",
                                      "terminate",
                                      "out of memory",
                                      "filesystem error",
                                      "length_error",
                                      "out_of_range",
                                      "lexical_cast",
                                      "Assertion"};
  for (const char* word : words)
    if (text.find(word) != std::string::npos) return word;
  return "";
}

bool not_finite(const std::string& cell) {
  static const char* const texts[] = {"nan", "-nan", "inf", "-inf", "NaN", "Infinity", "-Infinity"};
  return std::find(std::begin(texts), std::end(texts), cell) != std::end(texts);
}

// The name of the first probability or score that is null.
std::string null_score(const json& value, const std::string& name) {
  static const char* const scores[] = {"uar", "war", "macro_f1", "recall", "ece", "mean", "std", "seconds"};
  const bool score =
      name.starts_with("probabilities") || std::find(std::begin(scores), std::end(scores), name) != std::end(scores);
  if (value.is_null()) return score ? name : "";
  if (!value.is_structured()) return "";
  for (const auto& [key, child] : value.items()) {
    const bool inside = value.is_array() || name == "probabilities";
    if (const auto found = null_score(child, inside ? name : key); !found.empty()) return found;
  }
  return "";
}

std::string fault_of_json(const std::string& text, const std::string& name) {
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return name + " is no valid JSON";
  const std::string null = null_score(value, "");
  return null.empty() ? "" : fmt::format("{}: \"{}\" is null", name, null);
}

// Whether a column holds text of the user, which may be any text.
bool is_text(const std::string& column) {
  static const char* const texts[] = {"id",   "path",   "label",      "speaker", "predicted", "session",
                                      "text", "corpus", "language",   "gender",  "intensity", "note",
                                      "x",    "y",      "value_text", "class",   "group"};
  return std::find(std::begin(texts), std::end(texts), column) != std::end(texts);
}

std::string fault_of_table(const Path& file) {
  const Table table = parse_csv(read_file(file), file.filename());
  for (size_t c = 0; c < table.header.size(); ++c)
    for (const auto& row : table.rows)
      if (!is_text(table.header[c]) && not_finite(row[c]))
        return fmt::format("{}: {} in column {}", file.filename().string(), row[c], table.header[c]);
  return "";
}

// The first non-finite value or invalid JSON in the command's printed output and output files.
std::string fault_of_output(const Path& folder) {
  const auto printed = lines_of(read_file(folder / "stdout.txt"));
  const bool document = !printed.empty() && printed[0] == "{";
  std::string whole;
  for (const std::string& line : printed) {
    whole += line + "\n";
    if (!document && line.starts_with("{\""))  // a confusion matrix's row begins with a class, which can be "{"
      if (const auto fault = fault_of_json(line, "standard output"); !fault.empty()) return fault;
  }
  if (document)
    if (const auto fault = fault_of_json(whole, "standard output"); !fault.empty()) return fault;
  std::vector<Path> files = {folder / "out.json"};
  if (fs::is_directory(folder / "out"))
    for (const auto& entry : fs::recursive_directory_iterator(folder / "out")) files.push_back(entry.path());
  for (const Path& file : files) {
    if (!fs::is_regular_file(file)) continue;
    std::string fault;
    if (file.extension() == ".json") fault = fault_of_json(read_file(file), file.filename());
    if (file.extension() == ".csv") fault = fault_of_table(file);
    if (!fault.empty()) return fault;
  }
  return "";
}

// Lines of standard error without libmpg123's messages about a damaged MP3, which cannot be turned off.
std::vector<std::string> messages_of(const Path& folder) {
  auto lines = lines_of(read_file(folder / "stderr.txt"));
  std::erase_if(lines, [](const std::string& line) {
    return line.find("libmpg123") != std::string::npos || line.empty() || line.starts_with("Note:") ||
           line.starts_with("Warning:");
  });
  return lines;
}

}  // namespace

std::string finding(const Path& folder, int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    if (signal == SIGALRM || signal == SIGXCPU) return fmt::format("a hang: more than {} s", longest);
    return fmt::format("signal {} ({})", signal, ::strsignal(signal));
  }
  const int exit = WEXITSTATUS(status);
  const auto messages = messages_of(folder);
  const std::string said = messages.empty() ? "" : messages.back();
  if (exit > 2) return fmt::format("exit status {}: {}", exit, normal(said));
  if (exit == 0) {
    if (!messages.empty()) return "exit status 0 and a message: " + normal(messages.front());
    const std::string fault = fault_of_output(folder);
    return fault.empty() ? "" : "exit status 0, " + fault;
  }
  if (messages.empty()) return fmt::format("exit status {} without a message", exit);
  if (messages.size() > 1)
    return fmt::format("exit status {} and more than one line: {}", exit, normal(messages.front()));
  if (!said.starts_with("loralens: ")) return "a message that is not the program's: " + normal(said);
  const std::string words = internal_words(said);
  if (!words.empty())
    return fmt::format("a message of a library: {}", normal(said.substr(0, said.find(words) + words.size())));
  const std::string printed = internal_words(read_file(folder / "stdout.txt"));
  return printed.empty() ? "" : fmt::format("an answer with words of a library ({})", printed);
}

bool long_work(const Path& file) {
  if (file.extension() != ".toml" || !fs::is_regular_file(file)) return false;
  for (const std::string& line : lines_of(read_file(file))) {
    double count = 0;
    for (const char* form : {"epochs = %lf", "head-epochs = %lf", "threads = %lf"})
      if (std::sscanf(line.c_str(), form, &count) == 1 && !(count <= 20)) return true;
  }
  return false;
}

}  // namespace loralens::fuzz
