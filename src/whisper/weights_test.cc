// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "base/test_folder.h"
#include "checkpoint/safetensors.h"
#include "whisper/encoder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

Tensors tensors_of(const Encoder& encoder, const std::string& prefix) {
  Tensors tensors;
  visit_tensors(encoder, [&](const std::string& name, const Tensor& tensor) { tensors[prefix + name] = tensor; });
  return tensors;
}

void write_model(const TestFolder& folder, const Tensors& tensors) {
  folder.write("config.json", tiny_config().json.dump());
  write_safetensors(folder.path() / "model.safetensors", tensors);
}

TEST(Weights, AreNamedAsTransformersNamesThem) {
  const Tensors tensors = tensors_of(tiny_encoder(), "");
  EXPECT_EQ(tensors.size(), 4u + 1 + 3 * 15 + 2);
  EXPECT_EQ(tensors.at("encoder.conv1.weight").sizes(), (std::vector<int64_t>{16, 80, 3}));
  EXPECT_EQ(tensors.at("encoder.conv2.weight").sizes(), (std::vector<int64_t>{16, 16, 3}));
  EXPECT_EQ(tensors.at("encoder.embed_positions.weight").sizes(), (std::vector<int64_t>{1500, 16}));
  EXPECT_EQ(tensors.at("encoder.layers.2.fc1.weight").sizes(), (std::vector<int64_t>{32, 16}));
  EXPECT_EQ(tensors.at("encoder.layers.2.fc2.weight").sizes(), (std::vector<int64_t>{16, 32}));
  EXPECT_TRUE(tensors.contains("encoder.layers.0.self_attn.k_proj.weight"));
  EXPECT_FALSE(tensors.contains("encoder.layers.0.self_attn.k_proj.bias"));
  EXPECT_TRUE(tensors.contains("encoder.layers.1.final_layer_norm.bias"));
  EXPECT_TRUE(tensors.contains("encoder.layer_norm.weight"));
}

TEST(Weights, AreFoundUnderAnyHead) {
  const Encoder encoder = tiny_encoder();
  for (const std::string prefix : {"", "model."}) {
    const TestFolder folder;
    Tensors tensors = tensors_of(encoder, prefix);
    tensors[prefix + "decoder.layer_norm.weight"] = at::zeros({16});
    write_model(folder, tensors);
    const Tensors loaded = tensors_of(load_encoder(folder.path()).encoder, prefix);
    for (const auto& [name, tensor] : loaded) EXPECT_TRUE(same_bits(tensor, tensors.at(name))) << name;
  }
}

TEST(Weights, OfHalfPrecisionBecomeFloat32) {
  const TestFolder folder;
  Tensors tensors = tensors_of(tiny_encoder(), "model.");
  for (auto& [name, tensor] : tensors) tensor = tensor.to(c10::ScalarType::Half);
  write_model(folder, tensors);
  const Encoder loaded = load_encoder(folder.path()).encoder;
  EXPECT_TRUE(same_bits(loaded.conv1.weight, tensors.at("model.encoder.conv1.weight").to(c10::ScalarType::Float)));
}

// Weights of any type are rounded like those of a float32 encoder, also if a tensor is read in several pieces.
TEST(Weights, OfAnyTypeAreConvertedAsTheyAreRead) {
  Encoder encoder;
  encoder.config = tiny_config();
  encoder.config.width = 400;  // fc1 has 640,000 values, not a multiple of the piece size
  encoder.config.mlp_width = 1600;
  encoder.config.json["d_model"] = 400;
  encoder.config.json["encoder_ffn_dim"] = 1600;
  encoder.config.json["encoder_layers"] = encoder.config.layers = 1;
  visit_tensors(encoder, [](const std::string& name, Tensor& tensor, std::vector<int64_t> shape) {
    tensor = random_tensor(shape, hash_of(name), 0.05);
  });
  using c10::ScalarType;
  for (const auto held : {ScalarType::Double, ScalarType::Float, ScalarType::Half, ScalarType::BFloat16}) {
    const Encoder whole = convert(convert(encoder, {held, held}, c10::kCPU), in_float, c10::kCPU);
    const TestFolder folder;
    Tensors tensors = tensors_of(encoder, "model.");
    for (auto& [name, tensor] : tensors) tensor = tensor.to(held);
    folder.write("config.json", encoder.config.json.dump());
    write_safetensors(folder.path() / "model.safetensors", tensors);
    for (const auto compute : {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half}) {
      const LoadedEncoder loaded = load_encoder(folder.path(), {compute, ScalarType::Float});
      EXPECT_EQ(loaded.sha256, sha256_of(whole)) << held;
      const Tensors expected = tensors_of(convert(whole, {compute, ScalarType::Float}, c10::kCPU), "");
      for (const auto& [name, tensor] : tensors_of(loaded.encoder, ""))
        EXPECT_TRUE(same_bits(tensor, expected.at(name))) << held << " to " << compute << ": " << name;
    }
  }
}

