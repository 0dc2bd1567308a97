// SPDX-License-Identifier: Apache-2.0
// Compares logits with transformers' WhisperForAudioClassification and PEFT: this test loads folders that they saved,
// and tests/oracle/model_check.py loads folders that this test saves.
#include "classifier/model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <gtest/gtest.h>

#include "adapter/lora/lora.h"
#include "adapter/vera.h"
#include "base/random.h"
#include "classifier/forward.h"
#include "whisper/test_parity.h"

namespace loralens {
namespace {

using at::Tensor;

Base base_named(const std::string& name, Precision precision = {}) {
  return load_base(resolve_model(name), "openai/whisper-" + name, precision, c10::kCPU);
}

Tensor logits_of(const EmotionModel& model, const Encoder& encoder, const std::vector<Tensor>& mels) {
  const at::NoGradGuard no_grad;
  const auto [x, pass] = stems(encoder, mels);
  return logits_from(network_of(model, encoder), x, 0, pass);
}

Tensor logits_of(const EmotionModel& model, const std::vector<Tensor>& mels) {
  return logits_of(model, model.compute_encoder(), mels);
}

// A frozen encoder with the head that the oracle's file stores under `prefix`.
EmotionModel with_head(const Base& base, const Safetensors& oracle, const std::string& prefix) {
  const auto shape = oracle.shape(prefix + "projector.weight");
  const std::vector<std::string> classes(static_cast<size_t>(oracle.shape(prefix + "classifier.bias")[0]), "class");
  AdapterOptions frozen;
  frozen.method = "frozen";
  const HeadOptions head{shape[0], oracle.contains(prefix + "layer_weights")};
  EmotionModel model = make_model(base, frozen, head, classes, 0);
  for (const Parameter& p : parameters_of(model.head)) p.tensor.detach().copy_(oracle.read(prefix + p.name));
  return model;
}

void expect_equal_logits(const std::string& what, const Tensor& found, const Tensor& expected) {
  ASSERT_EQ(found.sizes(), expected.sizes());
  const double worst = largest_difference(found, expected);
  show(what + ": largest difference of logits", worst);
  EXPECT_LE(worst, 1e-4) << what;
}

// The cases of tests/oracle/adapters.py.
constexpr const char* peft_cases[] = {"plain", "rslora", "patterns", "expression",    "dora",
                                      "pissa", "vera",   "ia3",      "ia3-expression"};

class ModelParity : public testing::Test {
 protected:
  const Safetensors oracle_{oracle_folder / "classifier.safetensors"};
  const std::vector<Tensor> clips_ = numbered(oracle_, "samples");
  const std::vector<Tensor> mels_ = mels_of(clips_);
};

TEST_F(ModelParity, FrozenEncoder) {
  const Base base = base_named("tiny.en");
  const std::vector<Tensor> padded = mels_of({clips_[0], clips_[1]}, /*padded=*/true);
  for (const std::string head : {"last", "weighted"}) {
    const EmotionModel model = with_head(base, oracle_, head + "/");
    expect_equal_logits(head, logits_of(model, mels_), oracle_.read(head + ".logits"));
    expect_equal_logits(head + ", padded", logits_of(model, padded), oracle_.read(head + ".padded_logits"));
  }
}

TEST_F(ModelParity, FrozenEncoderOfBase) {
  const EmotionModel model = with_head(base_named("base"), oracle_, "base/");
  expect_equal_logits("base", logits_of(model, mels_), oracle_.read("base.logits"));
}

TEST_F(ModelParity, FoldersThatPeftWrote) {
  const Base base = base_named("tiny.en");
  const Tensor bare = logits_of(with_head(base, oracle_, "last/"), mels_);  // the same head without adapters
  for (const std::string name : peft_cases) {
    const EmotionModel model = load_model(oracle_folder / "peft" / name, base);
    const Tensor expected = oracle_.read(name + ".logits");
    expect_equal_logits(name, logits_of(model, mels_), expected);

    EmotionModel merged = model;
    merged.adapted.encoder = merge(model.adapted);
    merged.adapted.adapters.clear();
    expect_equal_logits(name + ", merged", logits_of(merged, mels_), expected);
    EXPECT_GT(largest_difference(bare, expected), 0.1) << name << ": the adapter changes nothing";
  }
}

// Adds normal noise to the tensors. deviation: its standard deviation; 0: 0.05 times that of each tensor.
void disturb(const std::vector<Parameter>& tensors, double deviation, uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : tensors) {
    const Tensor& tensor = p.tensor;
    Random random(hash_of(seed, hash_of(p.name)));
    Tensor noise = at::empty_like(tensor, tensor.options().requires_grad(false), c10::MemoryFormat::Contiguous);
    float* values = noise.mutable_data_ptr<float>();
    for (int64_t i = 0; i < noise.numel(); ++i) values[i] = static_cast<float>(random.normal());
    tensor.detach().add_(noise, deviation > 0 ? deviation : 0.05 * tensor.detach().std().item<double>());
  }
}

struct WrittenCase {
  std::string name;
  AdapterOptions options;
  bool weighted;  // whether the head has a weighted layer sum
};

std::vector<WrittenCase> written_cases() {
  AdapterOptions patterns, expression, full, frozen;
  patterns.targets = {"q_proj", "out_proj", "fc1", "fc2"};
  patterns.excluded = {"0.fc2"};
  patterns.layers = {0, 2};
  patterns.own = LoraOptions{.rank = 6,
                             .alpha = 2.5,
                             .rslora = true,
                             .rank_pattern = {{"fc1", 3}, {R"(0\.self_attn\..*)", 9}},
                             .alpha_pattern = {{"layers.2.fc2", 7}}};
  expression.target_pattern = R"(.*layers\.[13]\.(self_attn\.(k|v)_proj|fc2))";
  expression.own = LoraOptions{.rank = 4};
  full.method = "full";
  frozen.method = "frozen";
  const auto on_every_module = [](const std::string& method, OwnOptions own) {
    AdapterOptions options{.method = method};
    options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
    options.own = std::move(own);
    return options;
  };
  AdapterOptions vera = on_every_module("vera", VeraOptions{.rank = 64}), ia3 = on_every_module("ia3", {}),
                 ia3_layers = ia3, bitfit{.method = "bitfit"}, last{.method = "full"};
  vera.layers = {1, 3};
  ia3.targets = {"k_proj", "v_proj", "fc2"};
  ia3_layers.layers = {0, 2};
  last.layers = {2, 3};
  return {{"lora", {}, false},
          {"patterns", patterns, true},
          {"expression", expression, false},
          {"full", full, true},
          {"frozen", frozen, true},
          {"dora", on_every_module("dora", LoraOptions{.rank = 6, .alpha = 9, .rank_pattern = {{"fc1", 3}}}), false},
          {"pissa", on_every_module("pissa", LoraOptions{.rank = 6, .alpha = 9, .rslora = true}), false},
          {"vera", vera, true},
          {"ia3", ia3, false},
          {"ia3-layers", ia3_layers, false},
          {"bitfit", bitfit, false},
          {"last-layers", last, true},
          {"freeze-B", on_every_module("lora", LoraOptions{.rank = 6, .alpha = 3, .freeze = "B"}), false}};
}

// Writes model folders that tests/oracle/model_check.py then reads with transformers and PEFT.
TEST_F(ModelParity, WritesFoldersForPeft) {
  const Base base = base_named("tiny.en");
  for (const auto& [name, options, weighted] : written_cases()) {
    const EmotionModel model = make_model(base, options, {32, weighted}, {"anger", "joy", "none"}, 5);
    disturb(model.adapted.parameters, model.adapted.encoder_trained ? 0 : 0.05, 1);  // also constants: all are saved
    disturb(parameters_of(model.head), 0.1, 2);
    const Path folder = oracle_folder / "written" / name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    save_model(folder, model);
    const Tensor found = logits_of(model, mels_);
    write_safetensors(oracle_folder / "written" / (name + ".safetensors"), {{"logits", found}});
    expect_equal_logits(name + ", read again", logits_of(load_model(folder, base), mels_), found);
    if (name == "frozen") continue;
    EmotionModel bare = model;
    bare.adapted = {base.encoder, {}, {}, false};
    EXPECT_GT(largest_difference(logits_of(bare, mels_), found), 0.01) << name << ": parameters have no effect";
  }
}

TEST_F(ModelParity, Bfloat16StaysNear) {
  const Precision bf16{c10::ScalarType::BFloat16, c10::ScalarType::Float};
  const Base base = base_named("tiny.en", bf16);
  for (const std::string name : peft_cases) {
    const EmotionModel model = load_model(oracle_folder / "peft" / name, base);
    const double error = relative_error(logits_of(model, mels_), oracle_.read(name + ".logits"));
    show(name + " in bfloat16: relative error of logits", error);
    EXPECT_LE(error, 0.02) << name;
  }
}

TEST(PrecisionParity, Bfloat16FindsTheSameEmotions) {
  const Safetensors oracle(oracle_folder / "precision.safetensors");
  if (!oracle.contains("logits")) GTEST_SKIP() << "needs ../shared/corpora/emodb";
  const Tensor expected = oracle.read("logits");
  const auto mels = mels_of(numbered(oracle, "samples"));
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16}) {
    const EmotionModel model = with_head(base_named("tiny.en", {type, c10::ScalarType::Float}), oracle, "");
    std::vector<Tensor> parts;
    for (const Tensor& mel : mels) parts.push_back(logits_of(model, {mel}));
    const Tensor found = at::cat(parts);
    const double same = (found.argmax(1) == expected.argmax(1)).to(c10::ScalarType::Double).mean().item<double>();
    const std::string name = type == c10::ScalarType::Float ? "float32" : "bfloat16";
    show(name + ": clips of the same class", same);
    show(name + ": relative error of logits", relative_error(found, expected));
    EXPECT_GE(same, 0.98) << name;
    EXPECT_LE(relative_error(found, expected), type == c10::ScalarType::Float ? 1e-4 : 0.02) << name;
  }
}

}  // namespace
}  // namespace loralens
