// SPDX-License-Identifier: Apache-2.0
#include "classifier/head.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "classifier/test_model.h"
#include "whisper/test_site_adapter.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;
using Shape = std::vector<int64_t>;

TEST(Head, StartsAsTransformersDoes) {
  const Encoder encoder = tiny_encoder(in_double);
  const Head head = make_head(encoder, 5, {.projection = 512, .weighted_layer_sum = true}, 42);
  EXPECT_EQ(head.projector.weight.sizes(), (Shape{512, 16}));
  EXPECT_EQ(head.classifier.weight.sizes(), (Shape{5, 512}));
  const Tensor weights = head.projector.weight.detach();
  EXPECT_NEAR(weights.square().mean().item<double>() / 0.0004, 1, 5 * std::sqrt(2.0 / 8192));
  EXPECT_NEAR(weights.mean().item<double>(), 0, 5 * 0.02 / std::sqrt(8192));
  EXPECT_EQ(largest(head.projector.bias.detach()), 0);
  EXPECT_EQ(largest(head.classifier.bias.detach()), 0);
  EXPECT_TRUE(same_bits(head.layer_weights, at::full({4}, 0.25, weights.options())));
  EXPECT_EQ(parameters_of(head).size(), 5u);
  for (const Parameter& p : parameters_of(head)) EXPECT_TRUE(p.tensor.requires_grad() && p.tensor.is_leaf()) << p.name;
  EXPECT_EQ(parameters_of(make_head(encoder, 5, {}, 42)).size(), 4u);
  EXPECT_TRUE(same_bits(make_head(encoder, 5, {512, false}, 42).projector.weight, weights));
  EXPECT_FALSE(same_bits(make_head(encoder, 5, {512, false}, 43).projector.weight, weights));
  EXPECT_THAT(error_of([&] { make_head(encoder, 5, {.projection = 0}, 42); }), HasSubstr("a width of 0"));
}

TEST(Head, MeansAreOverAllSegmentsOfAClip) {
  const Tensor x = at::arange(7).to(c10::ScalarType::Double).view({7, 1}).expand({7, 2}).contiguous();
  Pass pass = pass_of({2, 1, 4});
  EXPECT_TRUE(at::equal(mean_over_clips(x, pass).select(1, 0), at::tensor(std::vector<double>{0.5, 2, 4.5})));
  pass.segments = {1, 2};  // the second clip is long: (2 + 3 + 4 + 5 + 6) / 5, not the mean of two means
  EXPECT_TRUE(at::equal(mean_over_clips(x, pass).select(1, 0), at::tensor(std::vector<double>{0.5, 4})));
}

TEST(Head, ALongClipHasItsWindowsPooledTogether) {
  const Base base = tiny_base(in_double);
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  const Tensor x = random_tensor({40, 16}, 1);
  Pass pass = pass_of({20, 5, 15});
  pass.segments = {2, 1};
  const Tensor both = head_states(network_of(model, base.encoder), x, 0, pass);
  const Tensor apart = head_states(network_of(model, base.encoder), x, 0, pass_of({20, 5, 15}));
  EXPECT_LT(difference(both[0], (apart[0] * 20 + apart[1] * 5) / 25), 1e-13);
  EXPECT_LT(difference(both[1], apart[2]), 1e-13);
}

TEST(Head, GivesTheSameIfProjectedBeforeOrAfterTheMean) {
  const Base base = tiny_base(in_double);
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  const Pass pass = pass_of({9, 14});
  const Tensor x = random_tensor({23, 16}, 1);
  const Tensor states = finish(base.encoder, run(base.encoder, model.adapted.adapters, x, {0, 3}, pass), pass);
  const Head& head = model.head;
  const Tensor projected = states.matmul(head.projector.weight.t()) + head.projector.bias;
  const Tensor expected = mean_over_clips(projected, pass).matmul(head.classifier.weight.t()) + head.classifier.bias;
  EXPECT_LT(difference(logits_of(model, x, pass), expected), 1e-13);
}

