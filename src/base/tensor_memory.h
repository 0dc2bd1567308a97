// SPDX-License-Identifier: Apache-2.0
// Memory allocator for CPU tensors that avoids fragmentation of the heap by aligned allocations.
#pragma once

#include <c10/core/Allocator.h>

namespace loralens {

// Allocates with malloc and aligns to 64 bytes. std::bad_alloc if memory runs out.
// LibTorch's own allocator calls posix_memalign. glibc before 2.38 then allocates a larger block, trims it and gives
// the trimmings to small objects, so a tensor freed between them leaves a hole that no tensor of the same size fits
// into. In a training step the holes of a layer took up to a third of the memory of its tensors.
c10::Allocator& tensor_memory();

// Makes LibTorch use tensor_memory() for all CPU tensors. Call once, at program start.
void use_tensor_memory();

}  // namespace loralens
