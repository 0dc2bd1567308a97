// SPDX-License-Identifier: Apache-2.0
// SIMD vectors of eight floats or integers (GCC vector extensions); the compiler maps them to the registers of the CPU.
#pragma once

#include <cstdint>

namespace loralens {

constexpr int lanes = 8;  // one AVX2 register; GCC generates poor code for wider vectors that the CPU does not have

using Lanes = float __attribute__((vector_size(4 * lanes)));
using IntegerLanes = int32_t __attribute__((vector_size(4 * lanes)));
// Eight floats at any address in an array of float: unaligned, and exempt from the aliasing rules.
using LooseLanes = float __attribute__((vector_size(4 * lanes), aligned(4), may_alias));

}  // namespace loralens

// Marks a function that x86 builds compile twice, for AVX2 (x86-64-v3) and for the baseline CPU; the version is chosen
// at load time (not under the thread sanitizer, whose code would run before the program is loaded). Without versions
// the function is noipa: GCC 12 otherwise concludes that a call has no effect, and removes it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define LORALENS_PER_PROCESSOR __attribute__((target_clones("arch=x86-64-v3", "default")))
#elif defined(__GNUC__) && !defined(__clang__)
#define LORALENS_PER_PROCESSOR __attribute__((noipa))
#else
#define LORALENS_PER_PROCESSOR
#endif
