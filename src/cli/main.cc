// SPDX-License-Identifier: Apache-2.0
// The program `loralens`: what a process does once, before it runs its command line.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/memory.h"
#include "base/tensor_memory.h"
#include "cli/command_line.h"

namespace {

// A file that is opened while standard input, output or error is closed would be taken for it, and written into.
// Reading and writing what stands in for them fails, as it did before.
void open_missing_streams() {
  for (int stream = 0; stream < 3; ++stream)
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);  // takes the lowest number
}

#ifndef __SANITIZE_ADDRESS__  // whose run-time library wants to be first itself
// LibTorch's OpenMP threads spin for milliseconds before they sleep. Where other programs want the cores too, that
// makes all of them several times slower; a short spin is as fast where none does. libgomp reads the number as it is
// loaded, so the program starts itself again with it, unless the user has set one of the two variables. Called by the
// dynamic linker before any library is initialised, when this costs least; if it fails, the program goes on as it is.
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
__attribute__((section(".preinit_array"), used)) void (*const before_libraries)(int, char**,
                                                                                char**) = start_with_short_spins;
#endif

}  // namespace

int main(int argc, char** argv) {
  open_missing_streams();
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);  // writing fails instead, which is told
  loralens::keep_freed_memory();
  loralens::use_tensor_memory();
  return loralens::run_command_line(argc, argv);
}