TEST(Weights, OfAFileThatIsCutAreAnError) {
  const TestFolder folder;
  write_model(folder, tensors_of(tiny_encoder(), "model."));
  const Path file = folder.path() / "model.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  EXPECT_THAT(error_of([&] { load_encoder(folder.path()); }), HasSubstr("the file is cut"));
}

TEST(Weights, MissingMisshapenOrWholeNumbersAreErrors) {
  const auto error_with = [](const std::function<void(Tensors&)>& change) {
    const TestFolder folder;
    Tensors tensors = tensors_of(tiny_encoder(), "model.");
    change(tensors);
    write_model(folder, tensors);
    return error_of([&] { load_encoder(folder.path()); });
  };
  EXPECT_EQ(error_with([](Tensors&) {}), "");
  EXPECT_THAT(error_with([](Tensors& t) { t.erase("model.encoder.layers.1.fc2.bias"); }),
              HasSubstr("the tensor encoder.layers.1.fc2.bias is missing"));
  EXPECT_THAT(error_with([](Tensors& t) { t["model.encoder.layers.1.fc2.bias"] = at::zeros({17}); }),
              HasSubstr("model.encoder.layers.1.fc2.bias has the shape [17], config.json asks for [16]"));
  EXPECT_THAT(
      error_with([](Tensors& t) { t["model.encoder.layer_norm.bias"] = at::zeros({16}, c10::ScalarType::Long); }),
      HasSubstr("holds no floating-point numbers"));
  EXPECT_THAT(error_with([](Tensors& t) { t["model.encoder.layers.3.fc2.bias"] = at::zeros({16}); }),
              HasSubstr("config.json describes has no tensor \"model.encoder.layers.3.fc2.bias\""));
  EXPECT_EQ(error_with([](Tensors& t) { t["model.decoder.layers.3.fc2.bias"] = at::full({16}, NAN); }),
            "");  // decoder tensors are not read
}

TEST(Weights, NumbersThatAreNotFiniteAreErrors) {
  const TestFolder folder;
  const Tensors good = tensors_of(tiny_encoder(), "model.");
  const auto error_with = [&](const std::string& name, double value, Precision precision) {
    Tensors tensors = good;
    tensors[name] = tensors.at(name).to(c10::ScalarType::Double);
    tensors[name].view({-1})[-1] = value;
    write_model(folder, tensors);
    return error_of([&] { load_encoder(folder.path(), precision); });
  };
  for (const auto& [name, tensor] : good)
    EXPECT_THAT(error_with(name, NAN, {}), HasSubstr("\"" + name + "\" holds a NaN or an infinity"));
  const std::string linear = "model.encoder.layers.1.fc2.weight", norm = "model.encoder.layers.1.final_layer_norm.bias";
  constexpr Precision bf16{c10::ScalarType::BFloat16, c10::ScalarType::Float},
      fp16{c10::ScalarType::Half, c10::ScalarType::Float};
  EXPECT_EQ(error_with(linear, 1e38, bf16), "");
  EXPECT_THAT(error_with(linear, 1e39, {}), HasSubstr(linear + " holds a number beyond the range of Float"));
  EXPECT_THAT(error_with(linear, 3.4e38, bf16), HasSubstr("beyond the range of BFloat16"));
  EXPECT_THAT(error_with(linear, 7e4, fp16), HasSubstr("beyond the range of Half"));
  EXPECT_EQ(error_with(norm, 7e4, fp16), "");  // norms are computed in float
}

TEST(Weights, TheirDigestTellsModelsApartButNotTheirPrecision) {
  const Encoder encoder = tiny_encoder();
  const std::string digest = sha256_of(encoder);
  EXPECT_THAT(digest, testing::MatchesRegex("[0-9a-f]{64}"));
  EXPECT_EQ(sha256_of(convert(encoder, {c10::ScalarType::Half, c10::ScalarType::Half}, c10::kCPU)), digest);
  EXPECT_EQ(sha256_of(tiny_encoder(in_double)), digest);
  EXPECT_NE(sha256_of(tiny_encoder(2)), digest);
  std::set<std::string> digests = {digest};
  visit_tensors(encoder, [&](const std::string& name, const Tensor&) {
    Encoder changed = encoder;
    visit_tensors(changed, [&](const std::string& other, Tensor& tensor, std::vector<int64_t>) {
      if (other != name) return;
      tensor = tensor.clone();
      tensor.view({-1})[tensor.numel() - 1] += 0.25;
    });
    digests.insert(sha256_of(changed));
  });
  EXPECT_EQ(digests.size(), 1u + 52);  // the original, and one for a change in each tensor
}

