// SPDX-License-Identifier: Apache-2.0
#include "classifier/operations.h"

#include <gtest/gtest.h>

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "adapter/lora/lora.h"
#include "adapter/method.h"
#include "whisper/test_site_adapter.h"

namespace loralens {
namespace {

// One layer, D 4, F 8, one clip of 3 positions and one of 5: ΣT 8, ΣT² 34.
WhisperConfig small_config(int64_t layers) {
  WhisperConfig config;
  config.mels = 2;
  config.width = 4;
  config.mlp_width = 8;
  config.layers = layers;
  return config;
}
const std::vector<int64_t> lengths = {3, 5};

Adapted with_lora(int64_t layers, std::initializer_list<Place> places) {
  Adapted adapted;
  adapted.encoder.config = small_config(layers);
  adapted.encoder.layers.resize(layers);
  for (const Place& place : places) {
    auto lora = std::make_shared<Lora>();
    const int64_t in = place.module == Module::fc2 ? 8 : 4, out = place.module == Module::fc1 ? 8 : 4;
    lora->a = at::zeros({2, in});
    lora->b = at::zeros({out, 2});
    adapted.adapters.linear[place] = lora;
  }
  return adapted;
}

// Counted by hand: four D×D and two D×F products are 2·(4·16 + 2·32) = 256 a position, 2,048 in all; the two products
// of attention are 4·4·34 = 544.
constexpr double linears = 2048, attention = 544;

double backward(const Adapted& adapted, LayerRange range, bool input_gradient) {
  return backward_operations(adapted.encoder, adapted.adapters, range, lengths, input_gradient);
}

TEST(Operations, Forward) {
  const Adapted frozen = with_lora(1, {}), lora = with_lora(1, {{0, Module::v_proj}});
  EXPECT_EQ(forward_operations(frozen.encoder.config, {}, {0, 1}, lengths), linears + attention);
  // A x and B (A x): 2·2·4 each, 8 positions
  EXPECT_EQ(forward_operations(lora.encoder.config, lora.adapters, {0, 1}, lengths), linears + attention + 8 * 32);
  EXPECT_EQ(stem_operations(frozen.encoder.config, 8), 8 * (2 * 3 * 2 * 4 * 2 + 2 * 3 * 4 * 4));
}

TEST(Operations, BackwardStopsAtTheFirstAdaptedProjection) {
  // v_proj of the only layer: the gradient passes through fc2, fc1 and out_proj (2·32·2 + 2·16 a position); attention
  // computes only dV (2·4·34); A, B and the gradient of A x take 2·2·(4 + 4 + 4) a position.
  EXPECT_EQ(backward(with_lora(1, {{0, Module::v_proj}}), {0, 1}, false), 8 * 160 + 272 + 8 * 48);
}

TEST(Operations, BackwardPassesThroughLayersAbove) {
  // Above the first adapted layer: every linear layer once, attention's four products, and the gradient of B A x to x.
  const double above = linears + 2 * attention + 8 * (48 + 16);
  const double first = 8 * 160 + 272 + 8 * 48;
  EXPECT_EQ(backward(with_lora(2, {{0, Module::v_proj}, {1, Module::v_proj}}), {0, 2}, false), first + above);
  EXPECT_EQ(backward(with_lora(1, {{0, Module::v_proj}}), {0, 1}, true), above);
}

TEST(Operations, ATrainedEncoderTakesTwiceTheForwardPass) {
  Adapted full = with_lora(1, {});
  full.encoder.conv1.weight = at::zeros({4, 2, 3}).requires_grad_();
  EXPECT_EQ(backward(full, {0, 1}, false), 2 * (linears + attention));
}

TEST(Operations, OfTrainedLayersAndBiases) {
  Adapted last = with_lora(2, {});
  last.encoder.layers[1].fc2.weight = at::zeros({4, 8}).requires_grad_();
  EXPECT_EQ(backward(last, {0, 2}, false), 8 * 64);  // the gradient of fc2's weight: 2·4·8 a position
  last.encoder.layers[1].mlp_norm.bias = at::zeros({4}).requires_grad_();
  EXPECT_EQ(backward(last, {0, 2}, false), 8 * (64 + 128));  // and those of the inputs of fc1 and fc2
  Adapted biases = with_lora(1, {});
  biases.encoder.conv1.bias = at::zeros({4}).requires_grad_();
  EXPECT_EQ(backward(biases, {0, 1}, false), linears + 2 * attention);
}

// A site adapter of width 4 has 4 operations a position forward, 8 for its parameters and 4 for its input.
TEST(Operations, OfAdaptersAtSites) {
  const auto with_sites = [](const std::vector<Site>& sites) {
    Adapted adapted = with_lora(2, {});
    for (const Site& site : sites) {
      auto adapter = std::make_shared<ScaledSite>();
      adapter->scale = at::ones({site.kind == SiteKind::mlp_hidden ? 8 : 4});
      adapted.adapters.add(site, adapter);
    }
    return adapted;
  };
  const auto backward_of = [&](const std::vector<Site>& sites) { return backward(with_sites(sites), {0, 2}, false); };
  const Adapted two = with_sites({{SiteKind::mlp_out, 0}, {SiteKind::value, 1}});
  EXPECT_EQ(forward_operations(two.encoder.config, two.adapters, {0, 2}, lengths), 2 * (linears + attention) + 8 * 8);
  EXPECT_EQ(forward_operations(two.encoder.config, two.adapters, {1, 2}, lengths), linears + attention + 8 * 4);
  // No parameter below the site needs a gradient: the backward pass covers the layers above and the site adapter.
  EXPECT_EQ(backward_of({{SiteKind::residual_out, 1}}), 8 * 8);
  EXPECT_EQ(backward_of({{SiteKind::mlp_out, 1}}), 8 * 8);
  EXPECT_EQ(backward_of({{SiteKind::mlp_hidden, 1}}), 8 * 16 + 8 * 64);  // fc2: 2·4·8
  EXPECT_EQ(backward_of({{SiteKind::mlp_in, 1}}), 8 * 8 + 8 * 128);  // fc1 and fc2
  EXPECT_EQ(backward_of({{SiteKind::value, 1}}), 8 * 8 + 272 + 8 * 160);  // dV; out_proj, fc1, fc2
  EXPECT_EQ(backward_of({{SiteKind::query, 1}}), 8 * 8 + 2 * 272 + 8 * 160);  // dP, dQ
  EXPECT_EQ(backward_of({{SiteKind::attention_in, 1}}), 8 * 8 + linears + 2 * attention);  // the whole layer
  EXPECT_EQ(backward_of({{SiteKind::mlp_out, 0}, {SiteKind::mlp_out, 1}}), 8 * (8 + 12) + linears + 2 * attention);
}

TEST(Operations, NothingBelowTheFirstAdapter) {
  const Adapted upper = with_lora(2, {{1, Module::fc2}});
  // The gradients of fc2's A, B and A x: 2·2·(4 + 4 + 8) a position
  EXPECT_EQ(backward(upper, {0, 2}, false), 8 * 64);
  EXPECT_EQ(backward(with_lora(2, {}), {0, 2}, false), 0);
}

}  // namespace
}  // namespace loralens
