// SPDX-License-Identifier: Apache-2.0
// For tests of large tables: the peak memory of this process, and the number of rows of a large table.
#pragma once

#include <sys/resource.h>

#include <cstddef>
#include <cstdint>

namespace loralens {

inline int64_t peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

#if defined(__SANITIZE_ADDRESS__)
inline constexpr size_t many = 10000;
#else
inline constexpr size_t many = 100000;
#endif

}  // namespace loralens
