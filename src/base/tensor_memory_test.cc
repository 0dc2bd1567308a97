// SPDX-License-Identifier: Apache-2.0
#include "base/tensor_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace loralens {
namespace {

TEST(TensorMemory, IsAlignedAndOnesOwn) {
  std::vector<c10::DataPtr> pieces;
  for (size_t bytes = 1; bytes <= 5000; bytes += 7) {
    pieces.push_back(tensor_memory().allocate(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces.back().get()) % 64, 0u) << bytes;
    std::memset(pieces.back().get(), static_cast<int>(bytes % 256), bytes);
  }
  size_t bytes = 1;
  for (const auto& piece : pieces) {
    const auto* values = static_cast<const unsigned char*>(piece.get());
    for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(values[i], bytes % 256);
    bytes += 7;
  }
}

TEST(TensorMemory, OfNothingIsNothing) {
  EXPECT_EQ(tensor_memory().allocate(0).get(), nullptr);
  void* raw = tensor_memory().raw_allocate(100);  // raw_allocate is what LibTorch's C++ containers call
  EXPECT_NE(raw, nullptr);
  tensor_memory().raw_deallocate(raw);
}

TEST(TensorMemory, ThatIsNotToBeHadIsAnError) {
  EXPECT_THROW(tensor_memory().allocate(std::numeric_limits<size_t>::max() - 10), std::bad_alloc);
#ifndef __SANITIZE_ADDRESS__  // AddressSanitizer aborts on such a size instead of returning null
  EXPECT_THROW(tensor_memory().allocate(std::numeric_limits<size_t>::max() / 2), std::bad_alloc);
#endif
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
// The allocation pattern of a training step: in each layer one tensor is kept, small objects are allocated, and another
// tensor is freed.
TEST(TensorMemory, ThatWasFreedFitsTheNextOfItsSize) {
  constexpr size_t bytes = 100'000;  // below the mmap threshold
  constexpr int layers = 200;
  std::vector<c10::DataPtr> kept;
  std::vector<std::vector<char>> small;
  const auto before = mallinfo2();
  for (int layer = 0; layer < layers; ++layer) {
    const c10::DataPtr passing = tensor_memory().allocate(bytes);
    for (size_t i = 0; i < 8; ++i) small.emplace_back(24 + 16 * i);
    kept.push_back(tensor_memory().allocate(bytes / 2));
  }
  const auto after = mallinfo2();
  const auto grown = static_cast<double>(after.arena - before.arena);
  EXPECT_LT(grown, 1.2 * layers * (bytes / 2));  // posix_memalign of glibc 2.36 takes 1.77 times as much
}
#endif

}  // namespace
}  // namespace loralens
