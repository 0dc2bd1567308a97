// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <c10/util/Exception.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <new>
#include <string>

#include "base/error.h"
#include "base/nearest.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/processes.h"
#include "cli/profile.h"

namespace loralens {
namespace {

constexpr const char* description =
    "Adapts Whisper's encoder to speech emotion recognition with low-rank adapters,\n"
    "trains and evaluates it over folds of speakers, predicts, and analyses the adapted encoder.\n\n"
    "Examples:\n"
    "  loralens corpus ravdess DIR --labels four -o ravdess.csv\n"
    "  loralens train --model base --corpus ravdess.csv --folds speaker:8 -o run\n"
    "  loralens predict run speech.wav\n"
    "  loralens analyze run -o analysis";

int fail_with(std::string_view message, int status) {
  std::string line(message);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  for (char& c : line)
    if (c == '\n') c = ' ';
  return end_with_error(shown(line), status);
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return names;
}

// CLI11's message about a command line that it cannot parse; names the nearest flag, and lists the commands or readers
// if one is missing or unknown.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* last = &app;
  while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
  const auto names = names_of_commands(*last);
  const auto unknown = app.remaining(/*recurse=*/true);
  if (!unknown.empty() && unknown[0].starts_with("--")) {
    const std::string flag = unknown[0].substr(2, unknown[0].find('=') - 2), near = nearest(flag, flag_names(*last));
    return fmt::format("{} has no flag --{}{}", last->get_name(), flag,
                       near.empty() ? "" : fmt::format(": did you mean --{}?", near));
  }
  if (names.empty() || (!unknown.empty() && unknown[0].starts_with('-'))) return error.what();
  const std::string list = fmt::format("choose among {}", fmt::join(names, " "));
  if (unknown.empty()) return fmt::format("{}: {}", error.what(), list);
  const std::string name = nearest(unknown[0], names);
  return fmt::format("there is no {} '{}': {}{}", last == &app ? "command" : "reader", unknown[0],
                     name.empty() ? "" : fmt::format("did you mean {}? Or ", name), list);
}

// Error unless all arguments and the current folder's path are UTF-8, because they are written to JSON, CSV and TOML
// files. `predict`, `transcribe` and `embed` check their audio files themselves, one by one.
void check_encoding(const CLI::App& app) {
  for (const CLI::App* command = &app;; command = command->get_subcommands().front()) {
    for (const CLI::Option* option : command->get_options())
      for (const std::string& word : option->results())
        if (option->get_name() != "files" && !is_utf8(word))
          throw CLI::ValidationError(
              fmt::format("{}: '{}' is not UTF-8: rename the file or folder", option->get_name(), shown(word)));
    if (command->get_subcommands().empty()) break;
  }
  std::error_code code;
  if (const auto folder = std::filesystem::current_path(code).string(); !is_utf8(folder))
    fail("the path of the current folder, '{}', is not UTF-8: rename it", shown(folder));
}

int run(int argc, char** argv) {
  CLI::App app(description, "loralens");
  app.set_version_flag("--version", "loralens " LORALENS_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  app.add_flag_callback("-q,--quiet", [] { set_quiet(true); }, "no progress bar and no log lines");
  app.fallthrough();
  add_fetch(app);
  add_import(app);
  add_corpus(app);
  add_audit(app);
  add_synth(app);
  add_train(app);
  add_evaluate(app);
  add_predict(app);
  add_transcribe(app);
  add_embed(app);
  add_analyze(app);
  add_report(app);
  add_study(app);
  add_completion(app);
  app.parse_complete_callback([&app] {
    check_encoding(app);
    check_launch(app);
  });
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {  // help COMMAND is COMMAND --help
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  std::ranges::reverse(words);  // as CLI11 expects them
  try {
    app.parse(std::move(words));
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail_with(explain(app, error) + " (see loralens --help)", 2);
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  try {
    const int status = run(argc, argv);
    end_profile();
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) fail("cannot write to standard output");
    return status;
  } catch (const UsageError& error) {
    return fail_with(error.what(), 2);
  } catch (const Error& error) {
    return fail_with(error.what(), 1);
  } catch (const c10::OutOfMemoryError& error) {
    return fail_with("out of memory: use smaller batches or a smaller model", 1);
  } catch (const c10::Error& error) {
    return fail_with(fmt::format("LibTorch failed: {}", error.what_without_backtrace()), 1);
  } catch (const std::bad_alloc&) {
    return fail_with("out of memory: use smaller batches or a smaller model", 1);
  } catch (const std::filesystem::filesystem_error& error) {  // such as a loop of symbolic links
    return fail_with(fmt::format("{}: {}", error.path1().string(), error.code().message()), 1);
  } catch (const std::exception& error) {
    return fail_with(error.what(), 1);
  }
}

}  // namespace loralens
