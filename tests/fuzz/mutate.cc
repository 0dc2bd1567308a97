// SPDX-License-Identifier: Apache-2.0
// Mutation fuzzer for whole commands: each run damages one valid input, or the command line, at random and runs a
// command on it. A run is determined by its kind and its number, so that it can be reproduced. Usage: CONTRIBUTING.md.
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>

#include "base/error.h"
#include "fuzz/bytes.h"
#include "fuzz/inputs.h"
#include "fuzz/judge.h"
#include "fuzz/kinds.h"

namespace loralens::fuzz {
namespace {

namespace fs = std::filesystem;

struct Options {
  uint64_t runs = 1000, seed = 1, megabytes = 1500;
  int jobs = 2;
  std::string keep = "fuzz-findings", kind;
  std::optional<uint64_t> run;
  bool list = false;
};

// One run: its kind, damaged file and command, all derived from the run's number.
struct Plan {
  const Kind* kind;
  uint64_t number, seed;
  std::string file, donor;  // below the inputs; empty for the command line
  Words command;
};

struct Running {
  Plan plan;
  Path folder;
};

struct Totals {
  std::map<std::string, uint64_t> runs, found;              // by kind
  std::map<std::string, std::map<int, uint64_t>> statuses;  // by kind; -1: a signal
  std::map<std::string, uint64_t> findings;                 // by kind and fault
};

const Kind& kind_of(const Options& options, Random& random) {
  int sum = 0;
  for (const Kind& kind : kinds()) {
    if (kind.name == options.kind) return kind;
    sum += kind.weight;
  }
  if (!options.kind.empty()) fail("there is no kind '{}': --list names them", options.kind);
  auto draw = static_cast<int>(random.below(static_cast<uint64_t>(sum)));
  for (const Kind& kind : kinds())
    if ((draw -= kind.weight) < 0) return kind;
  std::abort();
}

class Fuzzer {
 public:
  explicit Fuzzer(const Options& options)
      : options_(options), keep_(fs::absolute(options.keep)), inputs_(keep_ / "inputs") {
    const Path shared = "/dev/shm";  // a file system in memory, if there is one
    work_ =
        (fs::is_directory(shared) ? shared : fs::temp_directory_path()) / fmt::format("loralens-fuzz-{}", ::getpid());
    fs::remove_all(inputs_);
    make_inputs(inputs_);
    for (const Kind& kind : kinds())
      for (const auto& file : files_of(kind, inputs_)) donors_.push_back(file);
    fs::create_directories(work_);
  }
  ~Fuzzer() { fs::remove_all(work_); }

