// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/lora.h"

#include <ATen/ops/matmul.h>
#include <gmock/gmock.h>

#include "adapter/method.h"
#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::HasSubstr;

constexpr LayerRange all_layers{0, 3};

AdapterOptions everywhere(int64_t rank = 4) {
  AdapterOptions options;
  options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  options.own = LoraOptions{.rank = rank, .alpha = 6, .dropout = 0};
  return options;
}

LoraOptions& lora_of(AdapterOptions& options) { return own_to_change<LoraOptions>(options.own); }

// LoRA with a non-zero B, as after training.
Adapted trained_lora(const Encoder& encoder, const AdapterOptions& options) {
  Adapted adapted = method_named("lora").attach(encoder, options, 42);
  for (const Parameter& p : adapted.parameters)
    if (p.name.ends_with("lora_B.weight"))
      p.tensor.detach().copy_(random_tensor(p.tensor.sizes().vec(), hash_of(p.name), 0.2));
  return adapted;
}

const Lora& lora_at(const Adapted& adapted, int64_t layer, Module module) {
  return dynamic_cast<const Lora&>(*adapted.adapters.linear.at({layer, module}));
}

TEST(LoraStart, IsTheBaseModel) {
  const Encoder encoder = tiny_encoder(in_double);
  const Adapted adapted = method_named("lora").attach(encoder, everywhere(), 42);
  EXPECT_EQ(adapted.adapters.linear.size(), 18u);
  EXPECT_EQ(adapted.parameters.size(), 36u);
  EXPECT_FALSE(adapted.encoder_trained);
  const Tensor x = random_tensor({9, 16}, 1);
  EXPECT_TRUE(same_bits(run(encoder, adapted.adapters, x, all_layers, pass_of({9})),
                        run(encoder, {}, x, all_layers, pass_of({9}))));
  for (const Parameter& p : adapted.parameters) {
    EXPECT_TRUE(p.tensor.requires_grad() && p.tensor.is_leaf()) << p.name;
    EXPECT_EQ(p.tensor.scalar_type(), c10::ScalarType::Double);
    EXPECT_EQ(largest(p.tensor) == 0, p.name.ends_with("lora_B.weight")) << p.name;
  }
  EXPECT_EQ(adapted.parameters[0].name, "encoder.layers.0.self_attn.q_proj.lora_A.weight");
}

TEST(LoraStart, IsUniformWithinOneOverTheRootOfTheInputWidth) {
  const Adapted adapted = method_named("lora").attach(tiny_encoder(in_double), everywhere(4096), 42);
  for (const Module module : linear_modules) {
    const Tensor a = lora_at(adapted, 1, module).a.detach();
    const double in = module == Module::fc2 ? 32 : 16;
    EXPECT_EQ(a.sizes(), (std::vector<int64_t>{4096, static_cast<int64_t>(in)}));
    EXPECT_LE(largest(a), 1 / std::sqrt(in));
    EXPECT_GT(largest(a), 0.99 / std::sqrt(in));
    const auto n = static_cast<double>(a.numel());
    EXPECT_NEAR(a.mean().item<double>(), 0, 5 / std::sqrt(3 * in * n));
    EXPECT_NEAR(a.square().mean().item<double>() * 3 * in, 1, 5 * std::sqrt(0.8 / n));
  }
}

TEST(LoraStart, DependsOnSeedLayerAndModuleAlone) {
  const Encoder encoder = tiny_encoder(), other_weights = tiny_encoder(2);
  const Adapted all = method_named("lora").attach(encoder, everywhere(), 42);
  AdapterOptions few = everywhere();
  few.targets = {"v_proj"};
  few.layers = {2};
  lora_of(few).alpha = 1;
  EXPECT_TRUE(same_bits(lora_at(method_named("lora").attach(other_weights, few, 42), 2, Module::v_proj).a,
                        lora_at(all, 2, Module::v_proj).a));
  const Tensor a = lora_at(all, 2, Module::v_proj).a;
  EXPECT_FALSE(same_bits(lora_at(method_named("lora").attach(encoder, few, 43), 2, Module::v_proj).a, a));
  EXPECT_FALSE(same_bits(lora_at(all, 1, Module::v_proj).a, a));
  EXPECT_FALSE(same_bits(lora_at(all, 2, Module::q_proj).a, a));
}

