// The program `loralens`: reads the command line, runs one command, turns errors into one line and an exit status.
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/text.h"
#include "base/tensor_memory.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/profile.h"

namespace {

constexpr const char* description =
    "Adapts Whisper's encoder to speech emotion recognition with low-rank adapters,\n"
    "trains and evaluates it over folds of speakers, predicts, and shows what the adaptation did.\n\n"
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
  loralens::write_to_standard_error(fmt::format("loralens: {}\n", loralens::shown(line)));
  return status;
}

// A file that is opened while standard input, output or error is closed would be taken for it, and written into. Reading and
// writing what stands in for them fails, as it did before.
void open_missing_streams() {
  for (int stream = 0; stream < 3; ++stream)
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);  // takes the lowest number
}

std::string names_of_commands(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names += " " + command->get_name();
  return names;
}

// What CLI11 has to say of a command line that it does not understand, and which commands or readers there are where
// one is missing or unknown.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* last = &app;
  while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
  const auto names = names_of_commands(*last);
  const auto unknown = app.remaining(/*recurse=*/true);
  if (names.empty() || (!unknown.empty() && unknown[0].starts_with('-'))) return error.what();
  if (unknown.empty()) return fmt::format("{}: choose among{}", error.what(), names);
  return fmt::format("there is no {} '{}': choose among{}", last == &app ? "command" : "reader", unknown[0], names);
}

// What is given on the command line comes to stand in JSON, CSV and TOML, which are UTF-8, as do absolute paths. The
// files of `predict` are judged one by one.
void check_encoding(const CLI::App& app) {
  for (const CLI::App* command = &app;; command = command->get_subcommands().front()) {
    for (const CLI::Option* option : command->get_options())
      for (const std::string& word : option->results())
        if (option->get_name() != "files" && !loralens::is_utf8(word))
          throw CLI::ValidationError(fmt::format("{}: '{}' is not UTF-8: rename the file or folder", option->get_name(),
                                                 loralens::shown(word)));
    if (command->get_subcommands().empty()) break;
  }
  std::error_code code;
  if (const auto folder = std::filesystem::current_path(code).string(); !loralens::is_utf8(folder))
    loralens::fail("the path of the current folder, '{}', is not UTF-8: rename it", loralens::shown(folder));
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
  loralens::add_audit(app);
  loralens::add_synth(app);
  loralens::add_train(app);
  loralens::add_evaluate(app);
  loralens::add_predict(app);
  loralens::add_analyze(app);
  loralens::add_report(app);
  app.parse_complete_callback([&app] { check_encoding(app); });
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail_with(explain(app, error) + " (see loralens --help)", 2);
  }
}

#ifndef __SANITIZE_ADDRESS__  // whose run-time library wants to be first itself
// LibTorch's OpenMP threads spin for milliseconds before they sleep. Where other programs want the cores too, that makes
// all of them several times slower; a short spin is as fast where none does. libgomp reads the number as it is loaded,
// so the program starts itself again with it, unless the user has set one of the two variables. Called by the dynamic
// linker before any library is initialised, when this costs least; if it fails, the program goes on as it is.
void start_with_short_spins(int, char** arguments, char** environment) {
  size_t count = 0;
  for (; environment[count]; ++count)
    for (const char* set : {"GOMP_SPINCOUNT=", "OMP_WAIT_POLICY="})
      if (std::strncmp(environment[count], set, std::strlen(set)) == 0) return;
  char program[4096];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length < 0) return;
  program[length] = 0;
  char spins[] = "GOMP_SPINCOUNT=1000";
  auto** extended = static_cast<char**>(__builtin_alloca((count + 2) * sizeof(char*)));
  std::memcpy(extended, environment, count * sizeof(char*));
  extended[count] = spins;
  extended[count + 1] = nullptr;
  execve(program, arguments, extended);
}
__attribute__((section(".preinit_array"), used)) void (*const before_libraries)(int, char**, char**) =
    start_with_short_spins;
#endif

}  // namespace

int main(int argc, char** argv) {
  open_missing_streams();
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);  // writing fails instead, which is told
  loralens::keep_freed_memory();
  loralens::use_tensor_memory();
  try {
    const int status = run(argc, argv);
    loralens::end_profile();
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
