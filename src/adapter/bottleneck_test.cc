// SPDX-License-Identifier: Apache-2.0
#include "adapter/bottleneck.h"

#include <ATen/ops/erf.h>
#include <ATen/ops/matmul.h>
#include <gmock/gmock.h>

#include "adapter/method.h"
#include "adapter/recorded_options.h"
#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::HasSubstr;

constexpr LayerRange all_layers{0, 3};

AdapterOptions bottleneck(const std::string& method, int64_t reduction = 4, std::vector<int64_t> layers = {}) {
  AdapterOptions options{.method = method};
  options.layers = std::move(layers);
  options.own = BottleneckOptions{reduction};
  return options;
}

Adapted attached(const AdapterOptions& options) {
  return method_named(options.method).attach(tiny_encoder(in_double), options, 42);
}

// Adapters with random values, so that they change the output.
Adapted trained(const AdapterOptions& options) {
  Adapted adapted = attached(options);
  for (const Parameter& p : adapted.parameters)
    p.tensor.detach().copy_(random_tensor(p.tensor.sizes().vec(), hash_of(p.name), 0.3));
  return adapted;
}

TEST(Bottleneck, StartsAsTheBaseModel) {
  const Tensor x = random_tensor({9, 16}, 1);
  const Tensor base = run(tiny_encoder(in_double), {}, x, all_layers, pass_of({9}));
  for (const auto& [method, places] : {std::pair{"houlsby", 2}, std::pair{"pfeiffer", 1}}) {
    const Adapted adapted = attached(bottleneck(method));
    EXPECT_EQ(adapted.adapters.sites().size(), 3u * static_cast<size_t>(places));
    EXPECT_EQ(adapted.parameters.size(), 12u * static_cast<size_t>(places));
    EXPECT_TRUE(same_bits(run(adapted.encoder, adapted.adapters, x, all_layers, pass_of({9})), base)) << method;
  }
}

TEST(Bottleneck, FollowsAttentionAndMlpWithTheNamesOfAdapterHub) {
  std::vector<std::string> names;
  const Adapted adapted = attached(bottleneck("houlsby", 4, {1}));
  for (const Parameter& p : adapted.parameters) names.push_back(p.name);
  const std::string layer = "encoder.layers.1.";
  EXPECT_THAT(names, testing::ElementsAre(layer + "attention_adapters.adapters.emotion.adapter_down.0.weight",
                                          layer + "attention_adapters.adapters.emotion.adapter_down.0.bias",
                                          layer + "attention_adapters.adapters.emotion.adapter_up.weight",
                                          layer + "attention_adapters.adapters.emotion.adapter_up.bias",
                                          layer + "output_adapters.adapters.emotion.adapter_down.0.weight",
                                          layer + "output_adapters.adapters.emotion.adapter_down.0.bias",
                                          layer + "output_adapters.adapters.emotion.adapter_up.weight",
                                          layer + "output_adapters.adapters.emotion.adapter_up.bias"));
  EXPECT_EQ(adapted.parameters[0].tensor.sizes(), (std::vector<int64_t>{4, 16}));
  EXPECT_EQ(adapted.adapters.lowest_layer(), 1);
  EXPECT_NE(adapted.adapters.at({SiteKind::attention_out, 1}), nullptr);
  EXPECT_NE(adapted.adapters.at({SiteKind::mlp_out, 1}), nullptr);
}

TEST(Bottleneck, ComputesItsFormula) {
  const Adapted adapted = trained(bottleneck("pfeiffer", 2, {0}));
  const auto& p = adapted.parameters;
  const Tensor x = random_tensor({7, 16}, 1);
  const Tensor hidden = at::matmul(x, p[0].tensor.t()) + p[1].tensor;
  const Tensor expected =
      x + at::matmul(hidden * 0.5 * (1 + at::erf(hidden / std::sqrt(2.0))), p[2].tensor.t()) + p[3].tensor;
  const Site site{SiteKind::mlp_out, 0};
  EXPECT_LT(difference(adapted.adapters.at(site)->forward(x, site, pass_of({7})), expected), 1e-14);
}

TEST(Bottleneck, ComputesInTheTypeOfItsInput) {
  const Encoder base = tiny_encoder();
  AdapterSet adapters = method_named("houlsby").attach(base, bottleneck("houlsby"), 42).adapters;
  for (const auto& [site, adapter] : adapters.sites()) adapter->randomise(static_cast<uint64_t>(site.kind));
  const Encoder half = convert(base, {c10::ScalarType::BFloat16, c10::ScalarType::Float}, c10::kCPU);
  const Tensor x = random_tensor({21, 16}, 1).to(c10::ScalarType::Float);
  EXPECT_LT(
      difference(run(half, adapters, x, all_layers, pass_of({21})), run(base, adapters, x, all_layers, pass_of({21}))),
      0.03);
}

TEST(Bottleneck, CannotBeMerged) {
  EXPECT_THAT(error_of([] { merge(trained(bottleneck("pfeiffer"))); }),
              HasSubstr("mlp_out of layer 0 cannot be merged"));
}

TEST(Bottleneck, NeedsADivisorOfTheWidth) {
  const auto error_with = [](int64_t reduction, std::vector<int64_t> layers = {}) {
    const AdapterOptions options = bottleneck("houlsby", reduction, std::move(layers));
    const std::string error = error_of([&] { method_named("houlsby").check(tiny_config(), options); });
    EXPECT_EQ(error, error_of([&] { attached(options); }));
    return error;
  };
  EXPECT_EQ(error_with(16), "");
  for (const int64_t reduction : {0, 3, 32, -4})
    EXPECT_THAT(error_with(reduction), HasSubstr("choose a divisor of the encoder's width 16")) << reduction;
  EXPECT_THAT(error_with(4, {3}), HasSubstr("there is no layer 3"));
}

TEST(RecordedOptions, AreReadBack) {
  const AdapterOptions options = bottleneck("houlsby", 8, {0, 2});
  const json recorded = recorded_options(options);
  EXPECT_EQ(recorded, json::parse(R"({"layers": [0, 2], "reduction": 8})"));
  AdapterOptions back{.method = "houlsby"};
  read_recorded_options(recorded, "config.json", back);
  EXPECT_EQ(back.layers, options.layers);
  EXPECT_EQ(back.own_as<BottleneckOptions>().reduction, 8);
  EXPECT_EQ(recorded_options({.method = "frozen"}), json::object());
}

TEST(RecordedOptions, AreCheckedWhenRead) {
  const auto error_with = [](const char* text) {
    AdapterOptions options{.method = "houlsby"};
    return error_of([&] { read_recorded_options(json::parse(text), "config.json", options); });
  };
  EXPECT_EQ(error_with("{}"), "");
  EXPECT_THAT(error_with(R"({"rank": 8})"),
              HasSubstr("config.json: \"adapter\": the method houlsby has no option \"rank\""));
  EXPECT_THAT(error_with(R"({"reduction": 0})"), HasSubstr("--reduction 0 is out of range: choose 1 to 4096"));
  EXPECT_THAT(error_with(R"({"reduction": [4]})"), HasSubstr("is no whole number"));
  EXPECT_THAT(error_with(R"({"layers": 2})"), HasSubstr("a list of whole numbers"));
  EXPECT_THAT(error_with(R"({"layers": [-1]})"), HasSubstr("expected a whole number, 0 to 255"));
  EXPECT_THAT(error_with("[1]"), HasSubstr("config.json: \"adapter\""));
}

}  // namespace
}  // namespace loralens
