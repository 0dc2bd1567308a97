// SPDX-License-Identifier: Apache-2.0
// Compiled in place of mpi.cc where the build found no MPI.
#include "base/error.h"
#include "training/processes/processes.h"

namespace loralens {

std::unique_ptr<Processes> connect_processes() {
  fail(
      "this loralens was built without MPI and trains in one process: start it alone, or build it where MPI is "
      "installed (Debian: libopenmpi-dev)");
}

}  // namespace loralens
