// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/pissa.h"

#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <gmock/gmock.h>

#include "adapter/lora/test_low_rank.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::HasSubstr;

AdapterOptions pissa(LoraOptions own = {.rank = 4, .alpha = 6, .dropout = 0}) {
  return on_every_module("pissa", std::move(own));
}

TEST(Pissa, StartsAtTheLargestSingularVectorsOfTheWeights) {
  expect_base_at_start(pissa());
  const Adapted fresh = method_named("pissa").attach(tiny_encoder(in_double), pissa(), 42);
  EXPECT_EQ(fresh.parameters.size(), 72u);  // A, B, A₀ and B₀
  for (const auto& [place, adapter] : fresh.adapters.linear) {
    const auto& one = dynamic_cast<const Pissa&>(*adapter);
    const Tensor& weight = fresh.encoder.linear(place.layer, place.module).weight;
    const auto [u, s, vt] = at::linalg_svd(weight, false);
    const Tensor best = at::matmul(u.narrow(1, 0, 4) * s.narrow(0, 0, 4), vt.narrow(0, 0, 4));  // of rank 4
    EXPECT_LT(difference(at::matmul(one.b, one.a).detach() * one.scale, best), 1e-12) << path_of(place);
    EXPECT_LT(difference(at::matmul(one.a, one.a.t()).detach(), at::matmul(one.b.t(), one.b).detach()), 1e-12)
        << "A and B each have the factor √S";
  }
}

TEST(Pissa, IsMerged) { expect_merged(pissa({.rank = 3, .alpha = 6, .rslora = true, .dropout = 0})); }

TEST(Pissa, ComputesInBf16) { expect_near_in_bf16(pissa()); }

TEST(Pissa, ASmallChangeOfAHasAnEffectInBf16) {
  const Precision bf16{c10::ScalarType::BFloat16, c10::ScalarType::Float};
  const Encoder half = tiny_encoder(bf16), single = convert(half, in_float, c10::kCPU);
  const auto change = [&](const Encoder& encoder) {
    const Adapted adapted = method_named("pissa").attach(encoder, pissa(), 42);
    const Linear& base = encoder.layers[0].q;
    const auto& adapter = *adapted.adapters.linear.at({0, Module::q_proj});
    dynamic_cast<const Pissa&>(adapter).a.detach().mul_(1.001);
    Linear nothing{base.weight * 0, {}};
    const Tensor x = random_tensor({9, 16}, 1).to(c10::ScalarType::BFloat16).to(base.weight.scalar_type());
    return adapter.forward(nothing, x, 0, Module::q_proj, pass_of({9})).detach().to(c10::ScalarType::Double);
  };
  EXPECT_LT(difference(change(half), change(single)), 0.01);
}

TEST(Pissa, ItsFileIsPlainLoraOfTwiceTheRank) {
  const Encoder encoder = tiny_encoder(in_double);
  const AdapterOptions options = pissa({.rank = 4, .alpha = 6, .dropout = 0, .rank_pattern = {{"fc1", 2}}});
  const Adapted adapted = trained_adapters(encoder, options);
  const Method& lora = method_named("lora");
  const AdapterOptions as_lora =
      lora.from_peft(method_named("pissa").peft_config(options).value(), "adapter_config.json").value();
  EXPECT_EQ(as_lora.own_as<LoraOptions>().rank, 8);
  EXPECT_EQ(as_lora.own_as<LoraOptions>().alpha, 12);
  const Adapted plain = lora.attach_to_load(encoder, as_lora);
  const auto tensors = method_named("pissa").tensors_to_save(adapted, "");
  EXPECT_EQ(tensors.size(), plain.parameters.size());
  lora.load_tensors(plain, "", [&](const std::string& name, const Tensor& target) {
    ASSERT_EQ(tensors.at(name).sizes(), target.sizes()) << name;
    target.detach().copy_(tensors.at(name));
  });
  EXPECT_LT(difference(output_of(encoder, plain.adapters), output_of(encoder, adapted.adapters)), 1e-12);
}

TEST(Pissa, PeftConfigurationIsReadBack) {
  for (const double alpha : {64.0, 7.3, 0.1, 1e5 / 3}) {
    const AdapterOptions back = through_peft(pissa({.rank = 5, .alpha = alpha, .rslora = true}));
    EXPECT_EQ(back.method, "pissa");
    EXPECT_EQ(back.own_as<LoraOptions>().rank, 5);
    EXPECT_NEAR(back.own_as<LoraOptions>().alpha, alpha, 1e-11 * alpha);
  }
  EXPECT_EQ(through_peft(pissa({.alpha = 64, .rslora = true})).own_as<LoraOptions>().alpha, 64);
  const AdapterOptions back =
      through_peft(pissa({.rank = 5, .rank_pattern = {{"fc1", 3}}, .alpha_pattern = {{"fc2", 7}}}));
  EXPECT_EQ(back.own_as<LoraOptions>().rank_pattern.at("fc1"), 3);
  EXPECT_EQ(back.own_as<LoraOptions>().alpha_pattern.at("fc2"), 7);
  EXPECT_THAT(error_of([] {
                const json odd = {{"peft_type", "LORA"}, {"r", 5}, {"lora_alpha", 8}, {"target_modules", {"v_proj"}}};
                method_named("pissa").from_peft(odd, "adapter_config.json");
              }),
              HasSubstr("a rank of 5 is odd"));
}

TEST(Pissa, OptionsThatItsFileCannotHoldAreErrors) {
  const auto error_with = [](LoraOptions own) {
    const AdapterOptions options = pissa(std::move(own));
    const std::string error = error_of([&] { method_named("pissa").check(tiny_config(), options); });
    EXPECT_EQ(error, error_of([&] { method_named("pissa").attach(tiny_encoder(), options, 42); }));
    return error;
  };
  EXPECT_EQ(error_with({.rank = 16}), "");
  EXPECT_THAT(error_with({.rank = 17}), HasSubstr("choose at most 16"));
  EXPECT_THAT(error_with({.rank = 4, .rslora = true, .rank_pattern = {{"fc1", 2}}}), HasSubstr("cannot hold --rslora"));
  EXPECT_THAT(error_with({.rank = 4, .alpha = 6e5}), HasSubstr("choose at most 500000"));
}

}  // namespace
}  // namespace loralens
