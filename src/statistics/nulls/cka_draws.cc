// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/cka_draws.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "statistics/cka.h"

namespace loralens {
namespace {

using at::Tensor;

// Sums over minibatches of the products of U-centred Gram matrices (1 or S, n×n), for S draws.
class Sums {
 public:
  explicit Sums(int64_t draws) : kl_(at::zeros({draws}, c10::ScalarType::Double)), kk_(kl_.clone()), ll_(kl_.clone()) {}

  void add(const Tensor& k, const Tensor& l) {
    const Tensor first = u_centred(k), second = u_centred(l);
    const double scale = 1 / static_cast<double>(first.size(-1) - 3);
    kl_ += (first * second).sum({1, 2}) * scale;
    kk_ += (first * first).sum({1, 2}) * scale;
    ll_ += (second * second).sum({1, 2}) * scale;
  }
  std::vector<double> cka() const {
    const Tensor norms = kk_.sqrt() * ll_.sqrt();
    const Tensor values = at::where(norms > 0, kl_ / norms, NAN).contiguous();
    return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
  }

 private:
  Tensor kl_, kk_, ll_;  // S
};

}  // namespace

std::vector<double> forward_cka_draws(ClipSamples projected, const Tensor& values) {
  Sums sums(projected.front().size(0));
  for (const Tensor& rows : projected) {
    const Tensor x = rows.to(values.scalar_type());
    sums.add(gram(x * values.sqrt()), gram(x * values));
  }
  return sums.cka();
}

std::vector<double> gradient_cka_draws(ClipSamples gradients, ClipSamples projected, const Tensor& values) {
  Sums sums(projected.front().size(0));
  for (size_t i = 0; i < gradients.size(); ++i)
    sums.add(gram(projected[i].to(values.scalar_type()) * values.sqrt()), gram(gradients[i]).unsqueeze(0));
  return sums.cka();
}

}  // namespace loralens