TEST(Lora, MergedIsTheSameFunction) {
  const Encoder encoder = tiny_encoder(in_double);
  for (const bool rslora : {false, true}) {
    AdapterOptions options = everywhere();
    lora_of(options).rslora = rslora;
    lora_of(options).rank_pattern = {{"fc1", 2}};
    const Adapted adapted = trained_lora(encoder, options);
    const Encoder merged = merge(adapted);
    const Tensor x = random_tensor({21, 16}, 1);
    const Pass pass = pass_of({8, 13});
    const Tensor with = run(encoder, adapted.adapters, x, all_layers, pass);
    EXPECT_LT(difference(run(merged, {}, x, all_layers, pass), with), 1e-13);
    EXPECT_GT(difference(run(encoder, {}, x, all_layers, pass), with), 1e-3) << "the adapters must change the output";
  }
}

TEST(Lora, ComputesInTheTypeOfItsInput) {
  const Encoder base = tiny_encoder();
  const Adapted adapted = trained_lora(base, everywhere());
  const Encoder half = convert(base, {c10::ScalarType::BFloat16, c10::ScalarType::Float}, c10::kCPU);
  const Tensor x = random_tensor({21, 16}, 1).to(c10::ScalarType::Float);
  const Tensor exact = run(base, adapted.adapters, x, all_layers, pass_of({21}));
  EXPECT_LT(difference(run(half, adapted.adapters, x, all_layers, pass_of({21})), exact), 0.03);
}

// ---- Activation sites of the adapter

TEST(Lora, ItsSitesHoldADownAndAnUpProjection) {
  struct Recorder : Observer {
    bool wants(const Site& site) const override {
      return site.module != Module::none || site.kind == SiteKind::attention_in;
    }
    void see(const Pass&, const Site& site, const Tensor& value, int64_t) override { seen.push_back({site, value}); }
    std::vector<std::pair<Site, Tensor>> seen;
  } recorder;
  const Encoder encoder = tiny_encoder(in_double);
  const Adapted adapted = trained_lora(encoder, everywhere());
  const Tensor x = random_tensor({9, 16}, 1);
  Pass pass = pass_of({4, 5});
  const Tensor plain = run(encoder, adapted.adapters, x, all_layers, pass);
  const Taps taps{{}, {&recorder}};
  pass.taps = &taps;
  EXPECT_TRUE(same_bits(run(encoder, adapted.adapters, x, all_layers, pass), plain));

  ASSERT_EQ(recorder.seen.size(), 3u * (1 + 2 * 6));
  size_t i = 0;
  for (int64_t layer = 0; layer < 3; ++layer) {
    const Tensor in = recorder.seen[i].second;
    EXPECT_EQ(recorder.seen[i++].first, (Site{SiteKind::attention_in, layer}));
    for (const Module module : linear_modules) {
      const auto& [down_site, down] = recorder.seen[i++];
      const auto& [up_site, up] = recorder.seen[i++];
      EXPECT_EQ(down_site, (Site{SiteKind::adapter_down, layer, module}));
      EXPECT_EQ(up_site, (Site{SiteKind::adapter_up, layer, module}));
      EXPECT_EQ(down.sizes(), (std::vector<int64_t>{9, 4}));
      EXPECT_EQ(up.sizes(), (std::vector<int64_t>{9, module == Module::fc1 ? 32 : 16}));
      const Lora& lora = lora_at(adapted, layer, module);
      EXPECT_LT(difference(up, at::matmul(down, lora.b.t())), 1e-14) << "unscaled";
      if (module == Module::q_proj) {
        EXPECT_LT(difference(down, at::matmul(in, lora.a.t())), 1e-14);
      }
    }
  }
}

