// SPDX-License-Identifier: Apache-2.0
// Settings of glibc's malloc: when memory that the program freed is returned to the system.
#pragma once

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace loralens {

// Returns freed memory to the system. Batches differ in size, so their freed blocks are fragmented and glibc keeps
// them: over the folds of a run, the process grew to 3 GB with 1 GB in use. Takes milliseconds: do not call it every
// batch.
inline void release_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// Keeps freed blocks for the next batch. By default glibc unmaps large blocks and maps them again page by page, which
// took a twentieth of a training step. release_free_memory() still returns the blocks. Call once, at program start.
inline void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest value that glibc accepts
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace loralens
