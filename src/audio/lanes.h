// Eight numbers that are computed with together; the compiler maps them to whatever vectors the processor has.
#pragma once

#include <cstdint>

namespace loralens {

constexpr int lanes = 8;  // an AVX2 register; GCC splits wider vectors badly where the processor lacks them

using Lanes = float __attribute__((vector_size(4 * lanes)));
using IntegerLanes = int32_t __attribute__((vector_size(4 * lanes)));
// The same eight anywhere in an array of float.
using LooseLanes = float __attribute__((vector_size(4 * lanes), aligned(4), may_alias));

}  // namespace loralens

// A function that is compiled once per generation of processor; the loader picks one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LORALENS_PER_PROCESSOR __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define LORALENS_PER_PROCESSOR
#endif