TEST(Configs, WithSizesThatDoNotFitAreErrors) {
  const auto error_with = [](const std::string& key, nlohmann::json value) {
    nlohmann::json json = tiny_config().json;
    json[key] = std::move(value);
    return error_of([&] { parse_config(json, "config.json"); });
  };
  EXPECT_EQ(error_with("d_model", 18), "");
  EXPECT_THAT(error_with("d_model", 17), HasSubstr("cannot be split over 2 heads"));
  EXPECT_THAT(error_with("d_model", "16"), HasSubstr("\"d_model\" is \"16\": expected a whole number"));
  EXPECT_THAT(error_with("encoder_layers", 0), HasSubstr("expected a whole number, 1 to 256"));
  EXPECT_THAT(error_with("max_source_positions", 1501), HasSubstr("expected a whole number, 1 to 1500"));
  EXPECT_THAT(error_with("num_mel_bins", 96), HasSubstr("Whisper has 80 or 128"));
  EXPECT_THAT(error_with("model_type", "bert"), HasSubstr("not \"whisper\""));
  for (const nlohmann::json& value : {nlohmann::json(-1), nlohmann::json(1e9), nlohmann::json(UINT64_MAX),
                                      nlohmann::json(2.0), nlohmann::json(nullptr)})
    for (const char* key : {"d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins"})
      EXPECT_THAT(error_with(key, value), HasSubstr(key)) << value;
  EXPECT_THAT(error_of([] { parse_config(nlohmann::json::array(), "config.json"); }), HasSubstr("not a JSON object"));
}

TEST(Configs, OfAnotherFunctionOfTheWeightsAreErrors) {
  nlohmann::json json = tiny_config().json;
  json.erase("activation_function");
  EXPECT_EQ(parse_config(json, "config.json").layers, 3);  // the default of transformers is "gelu"
  for (const nlohmann::json& other : {nlohmann::json("relu"), nlohmann::json("gelu_new"), nlohmann::json(3)}) {
    json["activation_function"] = other;
    EXPECT_THAT(error_of([&] { parse_config(json, "config.json"); }),
                HasSubstr("config.json: \"activation_function\" is"));
  }
  json["activation_function"] = "gelu";
  json["d_model"] = 512;
  for (const int heads : {1, 2, 4, 16, 256}) {
    json["encoder_attention_heads"] = heads;
    EXPECT_THAT(error_of([&] { parse_config(json, "config.json"); }), HasSubstr("a Whisper model of width 512 has 8"));
  }
  json["encoder_attention_heads"] = 8;
  EXPECT_EQ(parse_config(json, "config.json").head_width(), 64);
}

// Gradients reach the leaf tensors through the converted copy.
TEST(Weights, ConversionIsDifferentiable) {
  Encoder encoder = tiny_encoder();
  encoder.layers[1].fc1.weight.requires_grad_();
  const Encoder copy = convert(encoder, {c10::ScalarType::BFloat16, c10::ScalarType::Float}, c10::kCPU);
  (copy.layers[1].fc1.weight * 3).sum().backward();
  EXPECT_EQ(encoder.layers[1].fc1.weight.grad().scalar_type(), c10::ScalarType::Float);
  EXPECT_EQ(encoder.layers[1].fc1.weight.grad().min().item<float>(), 3);
}

TEST(Config, AnotherSpectrogramThanWhispersIsRefused) {
  const TestFolder folder;
  folder.write("config.json", tiny_config().json.dump());
  folder.write("preprocessor_config.json", R"({"feature_size": 80, "sampling_rate": 16000, "hop_length": 160})");
  EXPECT_EQ(read_config(folder.path()).mels, 80);
  folder.write("preprocessor_config.json", R"({"sampling_rate": 16000, "hop_length": 320})");
  EXPECT_THAT(error_of([&] { read_config(folder.path()); }),
              testing::AllOf(HasSubstr("preprocessor_config.json"), HasSubstr("hop_length"), HasSubstr("160")));
}

}  // namespace
}  // namespace loralens
