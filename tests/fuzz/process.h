// SPDX-License-Identifier: Apache-2.0
// Runs a command of the program in a child process: a fork of this process, which has already loaded LibTorch.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens::fuzz {

// The command line after `loralens`.
using Words = std::vector<std::string>;

constexpr int fuzzer_failed = 99;  // exit status of a child whose `before` threw
// longest: CPU seconds after which SIGXCPU ends a child. longest_wait: wall-clock seconds after which SIGALRM ends it;
// this limit is larger, as wall-clock time depends on the machine's load, and is for children that wait.
constexpr unsigned longest = 20, longest_wait = 120;

struct Limits {
  uint64_t memory = 0;  // bytes beyond those of a fresh process; 0: no limit
  bool time = true;
};

// Forks. The child changes to `folder`, calls `before` (which makes its input), and runs the command. Standard input is
// the file stdin.txt there, if it exists; output goes to stdout.txt and stderr.txt. This process must not have threads.
pid_t start(const Path& folder, const Words& command, const std::function<void()>& before, Limits limits);

// Runs a command that must succeed, in `folder`. Error, with its messages, unless its exit status is 0.
void succeed(const Path& folder, const Words& command);

}  // namespace loralens::fuzz
