// Work on LibTorch's own threads.
#pragma once

#include <cstdint>
#include <functional>

namespace loralens {

// Calls work(begin, end) on parts of [0, count) of at least `grain`, at most one for each of LibTorch's threads. Threads of our
// own would share the processors with LibTorch's, which go on waiting, without rest, for milliseconds after each operation.
// The first error is thrown again.
void share_among_threads(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& work);

}  // namespace loralens
