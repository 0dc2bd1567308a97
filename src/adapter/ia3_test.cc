// SPDX-License-Identifier: Apache-2.0
#include "adapter/ia3.h"

#include <gmock/gmock.h>

#include "adapter/lora/test_low_rank.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::HasSubstr;

AdapterOptions ia3(Ia3Options own = {}) { return on_every_module("ia3", std::move(own)); }

AdapterOptions as_published() {
  AdapterOptions options = ia3();
  options.targets = {"k_proj", "v_proj", "fc2"};
  return options;
}

std::vector<std::string> modules_of(const AdapterOptions& options, bool of_input) {
  std::vector<std::string> names;
  const Adapted adapted = method_named("ia3").attach(tiny_encoder(), options, 42);
  for (const auto& [place, adapter] : adapted.adapters.linear)
    if (dynamic_cast<const Ia3&>(*adapter).of_input == of_input) names.push_back(path_of(place));
  return names;
}

TEST(Ia3, StartsAsTheBaseModel) {
  expect_base_at_start(ia3());
  const Adapted fresh = method_named("ia3").attach(tiny_encoder(in_double), as_published(), 42);
  ASSERT_EQ(fresh.parameters.size(), 9u);
  EXPECT_EQ(fresh.parameters[0].name, "encoder.layers.0.self_attn.k_proj.ia3_l");
  EXPECT_EQ(fresh.parameters[0].tensor.sizes(), (std::vector<int64_t>{16, 1}));
  EXPECT_EQ(fresh.parameters[2].name, "encoder.layers.0.fc2.ia3_l");
  EXPECT_EQ(fresh.parameters[2].tensor.sizes(), (std::vector<int64_t>{1, 32}));
  EXPECT_FALSE(fresh.parameters[0].decay);
}

TEST(Ia3, IsMergedWithTheBias) {
  expect_merged(ia3());
  const Adapted adapted = trained_adapters(tiny_encoder(in_double), as_published());
  const Encoder merged = merge(adapted);
  EXPECT_GT(difference(merged.layers[0].v.bias, adapted.encoder.layers[0].v.bias), 1e-3);
  EXPECT_TRUE(same_bits(merged.layers[0].fc2.bias, adapted.encoder.layers[0].fc2.bias));
}

TEST(Ia3, ComputesInBf16) { expect_near_in_bf16(ia3()); }

TEST(Ia3, ScalesTheInputOfFeedforwardModules) {
  EXPECT_THAT(modules_of(as_published(), true),
              testing::ElementsAre("encoder.layers.0.fc2", "encoder.layers.1.fc2", "encoder.layers.2.fc2"));
  AdapterOptions other = ia3({.feedforward = {"1.fc1", "q_proj"}});
  other.layers = {1};
  EXPECT_THAT(modules_of(other, true),
              testing::ElementsAre("encoder.layers.1.self_attn.q_proj", "encoder.layers.1.fc1"));
}

TEST(Ia3, AFeedforwardModuleThatIsNotAdaptedIsAnError) {
  const auto error_with = [](Ia3Options own) {
    AdapterOptions options = as_published();
    options.own = std::move(own);
    return error_of([&] { method_named("ia3").check(tiny_config(), options); });
  };
  EXPECT_EQ(error_with({}), "");
  EXPECT_EQ(error_with({.feedforward = {}}), "");
  EXPECT_THAT(error_with({.feedforward = {"fc1"}}), HasSubstr("'fc1' should scale its input"));
}

// A configuration that is written and read adapts the same modules in the same way, whether it holds lists or regular
// expressions.
TEST(Ia3, PeftConfigurationIsReadBack) {
  std::vector<AdapterOptions> cases(6, as_published());
  cases[1].layers = {0, 2};
  cases[2].layers = {1};
  cases[2].targets = {"0.fc2", "1.fc2", "self_attn.q_proj"};
  cases[2].excluded = {"1.fc2"};
  cases[3].targets = {"encoder.layers.0.fc2", "encoder.layers.1.fc1", "k_proj"};  // "fc2" equals none of these names
  cases[4].target_pattern = R"(.*layers\.[02]\.fc[12])";
  cases[5].targets = {"k_proj", "v_proj"};
  for (const AdapterOptions& options : cases) {
    const AdapterOptions back = through_peft(options);
    for (const bool of_input : {false, true}) EXPECT_EQ(modules_of(back, of_input), modules_of(options, of_input));
    EXPECT_EQ(method_named("ia3").peft_config(back), method_named("ia3").peft_config(options)) << "written again";
  }
  EXPECT_EQ(method_named("ia3").peft_config(cases[1]).value().at("target_modules"),
            R"(encoder\.layers\.(0|2)\.(self_attn\.k_proj|self_attn\.v_proj|fc2))");
  EXPECT_EQ(method_named("ia3").peft_config(cases[1]).value().at("feedforward_modules"),
            R"(encoder\.layers\.(0|2)\.(fc2))");
}

}  // namespace
}  // namespace loralens
