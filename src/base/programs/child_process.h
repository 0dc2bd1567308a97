// SPDX-License-Identifier: Apache-2.0
// Other programs (ffmpeg, python3) as child processes with limits, whose standard output is read through a pipe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// The program of this name in the folders of the environment variable PATH; nullopt if it is not installed.
std::optional<Path> find_program(const std::string& name);

struct ChildLimits {
  uint64_t memory = uint64_t{4} << 30;  // bytes of address space
  uint64_t processor_seconds = 3600;
};

class ChildProcess {
 public:
  // Starts a program. words: its command line, from the program's name on. It reads nothing from standard input, writes
  // no file, and sees PATH, LD_LIBRARY_PATH and HOME alone of the environment. Error if it cannot be started.
  ChildProcess(const Path& program, const std::vector<std::string>& words, const ChildLimits& limits = {});
  ~ChildProcess();  // ends the process if it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Up to `count` bytes of its standard output; fewer only at the end.
  size_t read(char* out, size_t count);

  // Waits for the end of the process: whether it ended with exit status 0.
  bool wait();

  // Ends the process if it still runs.
  void stop();

  // What the process wrote to standard error: the first 64 KiB.
  std::string messages() const;

 private:
  int spawn(const Path& program, const std::vector<std::string>& words, int output, const ChildLimits& limits);
  void close() const;

  pid_t process_ = 0;
  int output_ = -1, messages_ = -1, status_ = -1;  // status_ -1: not known
  bool ended_ = false;
};

// Messages of a program as one line for an error, of at most 300 bytes.
std::string messages_as_line(const std::string& messages);

}  // namespace loralens