TEST(Lora, ZeroAtItsSiteEqualsNoAdapter) {
  struct Off : Intervention {
    bool wants(const Site& site) const override { return site.kind == kind && site.module == Module::v_proj; }
    Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override { return value * 0; }
    SiteKind kind = SiteKind::adapter_up;
  } off;
  const Encoder encoder = tiny_encoder(in_double);
  AdapterOptions options = everywhere();
  options.targets = {"v_proj"};
  const Adapted adapted = trained_lora(encoder, options);
  const Tensor x = random_tensor({9, 16}, 1);
  Pass pass = pass_of({9});
  const Tensor base = run(encoder, {}, x, all_layers, pass);
  const Taps taps{{&off}, {}};
  pass.taps = &taps;
  for (const SiteKind kind : {SiteKind::adapter_up, SiteKind::adapter_down}) {
    off.kind = kind;
    EXPECT_TRUE(same_bits(run(encoder, adapted.adapters, x, all_layers, pass), base)) << name_of(kind);
  }
}

// ---- Batches against single clips

TEST(Lora, GradientsOfABatchAreThoseOfItsClips) {
  for (const Precision precision : {in_float, in_double}) {
    const Encoder encoder = tiny_encoder(precision);
    AdapterOptions options = everywhere();
    lora_of(options).dropout = 0.2;
    const Adapted adapted = trained_lora(encoder, options);
    const std::vector<int64_t> lengths = {30, 4, 4, 17, 1};
    const Tensor x = random_tensor({56, 16}, 1).to(precision.sums),
                 direction = random_tensor({16}, 2).to(precision.sums);
    const auto add_gradients = [&](const Tensor& rows, const Pass& pass) {
      (run(encoder, adapted.adapters, rows, all_layers, pass) * direction).sum().backward();
    };
    Pass batch = pass_of(lengths);
    batch.dropout = {true, 42, 0};
    add_gradients(x, batch);
    std::vector<Tensor> together;
    for (const auto& one : adapted.parameters) {
      together.push_back(one.tensor.grad().clone());
      one.tensor.mutable_grad().reset();
    }
    int64_t row = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      Pass alone = pass_of({lengths[i]});
      alone.keys = {batch.keys[i]};
      alone.dropout = batch.dropout;
      add_gradients(x.narrow(0, row, lengths[i]), alone);
      row += lengths[i];
    }
    for (size_t i = 0; i < together.size(); ++i)
      EXPECT_LT(difference(adapted.parameters[i].tensor.grad(), together[i]),
                precision.sums == c10::ScalarType::Double ? 1e-12 : 1e-5)
          << adapted.parameters[i].name;
  }
}

// ---- Reading and writing PEFT's adapter_config.json

AdapterOptions through_json(const AdapterOptions& options) {
  const json config = method_named("lora").peft_config(options).value();
  return method_named("lora").from_peft(json::parse(config.dump()), "adapter_config.json").value();
}

TEST(PeftConfig, IsReadBack) {
  AdapterOptions options;
  options.targets = {"fc1", "encoder.layers.0.self_attn.q_proj"};
  options.excluded = {"2.fc1"};
  options.layers = {0, 2};
  const LoraOptions lora{.rank = 7,
                         .alpha = 2.5,
                         .rslora = true,
                         .dropout = 0.25,
                         .rank_pattern = {{"fc1", 3}},
                         .alpha_pattern = {{"q_proj", 1.5}}};
  options.own = lora;
  const AdapterOptions back = through_json(options);
  EXPECT_EQ(back.method, "lora");
  EXPECT_EQ(back.targets, options.targets);
  EXPECT_EQ(back.target_pattern, "");
  EXPECT_EQ(back.excluded, options.excluded);
  EXPECT_EQ(back.layers, options.layers);
  const auto& lora_back = back.own_as<LoraOptions>();
  EXPECT_EQ(lora_back.rank, lora.rank);
  EXPECT_EQ(lora_back.alpha, lora.alpha);
  EXPECT_EQ(lora_back.rslora, lora.rslora);
  EXPECT_EQ(lora_back.dropout, lora.dropout);
  EXPECT_EQ(lora_back.rank_pattern, lora.rank_pattern);
  EXPECT_EQ(lora_back.alpha_pattern, lora.alpha_pattern);
  AdapterOptions by_pattern;
  by_pattern.target_pattern = ".*fc1";
  EXPECT_EQ(through_json(by_pattern).target_pattern, ".*fc1");
}

