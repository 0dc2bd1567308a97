// For tests: a tiny encoder with random weights, rows to pass through it, and differences between tensors.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "statistics/normal_values.h"
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

// Normal values times `scale`, float64.
inline at::Tensor random_tensor(std::vector<int64_t> shape, uint64_t seed, double scale = 1) {
  return normal_values(shape, seed) * scale;
}

// Such products are too small to share among threads, which would only wait for each other.
inline const bool on_one_thread = (at::set_num_threads(1), true);

// Weights that keep the scale of what passes; norms near 1 and 0. float32 values, so that a copy in float64 is equal.
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

// The same in another precision, on the CPU.
inline Encoder tiny_encoder(Precision precision, uint64_t seed = 1) {
  return convert(tiny_encoder(seed), precision, c10::kCPU);
}

inline Pass pass_of(std::vector<int64_t> lengths) {
  Pass pass;
  for (size_t i = 0; i < lengths.size(); ++i) pass.keys.push_back(100 + i);
  pass.lengths = std::move(lengths);
  return pass;
}

inline double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// Largest difference, relative to the largest value of b. Infinite for other shapes.
inline double difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  const at::Tensor reference = b.detach().to(c10::ScalarType::Double);
  return largest(a.detach().to(c10::ScalarType::Double) - reference) / largest(reference);
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && at::equal(a.detach(), b.detach());
}

}  // namespace loralens
