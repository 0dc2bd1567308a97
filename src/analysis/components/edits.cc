// SPDX-License-Identifier: Apache-2.0
#include "analysis/components/edits.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>

namespace loralens {
namespace {

using at::Tensor;

RowKey key_of(const char* component, std::optional<int64_t> layer, std::string variant = "") {
  return {.model = "adapted", .variant = std::move(variant), .layer = layer, .component = component};
}

// The weights of the adapted model, with those of parts first..last-1 (at most all `limit`) set to this value.
Tensor with_part(const UpdateParts& parts, int64_t first, int64_t last, int64_t limit, double value) {
  Tensor weights = parts.plain();
  last = std::min(last, limit);
  if (first < last) weights.narrow(0, first, last - first).fill_(value);
  return weights;
}

Edit truncated(int64_t k) {
  return {key_of("truncate", k),
          [k](const UpdateParts& parts) { return with_part(parts, k, parts.components(), parts.components(), 0); }};
}

// i: from 1.
Edit kept(int64_t i) {
  return {key_of("keep", i), [i](const UpdateParts& parts) {
            const Tensor none = parts.plain() * 0;
            if (i <= parts.components()) none[i - 1].fill_(1);
            return none;
          }};
}

Edit scaled(int64_t i, double lambda) {
  return {key_of("scale", i, lambda_name(lambda)),
          [i, lambda](const UpdateParts& parts) { return with_part(parts, i - 1, i, parts.components(), lambda); }};
}

Edit all_scaled(double lambda) {
  return {key_of("scale", {}, lambda_name(lambda)),
          [lambda](const UpdateParts& parts) { return parts.plain() * lambda; }};
}

// A component of W + ΔW has the weight λ if λ - 1 times it is added.
Edit of_whole(const char* component, double lambda) {
  const bool ordinary = component == std::string("ordinary");
  return {key_of(component, {}, lambda_name(lambda)), [ordinary, lambda](const UpdateParts& parts) {
            const int64_t first = parts.components() + (ordinary ? parts.intruders() : 0);
            return with_part(parts, first, first + parts.intruders(), first + parts.intruders(), lambda - 1);
          }};
}

}  // namespace

std::string lambda_name(double lambda) { return fmt::format("lambda-{}", lambda); }

std::vector<Edit> edits_of(int64_t most, bool intruders) {
  std::vector<Edit> edits = {truncated(0)};
  for (int64_t k = 1; k < most; k *= 2) edits.push_back(truncated(k));
  edits.push_back(truncated(most));
  edits.push_back(all_scaled(1));
  for (const double lambda : lambdas) edits.push_back(all_scaled(lambda));
  for (int64_t i = 1; i <= std::min(most, leading_components); ++i) {
    edits.push_back(kept(i));
    for (const double lambda : lambdas) edits.push_back(scaled(i, lambda));
  }
  if (!intruders) return edits;
  for (const char* component : {"intruders", "ordinary"})
    for (const double lambda : lambdas) edits.push_back(of_whole(component, lambda));
  return edits;
}

}  // namespace loralens
