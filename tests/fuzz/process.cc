// SPDX-License-Identifier: Apache-2.0
#include "fuzz/process.h"

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "base/error.h"
#include "base/memory.h"
#include "base/tensor_memory.h"
#include "cli/command_line.h"

namespace loralens::fuzz {
namespace {

void redirect(const char* file, int flags, int to) {
  const int opened = ::open(file, flags, 0644);
  if (opened < 0) return;
  ::dup2(opened, to);
  ::close(opened);
}

void limit(int resource, rlim_t most) {
  const rlimit limits{most, most + (resource == RLIMIT_CPU)};  // at the hard limit, the signal is SIGKILL
  ::setrlimit(resource, &limits);
}

// Private memory of this process (VmData), in bytes.
uint64_t data_size() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmData:") {
      uint64_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes << 10;
    }
  return 0;
}

int run(const Words& command) {
  std::vector<std::string> words = {"loralens"};
  words.insert(words.end(), command.begin(), command.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return run_command_line(static_cast<int>(words.size()), argv.data());
}

}  // namespace

pid_t start(const Path& folder, const Words& command, const std::function<void()>& before, Limits limits) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) fail("cannot start another process: run fewer at a time");
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    if (::chdir(folder.c_str()) != 0) fail("cannot go to {}", folder.string());
    before();
  } catch (const std::exception& error) {
    fmt::print(stderr, "the fuzzer itself failed: {}\n", error.what());
    std::_Exit(fuzzer_failed);
  }
  ::setenv("PATH", "", 1);  // formats that are left to the program ffmpeg are errors
  redirect("/dev/null", O_RDONLY, 0);
  redirect("stdin.txt", O_RDONLY | O_NONBLOCK, 0);
  redirect("stdout.txt", O_WRONLY | O_CREAT | O_TRUNC, 1);
  redirect("stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, 2);
  ::signal(SIGPIPE, SIG_IGN);
  limit(RLIMIT_CORE, 0);
  if (limits.memory > 0) limit(RLIMIT_DATA, data_size() + limits.memory);
  if (limits.time) {
    limit(RLIMIT_CPU, longest);
    ::alarm(longest_wait);
  }
  keep_freed_memory();
  use_tensor_memory();
  at::set_num_threads(1);
  const int status = run(command);
  std::fflush(nullptr);
  std::cout.flush();
  // An ordinary exit unregisters LibTorch's operators one by one, which takes most of a short run's time.
  std::_Exit(status);
}

void succeed(const Path& folder, const Words& command) {
  const pid_t child = start(folder, command, [] {}, {.time = false});
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status == 0) return;
  fail("loralens {} must work and does not (in {}): {}", fmt::join(command, " "), folder.string(),
       read_file(folder / "stderr.txt"));
}

}  // namespace loralens::fuzz
