// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "adapter/method.h"
#include "base/test_folder.h"
#include "whisper/test_site_adapter.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Methods, AreFoundByName) {
  for (const Method* method : methods()) {
    EXPECT_EQ(&method_named(method->name()), method);
    EXPECT_FALSE(method->summary().empty());
  }
  EXPECT_THAT(
      error_of([] { method_named("magic"); }),
      HasSubstr(
          "there is no method 'magic': choose among lora pissa dora vera ia3 houlsby pfeiffer bitfit frozen full"));
}

TEST(Methods, HaveTheirOwnOptions) {
  using Names = std::set<std::string>;
  EXPECT_EQ(option_names(method_named("lora")),
            (Names{"alpha", "alpha-pattern", "dropout", "exclude", "freeze", "layers", "rank", "rank-pattern", "rslora",
                   "target-pattern", "targets"}));
  EXPECT_EQ(option_names(method_named("vera")),
            (Names{"dropout", "exclude", "layers", "rank", "target-pattern", "targets"}));
  EXPECT_EQ(option_names(method_named("houlsby")), (Names{"layers", "reduction"}));
  EXPECT_EQ(option_names(method_named("frozen")), Names{});
  EXPECT_EQ(option_names(method_named("full")), Names{"layers"});
}

// For a file of another method from_peft() returns nullopt, not an error, so that the other method is asked. "lora" and
// "pissa" share a format.
TEST(Methods, DoNotRefuseFilesOfOtherMethods) {
  std::vector<std::pair<std::string_view, json>> files;  // the method that writes this file; "" for none
  for (const char* config : {R"({"peft_type": "LOHA"})", R"({"peft_type": "ADALORA"})", R"({"peft_type": null})",
                             R"({"peft_type": 7})", "{}"})
    files.emplace_back("", json::parse(config));
  for (const Method* owner : methods())
    if (const auto config = owner->peft_config({.method = std::string(owner->name())}))
      files.emplace_back(owner->name(), *config);
  EXPECT_EQ(files.size(), 5u + 5u);
  const auto format_of = [](std::string_view name) { return name == "pissa" ? "lora" : name; };
  for (const auto& [owner, file] : files)
    for (const Method* method : methods())
      EXPECT_EQ(method->from_peft(file, "adapter_config.json").has_value(),
                format_of(method->name()) == format_of(owner))
          << method->name() << " " << file;
}

TEST(Merged, WeightsEqualAdaptersAtSites) {
  Adapted adapted = method_named("lora").attach(tiny_encoder(in_double), {}, 42);
  for (const Parameter& p : adapted.parameters) p.tensor.detach().copy_(random_tensor(p.tensor.sizes().vec(), 3, 0.2));
  for (const Site& site : {Site{SiteKind::value, 1}, Site{SiteKind::mlp_hidden, 2}})
    adapted.adapters.add(site, scaled_site(adapted.encoder, site));
  const at::Tensor x = random_tensor({21, 16}, 1);
  const Pass pass = pass_of({8, 13});
  const at::Tensor with = run(adapted.encoder, adapted.adapters, x, {0, 3}, pass);
  EXPECT_LT(difference(run(merge(adapted), {}, x, {0, 3}, pass), with), 1e-13);
  EXPECT_LT(difference(run(adapted.encoder, adapted.adapters, x, {0, 3}, pass), with), 1e-15) << "base unchanged";
}

TEST(Merged, AdaptersThatCannotBeMergedAreRefused) {
  Adapted adapted = method_named("frozen").attach(tiny_encoder(), {}, 42);
  adapted.adapters.add({SiteKind::mlp_out, 1}, scaled_site(adapted.encoder, {SiteKind::mlp_out, 1}));
  EXPECT_THAT(error_of([&] { merge(adapted); }), HasSubstr("the adapter at mlp_out of layer 1 cannot be merged"));
}

TEST(Methods, OptionsOfAnotherMethodAreRefused) {
  AdapterOptions options;
  options.own = 3;
  EXPECT_THAT(error_of([&] { method_named("lora").attach(tiny_encoder(), options, 42); }),
              HasSubstr("belong to another adaptation method"));
}

TEST(Methods, FrozenTrainsNothingAndFullTheWholeEncoder) {
  const Encoder encoder = tiny_encoder();
  const Adapted frozen = method_named("frozen").attach(encoder, {}, 42);
  EXPECT_EQ(method_named("frozen").encoder_training({}), EncoderTraining::none);
  EXPECT_EQ(method_named("lora").encoder_training({}), EncoderTraining::none);
  EXPECT_TRUE(frozen.parameters.empty() && frozen.adapters.empty() && !frozen.encoder_trained);
  const Adapted full = method_named("full").attach(tiny_encoder(), {}, 42);
  EXPECT_EQ(method_named("full").encoder_training({}), EncoderTraining::whole);
  EXPECT_TRUE(full.encoder_trained);
  EXPECT_EQ(full.parameters.size(), 51u);  // all tensors except the position embeddings
  EXPECT_EQ(sha256_of(full.encoder), sha256_of(encoder));
  for (const Parameter& p : full.parameters) {
    EXPECT_TRUE(p.tensor.requires_grad() && p.tensor.is_leaf()) << p.name;
    EXPECT_NE(p.name, "encoder.embed_positions.weight");
  }
}

TEST(Methods, ThatPeftLacksHaveNoPeftConfiguration) {
  EXPECT_FALSE(method_named("frozen").peft_config({}).has_value());
  EXPECT_FALSE(method_named("full").peft_config({}).has_value());
}

}  // namespace
}  // namespace loralens
