// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/ctranslate2.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/random.h"
#include "checkpoint/ctranslate2_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_ctranslate2.h"

namespace loralens {
namespace {

using testing::HasSubstr;
using namespace tiny_ctranslate2;

class CTranslate2Test : public testing::Test {
 protected:
  CTranslate2Test() {
    std::string name = testing::TempDir() + "ctranslate2.XXXXXX";
    folder_ = mkdtemp(name.data());
    std::filesystem::create_directory(folder_ / "out");
  }
  ~CTranslate2Test() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& bytes) const { std::ofstream(folder_ / "model.bin", std::ios::binary) << bytes; }

  std::string complaint(const Model& model) const {
    put(model.bytes());
    try {
      import_ctranslate2(folder_, folder_ / "out");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr((folder_ / "model.bin").string()));
      EXPECT_TRUE(std::filesystem::is_empty(folder_ / "out"));
      return error.what();
    }
    return "";
  }

  Path folder_;
};

TEST_F(CTranslate2Test, BecomesAHuggingFaceFolder) {
  const Model model = tiny_model();
  const std::string tokenizer =
      R"({"model": {"vocab": {"Ġ": 220}}, "added_tokens": [{"id": 50256, "content": "<|endoftext|>"},
          {"id": 50257, "content": "<|startoftranscript|>"}, {"id": 50362, "content": "<|notimestamps|>"}]})";
  std::ofstream(folder_ / "tokenizer.json") << tokenizer;
  ASSERT_EQ(complaint(model), "");
  const Tensors out = read_safetensors(folder_ / "out" / "model.safetensors");
  EXPECT_EQ(out.size(), 5u + 2 + 15 + 2 + 24 + 2);  // stem, encoder norm and layer; embeddings, decoder layer and norm
  const auto same = [&](const std::string& name, const at::Tensor& expected) {
    ASSERT_TRUE(out.count(name)) << name;
    EXPECT_EQ(out.at(name).scalar_type(), at::kHalf);
    EXPECT_TRUE(at::equal(out.at(name), expected)) << name;
  };
  const std::string self = "model.encoder.layers.0.self_attn.", cross = "model.decoder.layers.0.encoder_attn.";
  const auto stacked = model.variables.at("encoder/layer_0/self_attention/linear_0/weight");
  same(self + "q_proj.weight", stacked.slice(0, 0, width));
  same(self + "k_proj.weight", stacked.slice(0, width, 2 * width));
  same(self + "v_proj.weight", stacked.slice(0, 2 * width));
  same(self + "v_proj.bias", model.variables.at("encoder/layer_0/self_attention/linear_0/bias").slice(0, 2 * width));
  same(cross + "v_proj.weight", model.variables.at("decoder/layer_0/attention/linear_1/weight").slice(0, width));
  same(cross + "q_proj.bias", model.variables.at("decoder/layer_0/attention/linear_0/bias"));
  same("model.encoder.layers.0.fc1.weight", model.variables.at("encoder/layer_0/ffn/linear_0/weight"));
  same("model.decoder.embed_tokens.weight", model.variables.at("decoder/embeddings/weight"));
  EXPECT_FALSE(out.count(self + "k_proj.bias"));
  EXPECT_FALSE(out.count("proj_out.weight"));

  const auto config = nlohmann::json::parse(read_file(folder_ / "out" / "config.json"));
  EXPECT_EQ(config["d_model"], 64);
  EXPECT_EQ(config["encoder_attention_heads"], 1);
  EXPECT_EQ(config["decoder_ffn_dim"], 128);
  EXPECT_EQ(config["decoder_start_token_id"], 50257);
  EXPECT_EQ(nlohmann::json::parse(read_file(folder_ / "out" / "preprocessor_config.json"))["feature_size"], 80);
  EXPECT_EQ(read_file(folder_ / "out" / "tokenizer.json"), tokenizer);
  const auto generation = nlohmann::json::parse(read_file(folder_ / "out" / "generation_config.json"));
  EXPECT_EQ(generation["forced_decoder_ids"], nlohmann::json::parse("[[1, 50362]]"));
  EXPECT_EQ(generation["max_length"], 6);
}

TEST_F(CTranslate2Test, WhatIsNoFloatWhisperSaysSo) {
  const auto with = [](const auto& change) {
    Model model = tiny_model();
    change(model);
    return model;
  };
  EXPECT_THAT(complaint(with([](Model& m) { m.version = 5; })), HasSubstr("version 6"));
  EXPECT_THAT(complaint(with([](Model& m) { m.specification = "TransformerSpec"; })), HasSubstr("\"TransformerSpec\""));
  EXPECT_THAT(complaint(with([](Model& m) { m.alias = "other"; })), HasSubstr("output projection"));
  EXPECT_THAT(complaint(with([](Model& m) { m.aliased = "absent"; })), HasSubstr("no variable \"absent\""));
  EXPECT_THAT(complaint(with([](Model& m) {
                auto& weight = m.variables["encoder/layer_0/ffn/linear_0/weight"];
                weight = weight.to(at::kChar);
              })),
              HasSubstr("--quantization float16"));
  EXPECT_THAT(complaint(with([](Model& m) { m.variables["encoder/layer_0/self_attention/linear_0/bias"].fill_(1); })),
              HasSubstr("no bias"));
  EXPECT_THAT(complaint(with([](Model& m) { m.variables["encoder/conv1/bias"] = at::zeros({65}); })),
              HasSubstr("\"encoder/conv1/bias\": its shape"));
  EXPECT_THAT(complaint(with([](Model& m) { m.variables["encoder/conv3/bias"] = at::zeros({64}); })),
              HasSubstr("no place"));
  EXPECT_THAT(complaint(with([](Model& m) { m.variables["decoder/embeddings/weight"] = at::zeros({9, 64}); })),
              HasSubstr("none of Whisper's"));
  EXPECT_THAT(complaint(with([](Model& m) { m.variables["decoder/num_heads"].fill_(2); })), HasSubstr("heads of 64"));
  EXPECT_THAT(complaint(with([](Model& m) { m.variables["decoder/activation"].fill_(0); })),
              HasSubstr("decoder/activation"));
  std::filesystem::remove(folder_ / "model.bin");
  EXPECT_THROW(import_ctranslate2(folder_, folder_ / "out"), Error);
}

TEST_F(CTranslate2Test, AnyDamageIsAnErrorOrAValidRead) {
  Model model;
  model.variables = {{"half", Model::counting({3, 2})}, {"decoder/embeddings/weight", at::full({2, 2}, 1.5f)}};
  const std::string good = model.bytes();
  Random random(2);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips)
      bytes[random.below(bytes.size())] ^= 1 << random.below(8);
    if (i % 4 == 0) bytes.resize(random.below(bytes.size()));
    put(bytes);
    try {
      const CTranslate2File file(folder_ / "model.bin");
      for (const auto& [name, variable] : file.variables())
        if (!variable.shape.empty()) file.read_rows(name, 0, variable.shape[0]);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      ++refused;
    }
  }
  EXPECT_GT(refused, 1500);
  EXPECT_LT(refused, 3000);
}

}  // namespace
}  // namespace loralens
