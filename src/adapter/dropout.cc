// SPDX-License-Identifier: Apache-2.0
#include "adapter/dropout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "compute/hashed_mask.h"
#include "compute/threads.h"

namespace loralens {
namespace {

using at::Tensor;

// The hash of compute/hashed_mask.h as tensor operations, for devices other than the CPU: 32-bit arithmetic in 64-bit
// integers.
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

// Describes a dropout mask: length and hash key of each segment; elements whose hash is below the threshold become 0.
struct Mask {
  std::vector<int64_t> lengths, keys;
  uint32_t threshold;
};

Tensor kept_by_operations(const Tensor& x, const Mask& mask) {
  std::vector<Tensor> parts;
  for (size_t s = 0; s < mask.lengths.size(); ++s)
    parts.push_back(
        mask_by_operations(mask.lengths[s] * x.size(1), static_cast<uint64_t>(mask.keys[s]), mask.threshold, x)
            .view({-1, x.size(1)}));
  return x * at::cat(parts);
}

// Applies the mask to rows begin..end-1 of x.
void keep_rows(const Tensor& x, const Tensor& out, const Mask& mask, int64_t begin, int64_t end) {
  const int64_t width = x.size(1);
  int64_t row = 0;  // first row of segment s
  for (size_t s = 0; s < mask.lengths.size(); row += mask.lengths[s++]) {
    const int64_t from = std::max(begin, row), to = std::min(end, row + mask.lengths[s]);
    if (from >= to) continue;
    const int64_t at = from * width, first = (from - row) * width, count = (to - from) * width;
    const auto key = static_cast<uint64_t>(mask.keys[s]);
    if (x.element_size() == 4)
      keep_by_hash(static_cast<const uint32_t*>(x.const_data_ptr()) + at,
                   static_cast<uint32_t*>(out.mutable_data_ptr()) + at, first, count, key, mask.threshold);
    else
      keep_by_hash(static_cast<const uint16_t*>(x.const_data_ptr()) + at,
                   static_cast<uint16_t*>(out.mutable_data_ptr()) + at, first, count, key, mask.threshold);
  }
}

Tensor kept(const Tensor& x, const Mask& mask) {
  if (!x.is_cpu() || x.scalar_type() == c10::ScalarType::Double) return kept_by_operations(x, mask);
  const Tensor in = x.contiguous(), out = at::empty(x.sizes(), x.options().requires_grad(false));
  share_among_threads(x.size(0), std::max<int64_t>(1, 32768 / x.size(1)),
                      [&](int64_t begin, int64_t end) { keep_rows(in, out, mask, begin, end); });
  return out;
}

// Autograd function. The backward pass recomputes the mask, which costs less than storing it.
class Dropout : public torch::autograd::Function<Dropout> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Mask& mask) {
    context->saved_data["lengths"] = mask.lengths;
    context->saved_data["keys"] = mask.keys;
    context->saved_data["threshold"] = static_cast<int64_t>(mask.threshold);
    return kept(x, mask);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const Mask mask{context->saved_data["lengths"].toIntVector(), context->saved_data["keys"].toIntVector(),
                    static_cast<uint32_t>(context->saved_data["threshold"].toInt())};
    return {kept(gradients[0], mask), Tensor()};
  }
};

}  // namespace

Tensor with_dropout(const Pass& pass, int64_t layer, Module module, double rate, const Tensor& x) {
  if (pass.keys.size() != pass.lengths.size()) fail("dropout needs a key for each segment");
  Mask mask{pass.lengths, {}, static_cast<uint32_t>(rate * 0x1p32)};
  for (const uint64_t key : pass.keys)
    mask.keys.push_back(static_cast<int64_t>(
        hash_of(pass.dropout.seed, pass.dropout.epoch, key, layer, static_cast<uint64_t>(module))));
  return Dropout::apply(x, mask);
}

}  // namespace loralens
