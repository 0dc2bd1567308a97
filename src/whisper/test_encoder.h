// SPDX-License-Identifier: Apache-2.0
// For tests: a tiny encoder with random weights, and passes for it.
#pragma once

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "compute/test_tensors.h"
#include "whisper/encoder.h"

namespace loralens {

constexpr Precision in_double{c10::ScalarType::Double, c10::ScalarType::Double};
constexpr Precision in_float{};

// D 16, H 2, N 3, F 32, M 80.
inline WhisperConfig tiny_config() {
  return parse_config({{"model_type", "whisper"},
                       {"num_mel_bins", 80},
                       {"d_model", 16},
                       {"encoder_layers", 3},
                       {"encoder_attention_heads", 2},
                       {"encoder_ffn_dim", 32},
                       {"max_source_positions", 1500}},
                      "tiny");
}

// Weights that preserve the scale of activations; norm weights near 1, biases near 0. Values are float32, so that a
// float64 copy is exact.
inline Encoder tiny_encoder(uint64_t seed = 1) {
  Encoder encoder;
  encoder.config = tiny_config();
  visit_tensors(encoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape) {
    const bool norm = name.find("layer_norm.weight") != std::string::npos;
    double inputs = 1;
    for (size_t i = 1; i < shape.size(); ++i) inputs *= static_cast<double>(shape[i]);
    const double scale = shape.size() == 1 || name.find("positions") != std::string::npos ? 0.1 : 1 / std::sqrt(inputs);
    tensor = random_tensor(shape, hash_of(seed, hash_of(name)), scale);
    if (norm) tensor.add_(1);
    tensor = tensor.to(c10::ScalarType::Float);
  });
  return encoder;
}

// The same encoder in another precision, on the CPU.
inline Encoder tiny_encoder(Precision precision, uint64_t seed = 1) {
  return convert(tiny_encoder(seed), precision, c10::kCPU);
}

inline Pass pass_of(std::vector<int64_t> lengths) {
  Pass pass;
  for (size_t i = 0; i < lengths.size(); ++i) pass.keys.push_back(100 + i);
  pass.lengths = std::move(lengths);
  return pass;
}

}  // namespace loralens
