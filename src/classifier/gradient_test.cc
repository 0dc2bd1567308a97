// SPDX-License-Identifier: Apache-2.0
// Checks the gradients of all trainable parameters against central differences, in float64.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <set>

#include "classifier/test_model.h"

namespace loralens {
namespace {

using at::Tensor;

// Checks `entries` random entries of each parameter's gradient of loss().
void expect_gradients(const std::vector<Parameter>& parameters, const std::function<Tensor()>& loss, int entries) {
  loss().backward();
  const at::NoGradGuard no_grad;
  for (const Parameter& one : parameters) {
    const std::string& name = one.name;
    const Tensor& parameter = one.tensor;
    ASSERT_TRUE(parameter.grad().defined()) << name;
    const Tensor gradient = parameter.grad().contiguous();
    const double scale = largest(gradient);
    EXPECT_GT(scale, 0) << name;
    double* values = parameter.detach().mutable_data_ptr<double>();
    Random random(hash_of(name));
    for (int i = 0; i < entries; ++i) {
      const auto place = static_cast<int64_t>(random.below(static_cast<uint64_t>(parameter.numel())));
      constexpr double step = 1e-5;
      const double before = values[place];
      values[place] = before + step;
      const double above = loss().item<double>();
      values[place] = before - step;
      const double below = loss().item<double>();
      values[place] = before;
      EXPECT_NEAR(gradient.const_data_ptr<double>()[place], (above - below) / (2 * step), 1e-6 * scale + 2e-10)
          << name << "[" << place << "]";
    }
  }
}

// Three clips, the second of two segments, one pair of neighbours of equal length.
Pass three_clips() {
  Pass pass = pass_of({6, 6, 2, 9});
  pass.segments = {1, 2, 1};
  return pass;
}

Tensor loss_of(const EmotionModel& model, const Tensor& x, const Pass& pass) {
  return cross_entropy(logits_of(model, x, pass), at::tensor(std::vector<int64_t>{2, 0, 1}), {{0.5, 1.0, 2.0}, 0.1});
}

TEST(Gradients, OfLoraOnEveryModuleAndOfTheHead) {
  for (const bool weighted : {false, true}) {
    const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("lora"), weighted);
    const Tensor x = random_tensor({23, 16}, 1);
    EXPECT_EQ(model.parameters().size(), 36u + (weighted ? 5 : 4));
    expect_gradients(model.parameters(), [&] { return loss_of(model, x, three_clips()); }, 4);
  }
}

TEST(Gradients, OfLoraUnderDropout) {
  const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("lora", 0.3));
  const Tensor x = random_tensor({23, 16}, 1);
  Pass pass = three_clips();
  pass.dropout = {true, 42, 5};
  expect_gradients(model.parameters(), [&] { return loss_of(model, x, pass); }, 2);
}

TEST(Gradients, OfTheWholeEncoderFromTheStemOn) {
  const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("full"));
  const Tensor mel = random_tensor({80, 46}, 1);
  const auto loss = [&] {
    const Encoder encoder = model.compute_encoder();
    const Tensor x = stem(encoder, mel);
    return cross_entropy(
        logits(model.head, head_states(network_of(model, encoder), x, 0, three_clips()), three_clips()),
        at::tensor(std::vector<int64_t>{2, 0, 1}), {});
  };
  expect_gradients(model.parameters(), loss, 3);
}

TEST(Gradients, ReachOnlyWhatIsTrained) {
  const Base base = tiny_base(in_double);
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  const Tensor x = random_tensor({23, 16}, 1).requires_grad_();
  loss_of(model, x, three_clips()).backward();
  EXPECT_TRUE(x.grad().defined());
  visit_tensors(base.encoder, [](const std::string& name, const Tensor& tensor) {
    EXPECT_FALSE(tensor.requires_grad()) << name;
    EXPECT_FALSE(tensor.grad().defined()) << name;
  });
}

TEST(Gradients, InFloat32AreCloseToThoseInFloat64) {
  const Tensor x = random_tensor({23, 16}, 1);
  std::vector<EmotionModel> models;
  for (const Precision precision : {in_float, in_double}) {
    models.push_back(tiny_model(tiny_base(precision), tiny_adapter("lora")));
    loss_of(models.back(), x.to(precision.sums), three_clips()).backward();
  }
  const auto single = models[0].parameters(), exact = models[1].parameters();
  for (size_t i = 0; i < exact.size(); ++i)
    EXPECT_LT(difference(single[i].tensor.grad(), exact[i].tensor.grad()), 2e-5) << exact[i].name;
}

}  // namespace
}  // namespace loralens
