// SPDX-License-Identifier: Apache-2.0
// Whisper's audio encoder on packed rows (Radford et al., 2022; the reference is transformers' WhisperEncoder).
//
// A batch is one matrix with the positions of all clips, concatenated along the rows, and a list of their lengths.
// Linear layers and norms process the whole matrix; attention runs within each segment. There are no masks and no
// padding within clips, so a clip's result does not depend on the other clips in the batch.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "compute/pointwise.h"
#include "whisper/adapter_set.h"
#include "whisper/config.h"
#include "whisper/sites.h"

namespace loralens {

struct EncoderLayer {
  Norm attention_norm;
  Linear q, k, v, out;  // D×D
  Norm mlp_norm;
  Linear fc1, fc2;  // F×D, D×F
};

struct Encoder {
  WhisperConfig config;
  Linear conv1, conv2;   // D×M×3, D×D×3
  at::Tensor positions;  // 1500×D
  std::vector<EncoderLayer> layers;
  Norm norm;  // after the last layer

  const Linear& linear(int64_t layer, Module module) const;
  Linear& linear(int64_t layer, Module module);
  c10::Device device() const { return positions.device(); }
};

// Calls visit(name, tensor, shape) for each tensor of an encoder of this config, in a fixed order, with its name in
// transformers' WhisperForAudioClassification ("encoder.layers.0.self_attn.q_proj.weight"). It is the only list of
// tensor names: loading, saving, hashing, casting and full fine-tuning all use it.
using TensorVisitor = std::function<void(const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape)>;
void visit_tensors(Encoder& encoder, const TensorVisitor& visit);
void visit_tensors(const Encoder& encoder,
                   const std::function<void(const std::string& name, const at::Tensor& tensor)>& visit);

// SHA-256 over names, shapes and float16 values of all tensors: equal for float32 and float16 copies of the same
// checkpoint, different for base and base.en. 64 hexadecimal digits.
std::string sha256_of(const Encoder& encoder);

// Element types of a forward pass: `compute` for matrix products, `sums` for the residual stream and norms.
struct Precision {
  c10::ScalarType compute = c10::ScalarType::Float;
  c10::ScalarType sums = c10::ScalarType::Float;
};

struct LoadedEncoder {
  Encoder encoder;
  std::string sha256;  // sha256_of() the weights in the file
};

// Makes a linear layer's weight from its values (out×in, float32, on the CPU).
using WeightForm = std::function<at::Tensor(const at::Tensor& values)>;

// Reads the encoder from a Hugging Face Whisper folder with any head (tensor names with "model.encoder." or
// "encoder."), in the types that `convert` gives. It is read and rounded piece by piece, so that only the result is in
// memory. Error for a missing tensor, a wrong shape, an encoder tensor that config.json does not describe, and NaN,
// infinity or a number out of the range of the type.
// form: where given, the weights of linear layers are read in float32, one at a time, and become form(values).
LoadedEncoder load_encoder(const Path& folder, Precision precision = {}, c10::Device device = c10::kCPU,
                           const WeightForm& form = nullptr);

// A copy of the encoder on `device`: linear layers in precision.compute, all other tensors in precision.sums.
// Differentiable: leaf tensors that require a gradient receive it through the copy.
Encoder convert(const Encoder& encoder, Precision precision, c10::Device device);

// Convolutional stem and position embeddings of one segment. mel: M×frames, frames even and at most 3,000. Returns
// (frames/2)×D.
at::Tensor stem(const Encoder& encoder, const at::Tensor& mel);

struct LayerRange {
  int64_t begin = 0, end = 0;  // layers begin..end-1
};

// Runs layers range.begin..range.end-1. x: the residual stream (ΣT×D) at the input of layer range.begin. Returns the
// residual stream at the input of layer range.end.
at::Tensor run(const Encoder& encoder, const AdapterSet& adapters, at::Tensor x, LayerRange range, const Pass& pass);

// The final layer norm of the residual stream x: ΣT×D.
at::Tensor finish(const Encoder& encoder, const at::Tensor& x, const Pass& pass);

}  // namespace loralens
