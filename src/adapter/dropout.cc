#include "adapter/dropout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

// MurmurHash3's 32-bit finaliser (Appleby, 2011).
constexpr uint32_t finalise(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}

constexpr uint32_t golden = 0x9e3779b1u;

// out[i] = 1 where the hash of (key, i) is at least `threshold`.
template <typename T>
__attribute__((always_inline)) inline void fill(T* out, int64_t count, uint64_t key, uint32_t threshold, T one) {
  const auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  for (int64_t i = 0; i < count; ++i)
    out[i] = finalise(finalise(static_cast<uint32_t>(i) * golden + low) ^ high) >= threshold ? one : T{0};
}

// Compiled for wide vectors where the machine has them; 4-byte and 2-byte types as their bit patterns.
#define LORALENS_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
LORALENS_WIDE void fill32(uint32_t* out, int64_t count, uint64_t key, uint32_t threshold, uint32_t one) {
  fill(out, count, key, threshold, one);
}
LORALENS_WIDE void fill16(uint16_t* out, int64_t count, uint64_t key, uint32_t threshold, uint16_t one) {
  fill(out, count, key, threshold, one);
}
#undef LORALENS_WIDE

// The same by tensor operations, for other devices: 32-bit arithmetic in 64-bit integers.
Tensor finalise(Tensor h) {
  constexpr int64_t word = 0xffffffff;
  h = h.bitwise_xor(h.__rshift__(16));
  h = (h * int64_t{0x85ebca6b}).bitwise_and(word);
  h = h.bitwise_xor(h.__rshift__(13));
  h = (h * int64_t{0xc2b2ae35}).bitwise_and(word);
  return h.bitwise_xor(h.__rshift__(16));
}

Tensor mask_by_operations(int64_t count, uint64_t key, uint32_t threshold, const Tensor& x) {
  const auto low = static_cast<int64_t>(key & 0xffffffff), high = static_cast<int64_t>(key >> 32);
  Tensor h = at::arange(count, x.options().dtype(c10::ScalarType::Long));
  h = (h * int64_t{golden} + low).bitwise_and(int64_t{0xffffffff});
  return finalise(finalise(h).bitwise_xor(high)).ge(static_cast<int64_t>(threshold)).to(x.scalar_type());
}

}  // namespace

Tensor dropout_mask(const Pass& pass, int64_t layer, Module module, double rate, const Tensor& x) {
  const int64_t width = x.size(1);
  const auto threshold = static_cast<uint32_t>(rate * 0x1p32);
  const auto key_of = [&](size_t segment) {
    return hash_of(pass.dropout.seed, pass.dropout.epoch, pass.keys[segment], layer, static_cast<uint64_t>(module));
  };
  if (pass.keys.size() != pass.lengths.size()) fail("dropout needs a key for each segment");

  if (!x.is_cpu() || x.scalar_type() == c10::ScalarType::Double) {
    std::vector<Tensor> parts;
    for (size_t s = 0; s < pass.lengths.size(); ++s)
      parts.push_back(mask_by_operations(pass.lengths[s] * width, key_of(s), threshold, x).view({-1, width}));
    return at::cat(parts);
  }
  Tensor mask = at::empty(x.sizes(), x.options().requires_grad(false));
  int64_t row = 0;
  for (size_t s = 0; s < pass.lengths.size(); ++s) {
    const int64_t count = pass.lengths[s] * width;
    if (x.scalar_type() == c10::ScalarType::Float)
      fill32(static_cast<uint32_t*>(mask.mutable_data_ptr()) + row * width, count, key_of(s), threshold, 0x3f800000);
    else
      fill16(static_cast<uint16_t*>(mask.mutable_data_ptr()) + row * width, count, key_of(s), threshold,
             x.scalar_type() == c10::ScalarType::BFloat16 ? 0x3f80 : 0x3c00);
    row += pass.lengths[s];
  }
  return mask;
}

}  // namespace loralens
