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
constexpr unsigned longest =
    20;  // seconds of work, after which SIGXCPU ends the child; SIGALRM does after three times as many on the clock

// Forks. The child goes into `folder`, calls `before` (which makes its input), and runs the command; standard input is
// the file stdin.txt there, if there is one, and output goes into stdout.txt and stderr.txt. It may take `memory` bytes
// more than a fresh process; 0: as much as there is. Nothing in this process may run threads.
pid_t start(const Path& folder, const Words& command, const std::function<void()>& before, uint64_t memory);

// For what must work: runs the command in `folder`. Error, with what it said, unless its exit status is 0.
void succeed(const Path& folder, const Words& command);

}  // namespace loralens::fuzz