  int run_all() {
    const auto begin = std::chrono::steady_clock::now();
    check_inputs();
    if (options_.run) {
      begin_run(plan_of(*options_.run));
      wait_for_one();
    } else {
      for (uint64_t i = 0; i < options_.runs; ++i) {
        if (running_.size() == static_cast<size_t>(options_.jobs)) wait_for_one();
        begin_run(plan_of(options_.seed * 1'000'000 + i));
        if ((i + 1) % 1000 == 0) fmt::print(stderr, "{} runs\n", i + 1);
      }
      while (!running_.empty()) wait_for_one();
    }
    print(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    return totals_.findings.empty() ? 0 : 1;
  }

 private:
  Plan plan_of(uint64_t number) const {
    Random choice(hash_of(number));
    const Kind& kind = kind_of(options_, choice);
    Plan plan{&kind, number, hash_of(number, hash_of(kind.name)), {}, {}, {}};
    Random random(plan.seed);
    if (const auto& files = good_files_.at(kind.name); !files.empty()) {
      plan.file = pick(files, random);
      plan.donor = pick(donors_, random);
    }
    plan.command = with_file(pick(kind.commands, random), plan.file);
    if (plan.file.empty()) damage(plan.command, random);
    return plan;
  }

  // Fills a run's folder with links to all inputs and a copy of the file or folder that is damaged.
  void fill(const Path& folder, const std::string& file) const {
    const std::string top = file.substr(0, file.find('/'));
    for (const auto& entry : fs::directory_iterator(inputs_)) {
      const Path name = entry.path().filename();
      if (name != top)
        fs::create_symlink(entry.path(), folder / name);
      else if (entry.is_directory() && name == "formats") {  // hundreds of files
        fs::create_directory(folder / name);
        for (const auto& each : {file, file + ".csv"}) fs::copy_file(inputs_ / each, folder / each);
      } else
        fs::copy(entry.path(), folder / name, fs::copy_options::recursive);
    }
    if (fs::exists(folder / "list.txt")) fs::create_symlink("list.txt", folder / "stdin.txt");
  }

  void begin_run(const Plan& plan) {
    Path folder = work_ / fmt::format("{}-{}", plan.kind->name, plan.number);
    fs::create_directory(folder);
    const auto before = [&] {
      fill(folder, plan.file);
      Random random(hash_of(plan.seed, 1));
      if (!plan.file.empty()) damage(folder / plan.file, inputs_ / plan.donor, random);
    };
    const pid_t child = start(folder, plan.command, before, {.memory = memory()});
    running_.emplace(child, Running{plan, std::move(folder)});
  }

  uint64_t memory() const {
#ifdef __SANITIZE_ADDRESS__  // it reserves the whole address space
    return 0;
#else
    return options_.megabytes << 20;
#endif
  }

  void wait_for_one() {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, 0);
    const auto found = running_.find(child);
    if (found == running_.end()) return;
    const Running run = found->second;
    running_.erase(found);
    account(run, status);
    fs::remove_all(run.folder);
  }

  void account(const Running& run, int status) {
    const std::string& kind = run.plan.kind->name;
    if (WIFEXITED(status) && WEXITSTATUS(status) == fuzzer_failed)
      fail("run {} of {}: the fuzzer itself failed", run.plan.number, kind);
    ++totals_.runs[kind];
    ++totals_.statuses[kind][WIFEXITED(status) ? WEXITSTATUS(status) : -1];
    std::string fault = finding(run.folder, status);
    if (fault.starts_with("a hang") && (long_work(run.folder / run.plan.file))) fault.clear();
    if (fault.empty() && !options_.run) return;
    if (!fault.empty()) ++totals_.found[kind];
    const uint64_t times = fault.empty() ? 0 : ++totals_.findings[fmt::format("{}: {}", kind, fault)];
    if (times <= 2) show(run, fault);
  }

  // Copies a run's folder; pipes are created anew.
  void keep(const Path& folder, const Path& kept) const {
    fs::remove_all(kept);
    fs::create_directories(kept);
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const Path to = kept / entry.path().lexically_relative(folder);
      if (entry.symlink_status().type() == fs::file_type::fifo)
        ::mkfifo(to.c_str(), 0600);
      else if (!entry.is_symlink() && entry.is_directory())
        fs::create_directory(to);
      else
        fs::copy(entry.path(), to, fs::copy_options::copy_symlinks);
    }
  }

  void show(const Running& run, const std::string& fault) const {
    const Path kept = keep_ / run.folder.filename();
    keep(run.folder, kept);
    std::ofstream(kept / "command.txt") << fmt::format("{}\n", fmt::join(run.plan.command, "\n"));
    fmt::print("{}\n  --kind {} --run {}: loralens {}\n  damaged: {}\n", fault.empty() ? "no finding" : fault,
               run.plan.kind->name, run.plan.number, fmt::join(run.plan.command, " "),
               run.plan.file.empty() ? "the command line" : (kept / run.plan.file).string());
    std::fflush(stdout);
  }

