// Memory that the program no longer uses, given back to the system.
#pragma once

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace loralens {

// Batches are of all sizes, so what they free lies scattered and glibc keeps it: over the folds of a run that came to
// 3 GB where 1 GB was in use. Takes milliseconds; to be called now and then, not every batch.
inline void release_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// What is freed is kept for the next batch instead of being unmapped and mapped again, page by page: a twentieth of a training
// step. release_free_memory gives it back all the same. To be called once, as the program begins.
inline void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace loralens