TEST(Head, AWeightedSumReadsTheEmbeddingAndEveryLayer) {
  const Base base = tiny_base(in_double);
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"), true);
  const Pass pass = pass_of({9, 14});
  const Tensor x = random_tensor({23, 16}, 1);
  std::vector<Tensor> hidden = {x};  // transformers' hidden_states
  for (int64_t l = 1; l < 3; ++l) hidden.push_back(run(base.encoder, model.adapted.adapters, x, {0, l}, pass));
  hidden.push_back(finish(base.encoder, run(base.encoder, model.adapted.adapters, x, {0, 3}, pass), pass));
  const Tensor states = head_states(network_of(model, base.encoder), x, 0, pass);
  EXPECT_EQ(states.sizes(), (Shape{2, 4, 16}));
  for (int64_t l = 0; l < 4; ++l)
    EXPECT_LT(difference(states.select(1, l), mean_over_clips(hidden[l], pass)), 1e-13) << l;
  Tensor sum, total;
  for (int64_t l = 0; l < 4; ++l) {
    const Tensor weight = model.head.layer_weights[l].exp();
    const Tensor part = hidden[l] * weight;
    sum = l ? sum + part : part;
    total = l ? total + weight : weight;
  }
  const Head& head = model.head;
  const Tensor projected = mean_over_clips(sum / total, pass).matmul(head.projector.weight.t()) + head.projector.bias;
  EXPECT_LT(difference(logits_of(model, x, pass), projected.matmul(head.classifier.weight.t()) + head.classifier.bias),
            1e-13);
  EXPECT_THAT(error_of([&] { head_states(network_of(model, base.encoder), x, 1, pass); }),
              HasSubstr("starts at layer 0"));
}

TEST(Head, ItsSitesCanBeObservedAndReplaced) {
  struct Everywhere : Observer, Intervention {
    bool wants(const Site&) const override { return true; }
    void see(const Pass&, const Site& site, const Tensor& value, int64_t) override {
      seen.push_back({site, value.sizes().vec()});
    }
    Tensor replace(const Pass&, const Site& site, const Tensor& value, int64_t) override {
      return site.kind == kind ? value * 0 : value;
    }
    SiteKind kind = SiteKind::logits;
    std::vector<std::pair<Site, Shape>> seen;
  } all;
  const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("frozen"));
  Pass pass = pass_of({9, 14});
  const Tensor states = random_tensor({2, 16}, 1), plain = logits(model.head, states, pass);
  const Taps watching{{}, {&all}}, changing{{&all}, {}};
  pass.taps = &watching;
  EXPECT_TRUE(same_bits(logits(model.head, states, pass), plain));
  EXPECT_THAT(all.seen, testing::ElementsAre(testing::Pair(Site{SiteKind::pooled}, Shape{2, 16}),
                                             testing::Pair(Site{SiteKind::projected}, Shape{2, 8}),
                                             testing::Pair(Site{SiteKind::logits}, Shape{2, 3})));
  pass.taps = &changing;
  EXPECT_EQ(largest(logits(model.head, states, pass).detach()), 0);
  all.kind = SiteKind::projected;
  EXPECT_LT(difference(logits(model.head, states, pass), model.head.classifier.bias.expand({2, 3})), 1e-15);
  all.kind = SiteKind::pooled;
  const Tensor without = logits(model.head, random_tensor({2, 16}, 9), pass);
  EXPECT_TRUE(same_bits(without[0], without[1]));
}

