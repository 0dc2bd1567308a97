// Where tensors on the CPU get their memory.
#pragma once

#include <c10/core/Allocator.h>

namespace loralens {

// Memory aligned to 64 bytes, out of malloc. std::bad_alloc if there is none.
// LibTorch's own asks glibc for aligned memory, which (before 2.38) takes more than that, trims it, and hands the trimmings to
// small objects: a tensor that is freed between them leaves a hole in which no other of its size fits. In a training step
// each layer left such holes, up to a third of what its tensors took.
c10::Allocator& tensor_memory();

// Makes LibTorch take tensor_memory() for all tensors on the CPU. To be called once, as the program begins.
void use_tensor_memory();

}  // namespace loralens
