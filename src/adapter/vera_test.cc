// SPDX-License-Identifier: Apache-2.0
#include "adapter/vera.h"

#include <gmock/gmock.h>

#include "adapter/lora/test_low_rank.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::HasSubstr;

AdapterOptions vera(double dropout = 0) { return on_every_module("vera", VeraOptions{.rank = 8, .dropout = dropout}); }

TEST(Vera, StartsAsTheBaseModel) {
  expect_base_at_start(vera());
  const Adapted fresh = method_named("vera").attach(tiny_encoder(in_double), vera(), 42);
  ASSERT_EQ(fresh.parameters.size(), 2u + 36u);
  const Tensor &a = fresh.parameters[0].tensor, &b = fresh.parameters[1].tensor;
  EXPECT_EQ(a.sizes(), (std::vector<int64_t>{8, 32}));
  EXPECT_EQ(b.sizes(), (std::vector<int64_t>{32, 8}));
  EXPECT_FALSE(fresh.parameters[0].trained || fresh.parameters[1].trained);
  EXPECT_LE(largest(a), std::sqrt(6.0 / 32));
  EXPECT_GT(largest(a), 0.95 * std::sqrt(6.0 / 32));
  EXPECT_LE(largest(b), std::sqrt(6.0 / 8));
  EXPECT_GT(largest(b), 0.95 * std::sqrt(6.0 / 8));
  for (size_t i = 2; i < fresh.parameters.size(); ++i) {
    const Parameter& p = fresh.parameters[i];
    EXPECT_TRUE(p.trained && p.tensor.requires_grad()) << p.name;
    EXPECT_EQ(largest(p.tensor.detach()), p.name.ends_with(".vera_lambda_d") ? 0.1 : 0) << p.name;
  }
}

TEST(Vera, AdaptersShareTheirProjections) {
  const Adapted adapted = trained_adapters(tiny_encoder(in_double), vera());
  const auto at = [&](Module module) -> const Vera& {
    return dynamic_cast<const Vera&>(*adapted.adapters.linear.at({1, module}));
  };
  EXPECT_TRUE(same_bits(at(Module::q_proj).a, at(Module::fc2).a.narrow(1, 0, 16)));
  EXPECT_TRUE(same_bits(at(Module::q_proj).b, at(Module::fc1).b.narrow(0, 0, 16)));
  EXPECT_EQ(at(Module::q_proj).a.data_ptr(), adapted.parameters[0].tensor.data_ptr());
  EXPECT_FALSE(at(Module::q_proj).factors().has_value());
}

TEST(Vera, IsMerged) { expect_merged(vera()); }

TEST(Vera, ComputesInBf16) { expect_near_in_bf16(vera()); }

TEST(Vera, ItsTensorsHavePeftsNames) {
  const Adapted adapted = method_named("vera").attach(tiny_encoder(), vera(), 42);
  const auto tensors = method_named("vera").tensors_to_save(adapted, "base_model.model.");
  EXPECT_TRUE(tensors.contains("base_model.vera_A") && tensors.contains("base_model.vera_B"));
  EXPECT_TRUE(tensors.contains("base_model.model.encoder.layers.2.fc1.vera_lambda_b"));
}

TEST(Vera, PeftConfigurationIsReadBack) {
  AdapterOptions options = vera(0.25);
  options.layers = {0, 2};
  const json config = method_named("vera").peft_config(options).value();
  EXPECT_EQ(config.at("peft_type"), "VERA");
  EXPECT_EQ(config.at("save_projection"), true);
  EXPECT_FALSE(config.contains("exclude_modules"));
  const AdapterOptions back = through_peft(options);
  EXPECT_EQ(back.layers, options.layers);
  EXPECT_EQ(back.targets, options.targets);
  EXPECT_EQ(back.own_as<VeraOptions>().rank, 8);
  EXPECT_EQ(back.own_as<VeraOptions>().dropout, 0.25);
  const auto error_with = [&](const char* key, const json& value) {
    json changed = config;
    changed[key] = value;
    return error_of([&] { method_named("vera").from_peft(changed, "adapter_config.json"); });
  };
  EXPECT_THAT(error_with("save_projection", false), HasSubstr("the file lacks vera_A and vera_B"));
  EXPECT_EQ(error_with("bias", "vera_only"), "");
  EXPECT_THAT(error_with("bias", "lora_only"), HasSubstr("\"bias\" is \"lora_only\""));
  EXPECT_THAT(error_with("r", 0), HasSubstr("expected a whole number, 1 to 4096"));
}

TEST(Vera, ExcludedModulesAreAnError) {
  AdapterOptions options = vera();
  options.excluded = {"fc1"};
  EXPECT_THAT(error_of([&] { method_named("vera").check(tiny_config(), options); }), HasSubstr("--target-pattern"));
}

}  // namespace
}  // namespace loralens