TEST(Head, PassesCanStartAtTheFirstAdaptedLayer) {
  const Base base = tiny_base();
  AdapterOptions upper = tiny_adapter("lora");
  upper.layers = {1, 2};
  EXPECT_EQ(tiny_model(base, tiny_adapter("lora")).first_adapted_layer(), 0);
  EXPECT_EQ(tiny_model(base, upper).first_adapted_layer(), 1);
  EXPECT_EQ(tiny_model(base, upper, true).first_adapted_layer(), 0);
  EXPECT_EQ(tiny_model(base, tiny_adapter("frozen")).first_adapted_layer(), 3);
  EXPECT_EQ(tiny_model(base, tiny_adapter("frozen"), true).first_adapted_layer(), 0);
  EXPECT_EQ(tiny_model(base, tiny_adapter("full")).first_adapted_layer(), -1);
  EmotionModel with_site = tiny_model(base, tiny_adapter("frozen"));
  with_site.adapted.adapters.add({SiteKind::mlp_out, 1}, scaled_site(base.encoder, {SiteKind::mlp_out, 1}));
  EXPECT_EQ(with_site.first_adapted_layer(), 1);
  // A pass that starts at layer 1, from that layer's cached input, gives the same result.
  const EmotionModel model = tiny_model(base, upper);
  const Tensor x = random_tensor({12, 16}, 1).to(c10::ScalarType::Float);
  const Pass pass = pass_of({12});
  EXPECT_TRUE(same_bits(head_states(network_of(model, base.encoder), run(base.encoder, {}, x, {0, 1}, pass), 1, pass),
                        head_states(network_of(model, base.encoder), x, 0, pass)));
}

// ---- The loss

double by_hand(const Tensor& logits, const std::vector<int64_t>& labels, const std::vector<double>& weights,
               double smoothing) {
  const int64_t classes = logits.size(1);
  double sum = 0, total = 0;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    double normaliser = 0;
    for (int64_t c = 0; c < classes; ++c) normaliser += std::exp(logits[i][c].item<double>());
    for (int64_t c = 0; c < classes; ++c) {
      const double target = smoothing / static_cast<double>(classes) + (c == labels[i] ? 1 - smoothing : 0);
      sum -= weights[c] * target * (logits[i][c].item<double>() - std::log(normaliser));
    }
    total += weights[labels[i]];
  }
  return sum / total;
}

TEST(Loss, MatchesTheNaiveCrossEntropy) {
  const Tensor x = random_tensor({7, 3}, 1, 2);
  const std::vector<int64_t> labels = {0, 2, 1, 1, 2, 0, 2};
  for (const std::vector<double>& weights : {std::vector<double>{}, {1.0, 1.0, 1.0}, {0.5, 2.0, 1.25}, {0.0, 1.0, 3.0}})
    for (const double smoothing : {0.0, 0.1, 0.7}) {
      const Tensor loss = cross_entropy(x, at::tensor(labels), {weights, smoothing});
      const auto hand = by_hand(x, labels, weights.empty() ? std::vector<double>{1, 1, 1} : weights, smoothing);
      EXPECT_NEAR(loss.item<double>(), hand, 1e-13);
      EXPECT_NEAR(cross_entropy(x.to(c10::ScalarType::Float), at::tensor(labels), {weights, smoothing}).item<double>(),
                  hand, 1e-6);
    }
  EXPECT_NEAR(cross_entropy(x * 0, at::tensor(labels), {}).item<double>(), std::log(3.0), 1e-14);
}

TEST(Loss, TakesDistributionsOverTheClasses) {
  const Tensor x = random_tensor({7, 3}, 1, 2);
  const Tensor labels = at::tensor(std::vector<int64_t>{0, 2, 1, 1, 2, 0, 2});
  const Tensor certain = at::one_hot(labels, 3).to(x.scalar_type()), mixed = random_tensor({7, 3}, 2).softmax(1);
  const Tensor nll = -at::log_softmax(x, 1);
  for (const std::vector<double>& weights : {std::vector<double>{}, {0.5, 2.0, 1.25}, {0.0, 1.0, 3.0}})
    for (const double smoothing : {0.0, 0.1}) {
      const LossOptions options{weights, smoothing};
      EXPECT_NEAR(cross_entropy(x, certain, options).item<double>(), cross_entropy(x, labels, options).item<double>(),
                  1e-13);
      double sum = 0, total = 0;
      for (int64_t i = 0; i < 7; ++i)
        for (int64_t c = 0; c < 3; ++c) {
          const double weight = weights.empty() ? 1 : weights[c], target = mixed[i][c].item<double>();
          sum += weight * ((1 - smoothing) * target + smoothing / 3) * nll[i][c].item<double>();
          total += weight * target;
        }
      EXPECT_NEAR(cross_entropy(x, mixed, options).item<double>(), sum / total, 1e-13);
    }
}

}  // namespace
}  // namespace loralens
