// SPDX-License-Identifier: Apache-2.0
// The program `loralens`: setup of the process, then its command line.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/memory.h"
#include "base/tensor_memory.h"
#include "cli/command_line.h"

namespace {

// If standard input, output or error is closed, the next opened file gets its number and would be used as that stream.
// This function opens /dev/null in its place, in the wrong mode, so that reading and writing the stream still fail.
void open_missing_streams() {
  for (int stream = 0; stream < 3; ++stream)
    if (fcntl(stream, F_GETFD) < 0)
      open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);  // takes the lowest free number
}

#ifndef __SANITIZE_ADDRESS__  // AddressSanitizer's run-time library must be initialised first
// LibTorch's OpenMP threads spin for milliseconds before they sleep. If other programs use the same cores, this makes
// all of them several times slower; on idle cores a short spin is as fast. libgomp reads the spin count when it is
// loaded, so the program restarts itself with GOMP_SPINCOUNT set, unless the user has set one of the two variables. The
// dynamic linker calls this function before any library is initialised, when a restart costs least. If the restart
// fails, the program continues unchanged.
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
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);  // writes fail with an error instead
  loralens::keep_freed_memory();
  loralens::use_tensor_memory();
  return loralens::run_command_line(argc, argv);
}
