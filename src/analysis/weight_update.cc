// SPDX-License-Identifier: Apache-2.0
#include "analysis/weight_update.h"

#include <ATen/TensorOperators.h>

namespace loralens {

using at::Tensor;

Linear exact(const Linear& linear) {
  const auto in_double = [](const Tensor& x) { return x.defined() ? x.detach().to(c10::ScalarType::Double) : x; };
  return {in_double(linear.weight), in_double(linear.bias)};
}

Linear change_of(const Linear& base, const Linear& changed) {
  const Linear before = exact(base), after = exact(changed);
  Linear change{(after.weight - before.weight).cpu(), {}};
  if (after.bias.defined()) change.bias = (before.bias.defined() ? after.bias - before.bias : after.bias).cpu();
  return change;
}

Linear update_of(const Linear& base, const LinearAdapter& adapter) {
  const Linear whole = exact(base);
  return change_of(whole, adapter.merged(whole));
}

}  // namespace loralens
