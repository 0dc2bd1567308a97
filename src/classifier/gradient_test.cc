// SPDX-License-Identifier: Apache-2.0
// Checks the gradients of all trainable parameters against central differences, in float64.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include <set>

#include "adapter/dropout.h"
#include "adapter/lora/dora.h"
#include "adapter/vera.h"
#include "classifier/test_model.h"
#include "whisper/test_site_adapter.h"

namespace loralens {
namespace {

using at::Tensor;

// Compares `entries` random elements of the gradient of loss() for each trained parameter with central differences of
// held(): the same loss, in which quantities that the backward pass treats as constants are fixed.
void expect_gradients(const std::vector<Parameter>& parameters, const std::function<Tensor()>& loss,
                      const std::function<Tensor()>& held, int entries) {
  loss().backward();
  const at::NoGradGuard no_grad;
  EXPECT_NEAR(held().item<double>(), loss().item<double>(), 1e-12);
  for (const Parameter& one : parameters) {
    if (!one.trained) continue;
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
      const double above = held().item<double>();
      values[place] = before - step;
      const double below = held().item<double>();
      values[place] = before;
      EXPECT_NEAR(gradient.const_data_ptr<double>()[place], (above - below) / (2 * step), 1e-6 * scale + 2e-10)
          << name << "[" << place << "]";
    }
  }
}

void expect_gradients(const std::vector<Parameter>& parameters, const std::function<Tensor()>& loss, int entries) {
  expect_gradients(parameters, loss, loss, entries);
}

// Three clips, of which the second has two segments; the first two segments have equal length.
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

TEST(Gradients, OfLoraWithAFrozenFactor) {
  for (const std::string factor : {"A", "B"}) {
    AdapterOptions options = tiny_adapter("lora");
    own_to_change<LoraOptions>(options.own).freeze = factor;
    const EmotionModel model = tiny_model(tiny_base(in_double), options);
    const Tensor x = random_tensor({23, 16}, 1);
    expect_gradients(model.parameters(), [&] { return loss_of(model, x, three_clips()); }, 3);
    for (const Parameter& p : model.adapted.parameters)
      EXPECT_EQ(p.tensor.grad().defined(), !p.name.ends_with(".lora_" + factor + ".weight")) << p.name;
  }
}

TEST(Gradients, OfPissaVeraAndIa3) {
  for (const std::string method : {"pissa", "vera", "ia3"})
    for (const double dropout : {0.0, 0.3}) {
      AdapterOptions options = tiny_adapter(method, dropout);
      if (method == "vera") options.own = VeraOptions{.rank = 8, .dropout = dropout};
      const EmotionModel model = tiny_model(tiny_base(in_double), options);
      const Tensor x = random_tensor({23, 16}, 1);
      Pass pass = three_clips();
      pass.dropout = {true, 42, 5};
      expect_gradients(model.parameters(), [&] { return loss_of(model, x, pass); }, 2);
    }
}

// DoRA's formula with constant norms of the rows.
struct HeldDora : Dora {
  explicit HeldDora(const Dora& dora, const Tensor& weight) : Dora(dora), held(norms(weight)) {}
  Tensor forward(const Linear& base, const Tensor& x, int64_t layer, Module module, const Pass& pass) const override {
    const Tensor in =
        pass.dropout.active && dropout > 0 ? with_dropout(pass, layer, module, dropout, x) / (1 - dropout) : x;
    const Tensor plain = at::matmul(x, base.weight.t()), ratio = magnitude / held;
    const Tensor y = plain + (ratio - 1) * at::matmul(in, base.weight.t()) +
                     ratio * scale * at::matmul(at::matmul(in, a.t()), b.t());
    return base.bias.defined() ? y + base.bias : y;
  }
  Tensor held;
};

TEST(Gradients, OfDoraWithItsNormsHeldFixed) {
  for (const double dropout : {0.0, 0.3}) {
    const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("dora", dropout));
    EmotionModel held = model;
    for (auto& [place, adapter] : held.adapted.adapters.linear)
      adapter = std::make_shared<HeldDora>(dynamic_cast<const Dora&>(*adapter),
                                           held.adapted.encoder.linear(place.layer, place.module).weight);
    const Tensor x = random_tensor({23, 16}, 1);
    Pass pass = three_clips();
    pass.dropout = {true, 42, 5};
    EXPECT_EQ(model.parameters().size(), 54u + 4);
    expect_gradients(
        model.parameters(), [&] { return loss_of(model, x, pass); }, [&] { return loss_of(held, x, pass); }, 3);
  }
}

TEST(Gradients, OfBottlenecks) {
  const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("houlsby"));
  const Tensor x = random_tensor({23, 16}, 1);
  expect_gradients(model.parameters(), [&] { return loss_of(model, x, three_clips()); }, 3);
}

TEST(Gradients, OfAdaptersAtSites) {
  EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("lora"));
  for (const SiteKind kind : adaptable_sites) {
    const Site site{kind, kind == SiteKind::mlp_out ? 2 : 1};
    const auto adapter = scaled_site(model.adapted.encoder, site);
    model.adapted.adapters.add(site, adapter);
    model.adapted.parameters.push_back(
        {std::string(name_of(kind)), adapter->scale, ParameterRole::adapter, site.layer});
  }
  const Tensor x = random_tensor({23, 16}, 1);
  expect_gradients(model.parameters(), [&] { return loss_of(model, x, three_clips()); }, 3);
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

TEST(Gradients, OfTheBiasesAndOfTheLastLayers) {
  AdapterOptions last = tiny_adapter("full");
  last.layers = {2};
  for (const AdapterOptions& options : {tiny_adapter("bitfit"), last}) {
    const Base base = tiny_base(in_double);
    const EmotionModel model = tiny_model(base, options);
    const Tensor mel = random_tensor({80, 46}, 1);
    const auto loss = [&] {
      const Encoder encoder = model.compute_encoder();
      return loss_of(model, stem(encoder, mel), three_clips());
    };
    expect_gradients(model.parameters(), loss, 3);
    visit_tensors(base.encoder, [](const std::string& name, const Tensor& tensor) {
      EXPECT_FALSE(tensor.requires_grad() || tensor.grad().defined()) << name;
    });
  }
}

TEST(Gradients, ReachOnlyTrainedParameters) {
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
