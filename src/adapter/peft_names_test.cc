// SPDX-License-Identifier: Apache-2.0
#include "adapter/peft_names.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace loralens {
namespace {

using testing::HasSubstr;

constexpr const char* v_proj = "base_model.model.encoder.layers.3.self_attn.v_proj";

// Today's name of the only tensor of this name in the file; "" if it is left out.
std::string today(const std::string& name) {
  const auto found = read_peft_names({name}, "file").in_file;
  return found.empty() ? "" : found.begin()->first;
}

TEST(PeftNames, AreReadOfEveryForm) {
  const std::string lora = v_proj;
  for (const char* name :
       {"base_model.model.encoder.layers.3.self_attn.v_proj.lora_A.weight",
        "base_model.model.encoder.layers.3.self_attn.v_proj.lora_A.default.weight",
        "base_model.model.model.encoder.layers.3.self_attn.v_proj.lora_A.emotion.weight",
        "base_model.model.net.whisper.encoder.layers.3.self_attn.v_proj.lora_A.weight",
        "base_model.model.layers.3.self_attn.v_proj.lora_A.weight", "encoder.layers.3.self_attn.v_proj.lora_A.weight"})
    EXPECT_EQ(today(name), lora + ".lora_A.weight") << name;
  EXPECT_EQ(today(lora + ".lora_magnitude_vector.default.weight"), lora + ".lora_magnitude_vector");
  EXPECT_EQ(today(lora + ".lora_magnitude_vector.weight"), lora + ".lora_magnitude_vector");
  EXPECT_EQ(today(lora + ".ia3_l.default"), lora + ".ia3_l");
  EXPECT_EQ(today(lora + ".base_layer.bias"), lora + ".bias");
  EXPECT_EQ(today("base_model.vera_A.default"), "base_model.vera_A");
  EXPECT_EQ(today("base_model.model.projector.modules_to_save.default.weight"), "base_model.model.projector.weight");
  EXPECT_EQ(today("base_model.model.projector.modules_to_save.weight"), "base_model.model.projector.weight");
  EXPECT_EQ(today("base_model.model.classifier.modules_to_save.0.weight"), "base_model.model.classifier.0.weight");
  EXPECT_EQ(today("base_model.model.projector.original_module.weight"), "");
  EXPECT_EQ(today("base_model.model.classifier.lora_B.default.weight"), "base_model.model.classifier.lora_B.weight");
}

TEST(PeftNames, OfAModelAroundTheClassifierLoseItsName) {
  const PeftNames names = read_peft_names(
      {"base_model.model.net.encoder.layers.0.fc1.lora_A.weight", "base_model.model.net.projector.weight"}, "file");
  EXPECT_EQ(names.encoder, "net.encoder.");
  EXPECT_TRUE(names.in_file.contains("base_model.model.projector.weight"));
}

TEST(PeftNames, ModulesOfADecoderAreCounted) {
  std::vector<std::string> all;
  for (const std::string module :
       {"encoder.layers.0.fc1", "decoder.layers.0.fc1", "decoder.layers.0.encoder_attn.q_proj", "decoder.layers.1.fc1"})
    for (const char* factor : {".lora_A.weight", ".lora_B.weight"})
      all.push_back("base_model.model.model." + module + factor);
  all.emplace_back("base_model.model.proj_out.lora_A.weight");
  all.emplace_back("base_model.model.model.decoder.layer_norm.weight");  // a base weight is no adapted module
  const PeftNames names = read_peft_names(all, "file");
  EXPECT_EQ(names.encoder, "model.encoder.");
  EXPECT_EQ(names.decoder_modules, 4);
  EXPECT_EQ(names.in_file.size(), 2u);
}

TEST(PeftNames, CopiesOfATensorAreListed) {
  const std::string head = "base_model.model.classifier.";
  const PeftNames names = read_peft_names({head + "bias", head + "modules_to_save.bias", head + "weight"}, "file");
  EXPECT_EQ(names.in_file.size(), 2u);
  EXPECT_THAT(names.copies, testing::ElementsAre(testing::Pair(head + "bias", head + "modules_to_save.bias")));
}

TEST(PeftNames, WhatHasNoSingleMeaningIsAnError) {
  const std::string lora = v_proj;
  const auto error = [](const std::vector<std::string>& names) {
    return error_of([&] { read_peft_names(names, "file"); });
  };
  EXPECT_THAT(error({lora + ".lora_A.one.weight", lora + ".lora_A.two.weight"}),
              HasSubstr("several adapters (one, two)"));
  EXPECT_THAT(error({lora + ".lora_A.weight", "base_model.model.b.encoder.layers.0.fc1.lora_A.weight"}),
              HasSubstr("several encoders"));
  EXPECT_THAT(error({"base_model.model.model.decoder.layers.0.fc1.lora_A.weight"}),
              HasSubstr("1 modules of the decoder and none of the encoder"));
}

}  // namespace
}  // namespace loralens
