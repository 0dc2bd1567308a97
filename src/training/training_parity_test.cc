// SPDX-License-Identifier: Apache-2.0
// Compares gradients and optimiser steps with torch's autograd and AdamW on transformers' and PEFT's modules.
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include "adapter/lora/lora.h"
#include "adapter/vera.h"
#include "classifier/forward.h"
#include "classifier/model.h"
#include "training/optimiser.h"
#include "whisper/test_parity.h"

namespace loralens {
namespace {

using at::Tensor;

AdapterOptions on_every_module(const std::string& method) {
  AdapterOptions options{.method = method};
  options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  return options;
}

class TrainingParity : public testing::Test {
 protected:
  // The model of a case of tests/oracle/training_parity.py, with its initial weights.
  EmotionModel model_of(const std::string& name, const AdapterOptions& options, const HeadOptions& head) const {
    const Base base = load_base(resolve_model("tiny.en"), "tiny.en", {}, c10::kCPU);
    const EmotionModel model = make_model(base, options, head, {"a", "b", "c", "d"}, 0);
    for (const Parameter& p : model.parameters()) p.tensor.detach().copy_(read(name, "start", p.name));
    size_t expected = 0;
    for (const auto& key : oracle_.names()) expected += key.starts_with(name + "/start/");
    EXPECT_EQ(model.parameters().size(), expected);
    return model;
  }

  Tensor read(const std::string& name, const std::string& kind, const std::string& path) const {
    return oracle_.read(fmt::format("{}/{}/{}", name, kind, path));
  }

  // The mean loss of all clips in one batch, and its gradients.
  double backward(const EmotionModel& model) const {
    const Encoder encoder = model.compute_encoder();
    const auto [x, pass] = stems(encoder, mels_);
    const Tensor loss = cross_entropy(logits_from(network_of(model, encoder), x, 0, pass), labels_, {});
    loss.backward();
    return loss.item<double>();
  }

  // One backward pass, then `steps` of the optimiser.
  void compare(const std::string& name, const EmotionModel& model) const {
    const Tensor losses = oracle_.read(name + "/loss");
    const int64_t steps = losses.numel();
    AdamW optimiser(model.parameters(),
                    {.learning_rate = 1e-3, .head_learning_rate = 1e-3, .weight_decay = 0.01, .clip_norm = 1});
    for (int64_t step = 0; step < steps; ++step) {
      const double loss = backward(model), expected = losses[step].item<double>();
      EXPECT_NEAR(loss, expected, 1e-4 * expected + 1e-6) << name << ", step " << step;
      if (step == 0) compare_gradients(name, model);
      optimiser.step(schedule_factor("linear", 0, step, steps));
    }
    compare_ends(name, model);
  }

  void compare_gradients(const std::string& name, const EmotionModel& model) const {
    double worst = 0;
    for (const Parameter& p : model.parameters()) {
      if (!p.trained) continue;
      ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
      const double error = relative_error(p.tensor.grad(), read(name, "gradient", p.name));
      worst = std::max(worst, error);
      EXPECT_LE(error, 1e-4) << name << ": " << p.name;
    }
    show(name + ", gradients: largest relative error", worst);
  }

  void compare_ends(const std::string& name, const EmotionModel& model) const {
    double worst = 0, moved = 0;
    for (const Parameter& p : model.parameters()) {
      if (!p.trained) continue;
      const Tensor start = read(name, "start", p.name), end = read(name, "end", p.name);
      const double error = relative_error(p.tensor, end);
      worst = std::max(worst, error);
      moved = std::max(moved, relative_error(p.tensor.detach() - start, end - start));
      EXPECT_LE(error, 1e-3) << name << ": " << p.name;
    }
    show(name + ", after the steps: largest relative error of a parameter", worst);
    show(name + ", after the steps: largest relative error of a change", moved);
  }

  const Safetensors oracle_{oracle_folder / "training.safetensors"};
  const std::vector<Tensor> mels_ = numbered(oracle_, "mel");
  const Tensor labels_ = oracle_.read("labels");
};

TEST_F(TrainingParity, LoraOnEveryLinearLayer) {
  AdapterOptions options = on_every_module("lora");
  options.own = LoraOptions{.rank = 8, .alpha = 4, .rslora = true};
  compare("lora", model_of("lora", options, {}));
}

TEST_F(TrainingParity, LoraWithAFrozen) {
  AdapterOptions options = on_every_module("lora");
  options.own = LoraOptions{.rank = 8, .alpha = 4, .rslora = true, .freeze = "A"};
  compare("lora-fa", model_of("lora-fa", options, {}));
}

TEST_F(TrainingParity, Dora) {
  AdapterOptions options = on_every_module("dora");
  options.own = LoraOptions{.rank = 8, .alpha = 4, .rank_pattern = {{"fc1", 3}}};
  compare("dora", model_of("dora", options, {}));
}

TEST_F(TrainingParity, Pissa) {
  AdapterOptions options = on_every_module("pissa");
  options.own = LoraOptions{.rank = 8, .alpha = 4};
  compare("pissa", model_of("pissa", options, {}));
}

TEST_F(TrainingParity, PissaStartsWherePeftsDoes) {
  AdapterOptions options = on_every_module("pissa");
  options.own = LoraOptions{.rank = 8, .alpha = 4};
  const Base base = load_base(resolve_model("tiny.en"), "tiny.en", {}, c10::kCPU);
  const EmotionModel model = make_model(base, options, {}, {"a", "b", "c", "d"}, 0);
  for (const auto& [place, adapter] : model.adapted.adapters.linear) {
    const auto factors = adapter->factors().value();
    const Tensor expected = at::matmul(read("pissa", "start", path_of(place) + ".lora_B.start"),
                                       read("pissa", "start", path_of(place) + ".lora_A.start"));
    EXPECT_LE(relative_error(at::matmul(factors.b, factors.a).detach(), expected), 1e-4) << path_of(place);
  }
}

TEST_F(TrainingParity, Vera) {
  AdapterOptions options = on_every_module("vera");
  options.layers = {1, 2, 3};
  options.own = VeraOptions{.rank = 64};
  compare("vera", model_of("vera", options, {}));
}

TEST_F(TrainingParity, Ia3) {
  AdapterOptions options{.method = "ia3"};
  options.targets = {"k_proj", "v_proj", "fc2"};
  compare("ia3", model_of("ia3", options, {}));
}

TEST_F(TrainingParity, BitFit) { compare("bitfit", model_of("bitfit", {.method = "bitfit"}, {})); }

TEST_F(TrainingParity, WeightedLayerSum) {
  compare("weighted", model_of("weighted", {}, {.weighted_layer_sum = true}));
}

TEST_F(TrainingParity, FullFineTuning) {
  AdapterOptions options;
  options.method = "full";
  compare("full", model_of("full", options, {}));
}

}  // namespace
}  // namespace loralens
