// SPDX-License-Identifier: Apache-2.0
// For tests: emotion models on a tiny encoder, with non-zero adapters and head as after training.
#pragma once

#include <gtest/gtest.h>

#include "adapter/lora/lora.h"
#include "classifier/forward.h"
#include "classifier/model.h"
#include "compute/test_tensors.h"
#include "whisper/test_encoder.h"

namespace loralens {

inline Base tiny_base(Precision precision = {}, uint64_t seed = 1) {
  return make_base(tiny_encoder(seed), "tiny", precision, c10::kCPU);
}

inline AdapterOptions tiny_adapter(const std::string& method, double dropout = 0) {
  AdapterOptions options;
  options.method = method;
  options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  if (method == "lora" || method == "dora" || method == "pissa")
    options.own = LoraOptions{.rank = 4, .alpha = 6, .dropout = dropout};
  return options;
}

// A small model with noise added to every parameter: B is not 0, and with "full" the encoder differs from the base.
inline EmotionModel tiny_model(const Base& base, const AdapterOptions& options, bool weighted_layer_sum = false) {
  EmotionModel model = make_model(base, options, {8, weighted_layer_sum}, {"anger", "joy", "sadness"}, 42);
  for (const Parameter& p : model.parameters())
    p.tensor.detach().add_(random_tensor(p.tensor.sizes().vec(), hash_of(p.name), 0.2));
  return model;
}

// Logits from x, the residual stream at the input of layer 0.
inline at::Tensor logits_of(const EmotionModel& model, const at::Tensor& x, const Pass& pass) {
  return logits_from(network_of(model, model.compute_encoder()), x, 0, pass);
}

// Expects the parameters of both models to have the same bits.
inline void expect_same_parameters(const EmotionModel& a, const EmotionModel& b) {
  const auto first = a.parameters(), second = b.parameters();
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(same_bits(first[i].tensor, second[i].tensor)) << first[i].name;
}

}  // namespace loralens
