// SPDX-License-Identifier: Apache-2.0
// continued_model(): models that start from an existing adapter.
#include "base/test_folder.h"
#include "classifier/test_model.h"

namespace loralens {
namespace {

using at::Tensor;

class Continued : public testing::TestWithParam<std::string> {
 protected:
  EmotionModel of_the_file(bool head = true) const {
    return load_model(folder_.path(), base_,
                      {.classes = {}, .input = {}, .head = head ? HeadUse::needed : HeadUse::none});
  }
  static Tensor output(const EmotionModel& model) {
    const Tensor x = random_tensor({21, 16}, 1).to(c10::ScalarType::Float);
    return logits_of(model, x, pass_of({21})).detach();
  }
  // The residual stream after the last layer, 21×16.
  static Tensor state(const EmotionModel& model) {
    const Tensor x = random_tensor({21, 16}, 1).to(c10::ScalarType::Float);
    const int64_t layers = model.adapted.encoder.config.layers;
    return run(model.compute_encoder(), model.adapted.adapters, x, {0, layers}, pass_of({21})).detach();
  }

  TestFolder folder_;
  Base base_ = tiny_base();
  std::vector<std::string> classes_ = {"anger", "joy", "sadness"};
};

TEST_P(Continued, StartsWithTheOutputOfItsAdapter) {
  const EmotionModel trained = tiny_model(base_, tiny_adapter(GetParam()));
  save_model(folder_.path(), trained);
  const EmotionModel start = of_the_file();
  const EmotionModel model = continued_model(base_, start, start.options, {}, classes_, 7);
  EXPECT_LE((output(model) - output(trained)).abs().max().item<double>(), 1e-6);
  for (const Parameter& p : model.parameters())
    if (p.trained) p.tensor.detach().add_(1);  // training must not change `start`
  expect_same_parameters(start, of_the_file());
  EXPECT_GT((output(model) - output(start)).abs().max().item<double>(), 1e-3);
}

TEST_P(Continued, MayHaveAnotherHead) {
  const EmotionModel trained = tiny_model(base_, tiny_adapter(GetParam()));
  save_model(folder_.path(), trained);
  const EmotionModel start = of_the_file(false);
  EXPECT_FALSE(start.head.projector.weight.defined());
  const EmotionModel model = continued_model(base_, start, start.options, {.projection = 5}, {"a", "b"}, 7);
  EXPECT_EQ(model.head.projector.weight.size(0), 5);
  EXPECT_EQ(model.head.classifier.weight.size(0), 2);
  EXPECT_LE((state(model) - state(trained)).abs().max().item<double>(), 1e-6);
  const EmotionModel other = continued_model(base_, start, start.options, {.projection = 5}, {"a", "b"}, 8);
  EXPECT_FALSE(same_bits(model.head.classifier.weight, other.head.classifier.weight)) << "the new head's seed";
  EXPECT_TRUE(same_bits(state(model), state(other)));
}

INSTANTIATE_TEST_SUITE_P(Methods, Continued,
                         testing::Values("lora", "pissa", "dora", "vera", "ia3", "houlsby", "pfeiffer", "bitfit",
                                         "full", "frozen"),
                         [](const auto& info) { return info.param; });

TEST(ContinuedModel, KeepsAWeightedLayerSum) {
  const TestFolder folder;
  const Base base = tiny_base();
  save_model(folder.path(), tiny_model(base, tiny_adapter("lora"), true));
  const EmotionModel start = load_model(folder.path(), base);
  expect_same_parameters(continued_model(base, start, start.options, {}, start.classes, 7), start);
}

TEST(ContinuedModel, MayFreezeAFactorOfItsAdapter) {
  const TestFolder folder;
  const Base base = tiny_base();
  save_model(folder.path(), tiny_model(base, tiny_adapter("lora")));
  const EmotionModel start = load_model(folder.path(), base);
  for (const auto& [factor, role] : {std::pair{"A", ParameterRole::factor_a}, {"B", ParameterRole::factor_b}}) {
    AdapterOptions options = start.options;
    own_to_change<LoraOptions>(options.own).freeze = factor;
    const EmotionModel model = continued_model(base, start, options, {}, start.classes, 7);
    expect_same_parameters(model, start);
    for (const Parameter& p : model.adapted.parameters) EXPECT_EQ(p.trained, p.role != role) << p.name;
  }
}

TEST(ContinuedModel, NeedsAnAdapterOfTheSameModules) {
  const Base base = tiny_base();
  const EmotionModel start = tiny_model(base, tiny_adapter("lora"));
  AdapterOptions wider = start.options;
  own_to_change<LoraOptions>(wider.own).rank = 5;
  EXPECT_NE(error_of([&] { continued_model(base, start, wider, {}, start.classes, 7); }).find("of the shape [5, 16]"),
            std::string::npos);
}

TEST(SavedModels, SayTheirOptionsAndClasses) {
  const TestFolder folder;
  save_model(folder.path(), tiny_model(tiny_base(), tiny_adapter("dora")));
  const SavedModel saved = saved_model(folder.path());
  EXPECT_EQ(saved.options.method, "dora");
  EXPECT_EQ(saved.options.own_as<LoraOptions>().rank, 4);
  EXPECT_EQ(saved.classes, (std::vector<std::string>{"anger", "joy", "sadness"}));
  EXPECT_FALSE(saved.bare);
  std::filesystem::remove(folder.path() / "config.json");
  EXPECT_TRUE(saved_model(folder.path()).bare);
  EXPECT_TRUE(saved_model(folder.path()).classes.empty());
}

}  // namespace
}  // namespace loralens
