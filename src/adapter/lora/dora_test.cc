// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/dora.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <gmock/gmock.h>

#include "adapter/lora/test_low_rank.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

AdapterOptions dora(double dropout = 0) {
  return on_every_module("dora", LoraOptions{.rank = 4, .alpha = 6, .dropout = dropout, .rank_pattern = {{"fc1", 2}}});
}

TEST(Dora, StartsAsTheBaseModel) {
  expect_base_at_start(dora());
  const Adapted fresh = method_named("dora").attach(tiny_encoder(in_double), dora(), 42);
  EXPECT_EQ(fresh.parameters.size(), 54u);
  const Parameter& magnitude = fresh.parameters[2];
  EXPECT_EQ(magnitude.name, "encoder.layers.0.self_attn.q_proj.lora_magnitude_vector");
  EXPECT_FALSE(magnitude.decay);
  const Tensor norms = at::linalg_vector_norm(fresh.encoder.layers[0].q.weight, 2, 1);
  EXPECT_LT(difference(magnitude.tensor.detach(), norms), 1e-14);
}

TEST(Dora, IsMerged) { expect_merged(dora()); }

TEST(Dora, ComputesInBf16) { expect_near_in_bf16(dora()); }

TEST(Dora, ASmallChangeOfMagnitudeHasAnEffectInBf16) {
  const Encoder half = tiny_encoder({c10::ScalarType::BFloat16, c10::ScalarType::Float});
  const Adapted adapted = method_named("dora").attach(half, dora(), 42);
  const Tensor before = output_of(half, adapted.adapters).detach();
  for (const Parameter& p : adapted.parameters)
    if (p.name.ends_with("magnitude_vector")) p.tensor.detach().mul_(1.001);
  EXPECT_GT(difference(output_of(half, adapted.adapters), before), 1e-4);
}

TEST(Dora, UnderDropoutTheBaseTermIsDroppedToo) {
  const Encoder encoder = tiny_encoder(in_double);
  const Adapted adapted = trained_adapters(encoder, dora(0.5));
  const auto& adapter = *adapted.adapters.linear.at({0, Module::q_proj});
  const auto& found = dynamic_cast<const Dora&>(adapter);
  found.a.detach().zero_();  // so that only the magnitude has an effect
  Pass pass = pass_of({9});
  pass.dropout = {true, 42, 5};
  const Tensor x = random_tensor({9, 16}, 1);
  const Tensor dropped = adapter.forward(encoder.layers[0].q, x, 0, Module::q_proj, pass);
  EXPECT_GT(difference(dropped, adapter.forward(encoder.layers[0].q, x, 0, Module::q_proj, pass_of({9}))), 1e-2);
}

TEST(Dora, PeftConfigurationIsReadBack) {
  const json config = method_named("dora").peft_config(dora(0.25)).value();
  EXPECT_EQ(config.at("peft_type"), "LORA");
  EXPECT_EQ(config.at("use_dora"), true);
  const AdapterOptions back = through_peft(dora(0.25));
  EXPECT_EQ(back.method, "dora");
  EXPECT_EQ(back.own_as<LoraOptions>().rank, 4);
  EXPECT_EQ(back.own_as<LoraOptions>().dropout, 0.25);
  EXPECT_EQ(back.own_as<LoraOptions>().rank_pattern.at("fc1"), 2);
  EXPECT_FALSE(method_named("lora").from_peft(config, "adapter_config.json").has_value());
}

}  // namespace
}  // namespace loralens
