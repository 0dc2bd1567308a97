// SPDX-License-Identifier: Apache-2.0
// For parity tests: reading the files of the oracles (tests/oracle/*_parity.py), and measures of agreement with them.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "audio/log_mel.h"
#include "base/test_folder.h"
#include "checkpoint/safetensors.h"
#include "hub/hub.h"
#include "whisper/encoder.h"

namespace loralens {

inline const Path oracle_folder = given_folder("LORALENS_ORACLE", "build/release/oracle");

// ‖x - expected‖ / ‖expected‖
inline double relative_error(const at::Tensor& x, const at::Tensor& expected) {
  const auto norm = [](const at::Tensor& v) {
    return at::linalg_vector_norm(v.detach().to(c10::ScalarType::Double)).item<double>();
  };
  return norm(x.detach() - expected) / norm(expected);
}

inline double largest_difference(const at::Tensor& x, const at::Tensor& expected) {
  return (x.detach() - expected).abs().max().item<double>();
}

// Prints a measured value to the test log.
inline void show(const std::string& what, double value) { fmt::print("{}: {:.2e}\n", what, value); }

// The tensors `0.<name>`, `1.<name>`, ... of a file, up to the first missing one.
inline std::vector<at::Tensor> numbered(const Safetensors& file, const std::string& name) {
  std::vector<at::Tensor> tensors;
  for (size_t i = 0; file.contains(fmt::format("{}.{}", i, name)); ++i)
    tensors.push_back(file.read(fmt::format("{}.{}", i, name)));
  return tensors;
}

inline std::span<const float> samples_of(const at::Tensor& samples) {
  return {samples.const_data_ptr<float>(), static_cast<size_t>(samples.numel())};
}

// Our log-mel features of each clip, as `padded` input or `speech` input with the tail of tests/oracle/reference.py.
inline std::vector<at::Tensor> mels_of(const std::vector<at::Tensor>& clips, bool padded = false) {
  const LogMel log_mel(80);
  std::vector<at::Tensor> mels;
  for (const at::Tensor& clip : clips)
    mels.push_back(log_mel(padded ? padded_samples(samples_of(clip)) : speech_samples(samples_of(clip), 0.5)));
  return mels;
}

struct PackedRows {
  at::Tensor x;  // ΣT×D
  Pass pass;
};

// All clips in one batch, at the input of layer 0 (after the stem).
inline PackedRows stems(const Encoder& encoder, const std::vector<at::Tensor>& mels) {
  PackedRows packed;
  std::vector<at::Tensor> parts;
  for (const at::Tensor& mel : mels) {
    parts.push_back(stem(encoder, mel));
    packed.pass.lengths.push_back(parts.back().size(0));
  }
  packed.x = at::cat(parts);
  return packed;
}

}  // namespace loralens
