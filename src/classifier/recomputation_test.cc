// SPDX-License-Identifier: Apache-2.0
#include "whisper/recomputed_layer.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/test_folder.h"
#include "classifier/forward.h"
#include "classifier/test_model.h"
#include "compute/test_tensors.h"
#include "whisper/test_memory.h"

namespace loralens {
namespace {

using at::Tensor;

struct Passed {
  Tensor logits;
  std::vector<Tensor> gradients;  // of the trained parameters; undefined for one without a gradient
  int64_t kept = 0;  // bytes that the forward pass leaves allocated
};

// Doubles the gradient at the outputs of layers.
class DoubledGradients : public Observer {
 public:
  bool wants(const Site& site) const override { return site.kind == SiteKind::residual_out; }
  void see(const Pass&, const Site&, const Tensor& value, int64_t) override {
    value.register_hook([](const Tensor& gradient) { return gradient * 2; });
  }
};

Passed pass_and_gradients(const EmotionModel& model, int64_t first, bool recompute, const Taps* taps) {
  Pass pass{.lengths = {40, 25, 7}, .keys = {1, 2, 3}, .dropout = {.active = true, .seed = 4, .epoch = 1}};
  pass.recompute = recompute;
  pass.taps = taps;
  const auto parameters = model.parameters();
  for (const Parameter& p : parameters) p.tensor.mutable_grad() = Tensor();
  const Tensor x = random_tensor({72, 16}, 5).to(c10::ScalarType::Float);
  Passed result;
  const AllocatedBytes bytes;
  {
    const Encoder encoder = model.compute_encoder();
    result.logits = logits_from(network_of(model, encoder), x, first, pass);
  }
  result.kept = bytes.now();
  torch::autograd::backward({result.logits.square().sum()}, {});
  for (const Parameter& p : parameters) result.gradients.push_back(p.tensor.grad());
  result.logits = result.logits.detach();
  return result;
}

class Recomputation : public testing::TestWithParam<const char*> {};

TEST_P(Recomputation, HasTheSameValuesAndGradientsInLessMemory) {
  for (const Precision precision : {Precision{}, Precision{c10::ScalarType::BFloat16, c10::ScalarType::Float}}) {
    const Base base = tiny_base(precision);
    const EmotionModel model = make_model(base, tiny_adapter(GetParam(), 0.2), {8}, {"anger", "joy"}, 1);
    for (const auto& [place, adapter] : model.adapted.adapters.linear) adapter->randomise(2 + place.layer);
    DoubledGradients doubled;
    const Taps observed{.interventions = {}, .observers = {&doubled}};
    for (const Taps* taps : {static_cast<const Taps*>(nullptr), &observed}) {
      const Passed plain = pass_and_gradients(model, 0, false, taps), again = pass_and_gradients(model, 0, true, taps);
      EXPECT_EQ(difference(plain.logits, again.logits), 0);
      int64_t compared = 0;
      for (size_t i = 0; i < plain.gradients.size(); ++i) {
        EXPECT_EQ(plain.gradients[i].defined(), again.gradients[i].defined()) << i;
        if (!plain.gradients[i].defined()) continue;
        EXPECT_EQ(largest(plain.gradients[i] - again.gradients[i]), 0) << model.parameters()[i].name;
        compared += largest(plain.gradients[i]) > 0;
      }
      EXPECT_GT(compared, 4);
      EXPECT_LT(again.kept, plain.kept / 2);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, Recomputation,
                         testing::Values("lora", "dora", "pissa", "vera", "ia3", "houlsby", "bitfit", "full"));

}  // namespace
}  // namespace loralens