TEST(PeftConfig, MayOmitOrAbbreviateSettings) {
  const auto read = [](json config) { return method_named("lora").from_peft(config, "adapter_config.json").value(); };
  const AdapterOptions least =
      read({{"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {"target_modules", {"v_proj"}}});
  EXPECT_EQ(least.own_as<LoraOptions>().dropout, 0);
  EXPECT_FALSE(least.own_as<LoraOptions>().rslora);
  const AdapterOptions all = read({{"peft_type", "LORA"},
                                   {"r", 4},
                                   {"lora_alpha", 8},
                                   {"target_modules", "all-linear"},
                                   {"layers_to_transform", 1},
                                   {"exclude_modules", {"fc1"}},
                                   {"rank_pattern", nullptr},
                                   {"init_lora_weights", "gaussian"}});
  EXPECT_EQ(all.targets.size(), 6u);
  EXPECT_EQ(all.layers, (std::vector<int64_t>{1}));
  EXPECT_EQ(target_modules(tiny_config(), all).size(), 5u);
}

TEST(PeftConfig, RefusesUnsupportedSettings) {
  const auto error_with = [](const std::string& key, json value) {
    json config = {{"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {"target_modules", {"v_proj"}}};
    if (value.is_null())
      config.erase(key);
    else
      config[key] = std::move(value);
    const TestFolder folder;
    const Path file = folder.write("adapter_config.json", config.dump());
    return error_of([&] { read_peft_config(file); });
  };
  EXPECT_EQ(error_with("r", 5), "");
  for (const char* key : {"fan_in_fan_out", "lora_bias", "use_qalora"}) {
    EXPECT_THAT(error_with(key, true), HasSubstr(fmt::format("adapter_config.json: {} is not supported", key)));
    EXPECT_EQ(error_with(key, false), "") << key;
  }
  for (const char* bias : {"none", "lora_only", "all"}) EXPECT_EQ(error_with("bias", bias), "");
  EXPECT_THAT(error_with("bias", "some"), HasSubstr("\"bias\" is \"some\": expected \"none\""));
  for (const char* key : {"target_parameters", "layer_replication", "alora_invocation_tokens"}) {
    EXPECT_THAT(error_with(key, json::array({1})), HasSubstr(fmt::format("{} is not supported", key)));
    EXPECT_EQ(error_with(key, json::array()), "") << key;
  }
  for (const char* key : {"use_bdlora", "arrow_config", "kasa_config", "monteclora_config", "velora_config"})
    EXPECT_THAT(error_with(key, {{"gamma", 0.001}}), HasSubstr(fmt::format("{} is not supported", key)));
  EXPECT_EQ(error_with("trainable_token_indices", {{"embed_tokens", {1, 2}}}), "") << "tokens are the decoder's";
  EXPECT_THAT(error_with("trainable_token_indices", {{"embed_positions", {1}}}), HasSubstr("embed_positions"));
  for (const char* start : {"pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"})
    EXPECT_THAT(error_with("init_lora_weights", start),
                HasSubstr(fmt::format("the initialisation \"{}\", which changes the base weights", start)));
  for (const json& start : {json("eva"), json("gaussian"), json("orthogonal"), json("mica"), json(true), json(false)})
    EXPECT_EQ(error_with("init_lora_weights", start), "") << start;
  for (const char* key :
       {"eva_config", "corda_config", "lora_ga_config", "loftq_config", "runtime_config", "megatron_config"})
    EXPECT_EQ(error_with(key, {{"rho", 2}}), "") << key;
  for (const json& number : {json(4.5), json(4.0), json("eight"), json::array(), json(true)})
    EXPECT_THAT(error_with("r", number),
                HasSubstr(fmt::format("the rank r is {}: expected a whole number", number.dump())));
  for (const json& number : {json(0), json(-1), json(4097), json(UINT64_MAX)})
    EXPECT_THAT(error_with("r", number), HasSubstr("expected a whole number, 1 to 4096")) << number;
  for (const json& number : {json(0), json(-1.0), json(1e300), json("8"), json(true)})
    EXPECT_THAT(error_with("lora_alpha", number), HasSubstr("expected a number, more than 0 and at most 1000000"))
        << number;
  for (const json& number : {json(1), json(-0.1), json("0")})
    EXPECT_THAT(error_with("lora_dropout", number), HasSubstr("expected a number, 0 or more and less than 1"))
        << number;
  EXPECT_THAT(error_with("rank_pattern", {{"fc1", 2.5}}),
              HasSubstr("\"rank_pattern\" of \"fc1\" is 2.5: expected a whole number"));
  EXPECT_THAT(error_with("rank_pattern", {{"fc1", 0}}), HasSubstr("\"rank_pattern\" of \"fc1\" is 0"));
  EXPECT_THAT(error_with("alpha_pattern", {{"fc1", "1"}}),
              HasSubstr("\"alpha_pattern\" of \"fc1\" is \"1\": expected a number"));
  EXPECT_THAT(error_with("layers_to_transform", json::array({1.5})), HasSubstr("\"layers_to_transform\" is 1.5"));
  EXPECT_THAT(error_with("layers_to_transform", -1), HasSubstr("\"layers_to_transform\" is -1"));
  EXPECT_THAT(error_with("rank_pattern", "fc1"),
              HasSubstr("\"rank_pattern\" is \"fc1\": expected an object of numbers"));
  EXPECT_THAT(error_with("r", nullptr), HasSubstr("\"r\" is missing"));
  EXPECT_THAT(error_with("bias", 1), HasSubstr("\"bias\" is 1: expected a text"));
  EXPECT_THAT(error_with("use_rslora", 1), HasSubstr("\"use_rslora\" is 1: expected true or false"));
  EXPECT_THAT(error_with("peft_type", 1), HasSubstr("adapters of the type 1 are not supported"));
  EXPECT_THAT(error_with("target_modules", json{1}), HasSubstr("\"target_modules\" is [1]: expected a list of texts"));
  EXPECT_EQ(error_with("exclude_modules", ".*fc1"), "");
  EXPECT_THAT(error_with("peft_type", "LOHA"), HasSubstr("adapters of the type \"LOHA\" are not supported"));
  EXPECT_THAT(error_with("peft_type", nullptr), HasSubstr("(missing peft_type)"));
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { read_peft_config(folder.write("a.json", "[1")); }), HasSubstr("a.json: no valid JSON"));
}

TEST(PeftConfig, LayersPatternMustNameTheEncodersLayers) {
  const auto error_with = [](json pattern, json layers) {
    const json config = {{"peft_type", "LORA"},
                         {"r", 4},
                         {"lora_alpha", 8},
                         {"target_modules", {"v_proj"}},
                         {"layers_pattern", std::move(pattern)},
                         {"layers_to_transform", std::move(layers)}};
    return error_of([&] { method_named("lora").from_peft(config, "adapter_config.json"); });
  };
  for (const json& layers : {json(0), json::array({0, 2})}) {
    for (const json& pattern : {json(nullptr), json::array(), json("layers"), json::array({"layers"}),
                                json("encoder.layers"), json::array({"layers", "h"})})
      EXPECT_EQ(error_with(pattern, layers), "") << pattern;
    EXPECT_THAT(error_with("h", layers), HasSubstr("layers_pattern \"h\" is not supported"));
    EXPECT_THAT(error_with(json::array({"blocks", "h"}), layers), HasSubstr("layers_pattern \"blocks\""));
  }
  EXPECT_EQ(error_with("h", nullptr), "") << "layers_pattern has no effect without layers_to_transform";
}

}  // namespace
}  // namespace loralens
