// SPDX-License-Identifier: Apache-2.0
// For tests of adapters on linear layers: options, adapters that change the output, and comparisons with the base
// model.
#pragma once

#include <gtest/gtest.h>

#include "adapter/method.h"
#include "whisper/test_encoder.h"

namespace loralens {

inline AdapterOptions on_every_module(const std::string& method, OwnOptions own) {
  AdapterOptions options{.method = method};
  options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  options.own = std::move(own);
  return options;
}

// New adapters with noise added to their trained parameters.
inline Adapted trained_adapters(const Encoder& encoder, const AdapterOptions& options) {
  Adapted adapted = method_named(options.method).attach(encoder, options, 42);
  for (const Parameter& p : adapted.parameters)
    if (p.trained) p.tensor.detach().add_(random_tensor(p.tensor.sizes().vec(), hash_of(p.name), 0.2));
  return adapted;
}

// The residual stream after all layers for two clips (21×16). adapters: of `encoder`.
inline at::Tensor output_of(const Encoder& encoder, const AdapterSet& adapters) {
  const at::Tensor x = random_tensor({21, 16}, 1).to(encoder.norm.weight.scalar_type());
  return run(encoder, adapters, x, {0, 3}, pass_of({8, 13}));
}

// Expects new adapters to compute the base model's output: to 1e-13 in float64, to the rounding of bfloat16 otherwise.
inline void expect_base_at_start(const AdapterOptions& options) {
  for (const Precision precision : {in_double, Precision{c10::ScalarType::BFloat16, c10::ScalarType::Float}}) {
    const Encoder encoder = tiny_encoder(precision);
    const Adapted fresh = method_named(options.method).attach(encoder, options, 42);
    EXPECT_LT(difference(output_of(encoder, fresh.adapters), output_of(encoder, {})),
              precision.sums == c10::ScalarType::Double ? 1e-13 : 0.03)
        << options.method;
  }
}

// Expects merged weights to give the output of the adapters, and the adapters to change the base model's output.
inline void expect_merged(const AdapterOptions& options) {
  const Encoder encoder = tiny_encoder(in_double);
  const Adapted adapted = trained_adapters(encoder, options);
  const at::Tensor with = output_of(encoder, adapted.adapters);
  EXPECT_LT(difference(output_of(merge(adapted), {}), with), 1e-12) << options.method;
  EXPECT_GT(difference(output_of(encoder, {}), with), 1e-3) << "the adapters must change the output";
}

// Expects a pass in bfloat16 to stay near one in float32.
inline void expect_near_in_bf16(const AdapterOptions& options) {
  const Encoder base = tiny_encoder();
  const Adapted adapted = trained_adapters(base, options);
  const Encoder half = convert(base, {c10::ScalarType::BFloat16, c10::ScalarType::Float}, c10::kCPU);
  EXPECT_LT(difference(output_of(half, adapted.adapters), output_of(base, adapted.adapters)), 0.05) << options.method;
}

// The options after they were written to an adapter_config.json and read back.
inline AdapterOptions through_peft(const AdapterOptions& options) {
  const Method& method = method_named(options.method);
  return method.from_peft(nlohmann::json::parse(method.peft_config(options).value().dump()), "adapter_config.json")
      .value();
}

}  // namespace loralens
