// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include "analysis/gradients/words.h"
#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// The loss of one clip (or, with a cotangent, its product with the logits) as a function of the model's parameters.
Tensor loss_of(const Subject& subject, const TestFold::Seen& seen, const Tensor& x, int64_t label,
               const Tensor& cotangent = {}) {
  const Tensor out = logits_from(network_of(subject.model, subject.encoder), x, 0, seen.pass);
  if (cotangent.defined()) return (out * cotangent).sum();
  return at::cross_entropy_loss(out, at::tensor(std::vector<int64_t>{label}));
}

Tensor parameter(const Subject& subject, const std::string& name) {
  for (const Parameter& p : subject.model.adapted.parameters)
    if (p.name == name) return p.tensor;
  fail("no parameter {}", name);
}

// The runner's random cotangent of a clip.
Tensor cotangent_of(const TestFold& fold, const TestFold::Seen& seen) {
  Tensor direction = at::empty({1, 3}, c10::ScalarType::Double);
  Random random(hash_of(fold.setting.seed, hash_of("cotangent"), seen.pass.keys[0]));
  for (int64_t c = 0; c < 3; ++c) direction[0][c] = random.normal();
  direction = direction - direction.mean();  // sums to 0, as p - y does
  return direction / direction.norm();
}

RowKey key_of(int64_t layer, const std::string& module, const std::string& component, const std::string& metric,
              const std::string& variant = "") {
  return {.model = "adapted",
          .variant = variant,
          .layer = layer,
          .module = module,
          .component = component,
          .metric = metric};
}

constexpr std::pair<const char*, const char*> modules[] = {{"q_proj", "self_attn.q_proj"},
                                                           {"k_proj", "self_attn.k_proj"},
                                                           {"v_proj", "self_attn.v_proj"},
                                                           {"out_proj", "self_attn.out_proj"},
                                                           {"fc1", "fc1"},
                                                           {"fc2", "fc2"}};

TEST(GradientNorms, OfAAndBAreThoseOfTheParametersForOneClip) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.test = {13, 14};
  const Findings findings = fold.find(make_gradients(fold.setting));
  const Subject& adapted = fold.subjects.adapted;
  for (const auto& [module, path] : modules)
    for (const int64_t layer : {0, 2})
      for (const char* factor : {"A", "B"}) {
        double norm = 0, over_error = 0, random = 0;
        for (const int64_t clip : fold.subjects.test) {
          const auto seen = fold.see(adapted, clip);
          const Tensor weight =
              parameter(adapted, fmt::format("encoder.layers.{}.{}.lora_{}.weight", layer, path, factor));
          const auto gradient = torch::autograd::grad({loss_of(adapted, seen, seen.x, fold.label(clip))}, {weight})[0];
          Tensor error = at::softmax(seen.logits, 0).detach();
          error[fold.label(clip)] -= 1;
          norm += gradient.norm().item<double>() / 2;
          over_error += (gradient.norm() / error.norm()).item<double>() / 2;
          const Tensor product = loss_of(adapted, seen, seen.x, 0, cotangent_of(fold, seen));
          random += torch::autograd::grad({product}, {weight})[0].norm().item<double>() / 2;
        }
        EXPECT_NEAR(value_of(findings, key_of(layer, module, factor, "norm")), norm, 1e-10 * norm) << module;
        EXPECT_NEAR(value_of(findings, key_of(layer, module, factor, "norm_over_error")), over_error,
                    1e-10 * over_error);
        EXPECT_NEAR(value_of(findings, key_of(layer, module, factor, "norm", "random-cotangent")), random,
                    1e-10 * random);
      }
}

// Along its own direction the loss grows by the gradient's norm.
TEST(GradientNorms, AgreeWithFiniteDifferences) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.test = {14};
  const Findings findings = fold.find(make_gradients(fold.setting));
  const Subject& adapted = fold.subjects.adapted;
  const auto seen = fold.see(adapted, 14);
  for (const char* factor : {"A", "B"}) {
    const Tensor weight = parameter(adapted, fmt::format("encoder.layers.1.self_attn.v_proj.lora_{}.weight", factor));
    const auto loss = [&] { return loss_of(adapted, seen, seen.x, fold.label(14)); };
    const Tensor gradient = torch::autograd::grad({loss()}, {weight})[0];
    const Tensor step = gradient * (1e-4 / gradient.norm());
    const at::NoGradGuard no_grad;
    weight.detach().add_(step);
    const double above = loss().item<double>();
    weight.detach().sub_(2 * step);
    const double below = loss().item<double>();
    weight.detach().add_(step);
    const double slope = (above - below) / 2e-4;
    EXPECT_GT(slope, 0);
    EXPECT_NEAR(value_of(findings, key_of(1, "v_proj", factor, "norm")), slope, 1e-6 * slope) << factor;
  }
}

