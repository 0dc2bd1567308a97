// SPDX-License-Identifier: Apache-2.0
// A command of the program in a process of its own: a fork of this one, which has LibTorch loaded already.
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
// Seconds of work after which SIGXCPU ends a child. Time on the clock says little on a machine that has other work, so
// that only a child that waits for something meets its limit, after which SIGALRM ends it.
constexpr unsigned longest = 20, longest_wait = 120;

struct Limits {
  uint64_t memory = 0;  // bytes beyond those of a fresh process; 0: as much as there is
  bool time = true;
};

// Forks. The child goes into `folder`, calls `before` (which makes its input), and runs the command; standard input is
// the file stdin.txt there, if there is one, and output goes into stdout.txt and stderr.txt. Nothing in this process
// may run threads.
pid_t start(const Path& folder, const Words& command, const std::function<void()>& before, Limits limits);

// For what must work: runs the command in `folder`. Error, with what it said, unless its exit status is 0.
void succeed(const Path& folder, const Words& command);

}  // namespace loralens::fuzz