  // Checks that each command works with undamaged inputs, else runs would prove nothing. Audio formats that the program
  // does not read are left out.
  void check_inputs() {
    for (const Kind& kind : kinds()) {
      auto& files = good_files_[kind.name] = files_of(kind, inputs_);
      if (!options_.kind.empty() && kind.name != options_.kind) continue;
      if (kind.name == "audio") {
        std::erase_if(files, [&](const std::string& file) { return !works(kind.commands[0], file); });
        if (files.size() < 20) fail("only {} formats of audio can be read", files.size());
      }
      for (const Words& command : kind.commands)
        if (const auto& file = files.empty() ? "" : files[0]; !works(command, file))
          fail("loralens {} does not work with good input: see {}", fmt::join(with_file(command, file), " "),
               (keep_ / "good").string());
    }
  }

  bool works(const Words& command, const std::string& file) {
    const Path folder = work_ / "good";
    fs::remove_all(folder);
    fs::create_directory(folder);
    const pid_t child = start(folder, with_file(command, file), [&] { fill(folder, file); }, {.memory = memory()});
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status == 0 && finding(folder, status).empty()) return true;
    keep(folder, keep_ / "good");
    return false;
  }

  void print(double seconds) const {
    fmt::print("\n{:16} {:>7} {:>8}   {}\n", "kind", "runs", "findings", "exit statuses");
    uint64_t runs = 0;
    for (const auto& [kind, count] : totals_.runs) {
      runs += count;
      std::string statuses;
      for (const auto& [status, times] : totals_.statuses.at(kind))
        statuses += status < 0 ? fmt::format(" signal: {}", times) : fmt::format(" {}: {}", status, times);
      const auto found = totals_.found.find(kind);
      fmt::print("{:16} {:>7} {:>8}  {}\n", kind, count, found == totals_.found.end() ? 0 : found->second, statuses);
    }
    fmt::print("\n{} runs in {:.0f} s, {} different findings{}\n", runs, seconds, totals_.findings.size(),
               totals_.findings.empty() ? "" : ":");
    for (const auto& [fault, times] : totals_.findings) fmt::print("{:>6} x {}\n", times, fault);
  }

  Options options_;
  Path keep_, inputs_, work_;
  std::vector<std::string> donors_;
  std::map<std::string, std::vector<std::string>> good_files_;
  std::map<pid_t, Running> running_;
  Totals totals_;
};

// Restarts this program with one thread: a process that forks must not have threads of LibTorch, and OpenMP reads its
// number of threads when it is loaded.
void start_with_one_thread(char** argv) {
  if (std::getenv("LORALENS_FUZZ_STARTED")) return;
  ::setenv("LORALENS_FUZZ_STARTED", "1", 1);
  for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}) ::setenv(name, "1", 1);
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  ::execv("/proc/self/exe", argv);
}

int fuzz(int argc, char** argv) {
  Options o;
  CLI::App app("Damages good inputs at random and runs commands on them; each finding is printed and kept");
  app.option_defaults()->always_capture_default();
  app.add_option("--runs", o.runs, "number of runs; 0: only make and check the inputs")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1'000'000}));
  app.add_option("--seed", o.seed, "seed of all runs: the first is number seed x 1,000,000");
  app.add_option("--jobs", o.jobs, "number of runs at the same time")->check(CLI::Range(1, 256));
  app.add_option("--keep", o.keep, "folder for the inputs and the folders of runs with findings");
  app.add_option("--kind", o.kind, "runs of this kind only");
  app.add_option("--run", o.run,
                 "one run by its number, with the --kind that its finding names; its folder is always kept");
  app.add_option("--megabytes", o.megabytes, "memory limit of a command");
  app.add_flag("--list", o.list, "names the kinds");
  CLI11_PARSE(app, argc, argv);
  if (o.list) {
    for (const Kind& kind : kinds())
      fmt::print("{}: {}\n", kind.name,
                 kind.files.empty() ? "the command line" : fmt::format("{}", fmt::join(kind.files, ", ")));
    return 0;
  }
  return Fuzzer(o).run_all();
}

}  // namespace
}  // namespace loralens::fuzz

int main(int argc, char** argv) {
  loralens::fuzz::start_with_one_thread(argv);
  try {
    return loralens::fuzz::fuzz(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fuzz_commands: {}\n", error.what());
    return 2;
  }
}