TEST(GradientNorms, OfTheResidualStreamAreOverSpeechFramesByTheLayerItLeaves) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.test = {13, 14};
  const Findings findings = fold.find(make_gradients(fold.setting));
  for (const Role role : {Role::adapted, Role::frozen}) {
    const Subject& subject = fold.subjects.of(role);
    for (int64_t layer = -1; layer < 3; ++layer) {
      double norm = 0, ratio = 0, scaled = 0;
      for (const int64_t clip : fold.subjects.test) {
        const auto seen = fold.see(subject, clip);
        const auto norm_at = [&](int64_t l) {  // of the gradient at the output of layer l
          const Tensor x = (l < 0 ? seen.x : seen.sites.at({SiteKind::residual_out, l})).detach().requires_grad_();
          const auto& adapters = subject.model.adapted.adapters;
          const Tensor h = run(subject.encoder, adapters, x, {l + 1, 3}, seen.pass);
          const Tensor out =
              logits(subject.model.head, mean_over_clips(loralens::finish(subject.encoder, h, seen.pass), seen.pass),
                     seen.pass);
          const Tensor loss = at::cross_entropy_loss(out, at::tensor(std::vector<int64_t>{fold.label(clip)}));
          return torch::autograd::grad({loss}, {x})[0].narrow(0, 0, seen.speech).norm().item<double>();
        };
        const Tensor stream = layer < 0 ? seen.x : seen.sites.at({SiteKind::residual_out, layer});
        norm += norm_at(layer) / 2;
        scaled += norm_at(layer) * stream.narrow(0, 0, seen.speech).norm().item<double>() / 2;
        ratio += std::log10(norm_at(2) / norm_at(-1)) / 2;
      }
      RowKey key = key_of(layer, "", "activations", "norm");
      key.model = name_of(role);
      EXPECT_NEAR(value_of(findings, key), norm, 1e-10 * norm) << layer;
      key.metric = "scaled_norm";
      EXPECT_NEAR(value_of(findings, key), scaled, 1e-10 * scaled) << layer;
      key.layer = {};
      key.metric = "log10_last_over_first";
      EXPECT_NEAR(value_of(findings, key), ratio, 1e-10);
    }
  }
  EXPECT_FALSE(findings.reading.empty());
  for (const Row& row : findings.rows) EXPECT_TRUE(row.key.model != "frozen" || row.key.component == "activations");
}

// The direction of the growth is named: a row of log10(last over first) below 0 is a gradient that grows on its way
// back.
TEST(GradientNorms, SayWhichWayTheyGrow) {
  Findings findings;
  Row row{.key = {.model = "adapted", .component = "activations", .metric = "log10_last_over_first"}};
  row.value = -1.447;
  row.low = -1.5;
  row.high = -1.4;
  findings.rows = {row};
  describe_gradients({}, findings);
  ASSERT_EQ(findings.reading.size(), 1u);
  EXPECT_NE(findings.reading[0].find("grows 28-fold on its way back"), std::string::npos) << findings.reading[0];
  findings.rows[0].high = 0.2;
  describe_gradients({}, findings);
  EXPECT_NE(findings.reading[0].find("cannot be told"), std::string::npos) << findings.reading[0];
  findings.rows[0].value = 1;
  findings.rows[0].low = 0.9;
  findings.rows[0].high = 1.1;
  describe_gradients({}, findings);
  EXPECT_NE(findings.reading[0].find("shrinks to 1/10"), std::string::npos) << findings.reading[0];
}

TEST(GradientNorms, BelongToTheStrictProtocol) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.setting.protocol = paper_protocol;
  const Findings findings = fold.find(make_gradients(fold.setting));
  EXPECT_TRUE(findings.rows.empty());
  EXPECT_EQ(findings.notes.size(), 1u);
}

}  // namespace
}  // namespace loralens
