// SPDX-License-Identifier: Apache-2.0
// Reads tensors of a Hugging Face Whisper folder by name, and notes which were read.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"
#include "whisper/encoder.h"

namespace loralens {

// Whether a tensor belongs to a linear layer of a transformer layer (self_attn, encoder_attn, fc1, fc2).
bool is_linear(std::string_view name);
// The element type in which a tensor is kept: precision.compute for linear layers, else precision.sums.
c10::ScalarType kept_type(std::string_view name, Precision precision);

// Tensors are named as in transformers' models without head: "encoder.conv1.weight"; in the file "model." may precede
// the name.
class CheckpointReader {
 public:
  explicit CheckpointReader(const Path& folder) : folder_(folder), checkpoint_(folder) {}

  // Whether the file has a tensor whose name begins with `prefix`, such as "decoder.".
  bool has_any(std::string_view prefix) const;

  // The tensor, on the CPU, in `type`. It is read in pieces, since temporary copies of whole tensors would increase the
  // process's memory permanently; see(piece) receives each in the type of the file. Error for a missing tensor, another
  // shape, and NaN, infinity or a number out of the range of the type.
  at::Tensor read(
      const std::string& name, const std::vector<int64_t>& shape, c10::ScalarType type,
      const std::function<void(const at::Tensor& piece)>& see = [](const at::Tensor&) {});

  // Error if the file has a tensor whose name begins with `prefix` and that was not read: it would be ignored.
  void expect_all_used(std::string_view prefix) const;

 private:
  Path folder_;
  Checkpoint checkpoint_;
  std::set<std::string> used_;
};

}  // namespace loralens
