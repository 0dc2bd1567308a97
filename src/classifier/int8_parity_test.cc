// SPDX-License-Identifier: Apache-2.0
// Compares final hidden states of real models with base weights in int8 with those of transformers in float32.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "classifier/int8_base.h"
#include "whisper/test_parity.h"

namespace loralens {
namespace {

// The largest relative error of a clip's final states. Prints that of each clip; the oracle's real recording follows
// its synthetic clips.
double error_of_final_states(const std::string& title, const Base& base, const Safetensors& oracle) {
  const at::NoGradGuard no_grad;
  const Encoder& encoder = base.encoder;
  const auto [x, pass] = stems(encoder, numbered(oracle, "mel"));
  const auto clips =
      finish(encoder, run(encoder, {}, x, {0, encoder.config.layers}, pass), pass).split_with_sizes(pass.lengths);
  const auto expected = numbered(oracle, "states");
  double worst = 0;
  for (size_t i = 0; i < clips.size(); ++i) {
    const double error = relative_error(clips[i], expected[i].select(0, -1));
    show(fmt::format("{}, clip {}", title, i), error);
    worst = std::max(worst, error);
  }
  return worst;
}

TEST(Int8Parity, FinalStatesAreNearThoseOfTransformers) {
  constexpr Precision in_bf16{c10::ScalarType::BFloat16, c10::ScalarType::Float};
  for (const std::string model : {"tiny.en", "base"}) {
    const Safetensors oracle(oracle_folder / fmt::format("encoder-{}.safetensors", model));
    const Path folder = resolve_model(model);
    error_of_final_states(model + ", bf16", load_base(folder, model, in_bf16, c10::kCPU), oracle);
    const double error = error_of_final_states(
        model + ", int8", load_int8_base(folder, model, in_bf16, c10::kCPU, Int8Weights::stored), oracle);
    EXPECT_LE(error, 0.08) << model;
  }
}

}  // namespace
}  // namespace loralens
