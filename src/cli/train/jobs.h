// SPDX-License-Identifier: Apache-2.0
// Runs commands of this program in several processes at once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

struct Job {
  std::string name;                    // for messages, such as "fold 2, seed 43"
  std::vector<std::string> arguments;  // of the program, without its name
  Path log;  // file for its standard error, which is replaced; empty: this process's standard error
};

// Runs all jobs, at most `most` at once, in their order. done(n): called after each job that succeeds, n jobs so far.
// If a job fails, stops the running ones and throws an Error with the last line of its log. The jobs end if this
// process is killed.
void run_jobs(const std::vector<Job>& jobs, int64_t most, const std::function<void(int64_t)>& done);

}  // namespace loralens
