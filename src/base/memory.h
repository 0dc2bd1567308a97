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

}  // namespace loralens
