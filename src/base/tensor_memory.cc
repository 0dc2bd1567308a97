// SPDX-License-Identifier: Apache-2.0
#include "base/tensor_memory.h"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

namespace loralens {
namespace {

constexpr size_t alignment = 64;  // bytes, as in LibTorch: a cache line, an AVX-512 register

// The pointer that malloc returned is stored just before the tensor.
void release(void* tensor) {
  if (tensor) std::free(static_cast<void**>(tensor)[-1]);
}

class TensorMemory : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device cpu(c10::kCPU);
    if (bytes == 0) return {nullptr, nullptr, &release, cpu};
    constexpr size_t more = sizeof(void*) + alignment - 1;
    void* whole = bytes > std::numeric_limits<size_t>::max() - more ? nullptr : std::malloc(bytes + more);
    if (!whole) throw std::bad_alloc();
    void* tensor = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(whole) + more) / alignment * alignment);
    static_cast<void**>(tensor)[-1] = whole;
    return {tensor, tensor, &release, cpu};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

}  // namespace

c10::Allocator& tensor_memory() {
  static TensorMemory* const memory = new TensorMemory;  // LibTorch may free tensors after main
  return *memory;
}

void use_tensor_memory() { c10::SetAllocator(c10::kCPU, &tensor_memory(), /*priority=*/1); }

}  // namespace loralens
