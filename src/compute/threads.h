// SPDX-License-Identifier: Apache-2.0
// Parallel loop on LibTorch's thread pool.
#pragma once

#include <cstdint>
#include <functional>

namespace loralens {

// Calls work(begin, end) on parts of [0, count) of at least `grain`, at most one per LibTorch thread. Other threads
// would compete for the processors with LibTorch's, which spin for milliseconds after each operation. Rethrows the
// first exception.
void share_among_threads(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& work);

}  // namespace loralens
