// The program `loralens`: reads the command line, runs one command, turns errors into one line and an exit status.
#include <c10/util/Exception.h>

#include <csignal>
#include <cstdio>
#include <new>
#include <string>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/config.h"

namespace {

constexpr const char* description =
    "Adapts Whisper's encoder to speech emotion recognition with low-rank adapters,\n"
    "trains and evaluates it over folds of speakers, and predicts.\n\n"
    "Examples:\n"
    "  loralens corpus ravdess DIR --labels four -o ravdess.csv\n"
    "  loralens train --model base --corpus ravdess.csv --folds speaker:8 -o run\n"
    "  loralens predict run speech.wav";

int fail_with(std::string_view message, int status) {
  std::string line(message);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  for (char& c : line)
    if (c == '\n') c = ' ';
  fmt::print(stderr, "loralens: {}\n", line);
  return status;
}

// What CLI11 has to say of a command line that it does not understand.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto unknown = app.remaining();
  if (!app.get_subcommands().empty() || unknown.empty() || unknown[0].starts_with('-')) return error.what();
  std::string names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names += " " + command->get_name();
  return fmt::format("there is no command '{}': choose among{}", unknown[0], names);
}

int run(int argc, char** argv) {
  CLI::App app(description, "loralens");
  app.set_version_flag("--version", "loralens " LORALENS_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  app.add_flag_callback("-q,--quiet", [] { loralens::set_quiet(true); }, "no progress and no log lines");
  app.fallthrough();
  loralens::add_fetch(app);
  loralens::add_import(app);
  loralens::add_corpus(app);
  loralens::add_synth(app);
  loralens::add_train(app);
  loralens::add_evaluate(app);
  loralens::add_predict(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail_with(explain(app, error) + " (see loralens --help)", 2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const int status = run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) loralens::fail("cannot write to standard output");
    return status;
  } catch (const loralens::UsageError& error) {
    return fail_with(error.what(), 2);
  } catch (const loralens::Error& error) {
    return fail_with(error.what(), 1);
  } catch (const c10::OutOfMemoryError& error) {
    return fail_with("out of memory: use smaller batches or a smaller model", 1);
  } catch (const c10::Error& error) {
    return fail_with(fmt::format("LibTorch failed: {}", error.what_without_backtrace()), 1);
  } catch (const std::bad_alloc&) {
    return fail_with("out of memory: use smaller batches or a smaller model", 1);
  } catch (const std::exception& error) {
    return fail_with(error.what(), 1);
  }
}
