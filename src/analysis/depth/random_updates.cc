// SPDX-License-Identifier: Apache-2.0
#include "analysis/depth/random_updates.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>

#include "base/random.h"
#include "compute/linear.h"
#include "statistics/nulls/haar.h"

namespace loralens {
namespace {

using at::Tensor;

// y = W x + b + B A x.
struct Update : LinearAdapter {
  Tensor a, b;  // R×in, out×R, in the type of the products

  Tensor forward(const Linear& base, const Tensor& x, int64_t, Module, const Pass&) const override {
    return linear(x, base.weight, base.bias).add_(linear(linear(x, a, {}), b, {}));
  }
  Linear merged(const Linear& base) const override { return {base.weight + at::matmul(b, a), base.bias}; }
  AdapterOperations operations() const override {
    const auto rank = static_cast<double>(a.size(0)), in = static_cast<double>(a.size(1)),
               out = static_cast<double>(b.size(0));
    return {.forward = 2 * rank * (in + out)};
  }
  void randomise(uint64_t) const override {}
};

// The singular values of ΔW above 1e-6 of the first; float64, CPU.
Tensor singular_values(const LinearAdapter& adapter, const Linear& base) {
  const Tensor weight = base.weight.to(c10::ScalarType::Double);
  const Tensor change = adapter.merged({weight, base.bias}).weight.to(c10::ScalarType::Double) - weight;
  const Tensor values = std::get<1>(at::linalg_svd(change.detach().cpu(), /*full_matrices=*/false));
  return values.masked_select(values > values[0] * 1e-6);
}

}  // namespace

std::vector<AdapterSet> random_updates(const EmotionModel& model, const Encoder& base, int64_t draws, uint64_t seed) {
  std::vector<AdapterSet> found(draws);
  for (const auto& [place, adapter] : model.adapted.adapters.linear) {
    const Linear& linear = base.linear(place.layer, place.module);
    const Tensor values = singular_values(*adapter, linear);
    const int64_t rank = values.size(0), out = linear.weight.size(0), in = linear.weight.size(1);
    if (rank == 0) continue;  // this update is 0
    Random random(hash_of(seed, place.layer, static_cast<uint64_t>(place.module)));
    const Tensor left = haar_columns(draws, out, rank, random) * values;
    const Tensor right = haar_columns(draws, in, rank, random).transpose(1, 2);
    for (int64_t draw = 0; draw < draws; ++draw) {
      auto update = std::make_shared<Update>();
      update->b = left[draw].contiguous().to(linear.weight.options());
      update->a = right[draw].contiguous().to(linear.weight.options());
      found[draw].linear[place] = std::move(update);
    }
  }
  return found;
}

}  // namespace loralens
