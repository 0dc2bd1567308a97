// SPDX-License-Identifier: Apache-2.0
#include "cli/clips.h"

#include <algorithm>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/progress.h"
#include "base/range.h"
#include "base/text.h"
#include "corpus/folds/folds.h"

namespace loralens {

CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description) {
  return command.add_option("--corpus", tables, description)->allow_extra_args(false)->default_str("");
}

std::string scheme_error(const std::string& scheme) {
  return error_of([&] { check_scheme(scheme); });
}

namespace {

// The lines of standard input that are not empty.
class InputLines {
 public:
  std::optional<std::string> next() {
    if (!begun_) begin();
    while (true) {
      if (given_ < whole_.size()) {
        std::string line = std::move(whole_[given_++]);
        if (!line.empty()) return line;
        continue;
      }
      if (wide_) return std::nullopt;
      std::optional<std::string> line = next_line();
      if (!line || !line->empty()) return line;
    }
  }

 private:
  // UTF-16, which a byte-order mark announces, is read whole.
  void begin() {
    begun_ = true;
    const int first = in_.sgetc();
    if (first != 0xff && first != 0xfe && first != 0xef) return;
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    whole_ = lines_of(without_byte_order_mark(text));
    wide_ = true;
  }
  std::optional<std::string> next_line() {
    std::string line;
    for (int c = in_.sbumpc(); c != EOF; c = in_.sbumpc()) {
      if (c == '\r' && in_.sgetc() == '\n') in_.sbumpc();
      if (c == '\r' || c == '\n') return line;
      line += static_cast<char>(c);
    }
    if (line.empty()) return std::nullopt;
    return line;
  }

  std::streambuf& in_ = *std::cin.rdbuf();
  bool begun_ = false, wide_ = false;
  std::vector<std::string> whole_;
  size_t given_ = 0;
};

}  // namespace

PathSource audio_paths(std::vector<std::string> arguments) {
  struct State {
    std::vector<std::string> arguments;
    size_t next = 0;
    InputLines lines;
  };
  auto state = std::make_shared<State>();
  state->arguments = std::move(arguments);
  return [state]() -> std::optional<std::string> {
    for (; state->next < state->arguments.size(); ++state->next) {
      if (state->arguments[state->next] != "-") return state->arguments[state->next++];
      if (auto line = state->lines.next()) return line;
    }
    return std::nullopt;
  };
}

CLI::Option* add_shard_option(CLI::App& command, std::string& shard) {
  return command.add_option("--shard", shard, "I/N: each N-th file from the I-th on, for N commands side by side")
      ->default_str("");
}

PathSource shard_of(PathSource paths, const std::string& shard) {
  if (shard.empty()) return paths;
  const size_t slash = std::min(shard.find('/'), shard.size());
  const auto part = parse_number<int64_t>(std::string_view(shard).substr(0, slash));
  const auto parts = parse_number<int64_t>(std::string_view(shard).substr(std::min(slash + 1, shard.size())));
  if (!part || !parts || *part < 1 || *part > *parts)
    throw UsageError(fmt::format("--shard {}: give I/N, such as 2/8 for the second of 8 parts", shard));
  return [paths = std::move(paths), part = *part, parts = *parts, count = int64_t{0}]() mutable {
    std::optional<std::string> path = paths();
    for (; path && count % parts != part - 1; ++count) path = paths();
    ++count;
    return path;
  };
}

void Pace::count() {
  ++files_;
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < std::chrono::seconds(30)) return;
  told_ = now;
  log_line(fmt::format("{} files, {:.0f} a second", files_,
                       static_cast<double>(files_) / std::chrono::duration<double>(now - start_).count()));
}

std::string writable(const std::string& text) {
  return is_utf8(text) && text.find('\0') == std::string::npos ? text : shown(text);
}

nlohmann::ordered_json line_of(const FileResult& file, const nlohmann::ordered_json& values) {
  nlohmann::ordered_json line = {{"path", is_utf8(file.path) ? file.path : shown(file.path)}};
  if (file.error.empty())
    line.update(values);
  else
    line["error"] = file.error;
  if (!file.soundless.empty()) line["warning"] = file.soundless;
  return line;
}

std::string text_of(const nlohmann::ordered_json& line) {
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

void print_file(const FileResult& file, const nlohmann::ordered_json& values) {
  const nlohmann::ordered_json line = line_of(file, values);
  std::cout << text_of(line) << std::flush;
  if (!std::cout) fail("cannot write to standard output");
  if (!file.soundless.empty())
    log_line(
        fmt::format("{}: {}: the answer says nothing about speech", line["path"].get<std::string>(), file.soundless));
}

}  // namespace loralens
