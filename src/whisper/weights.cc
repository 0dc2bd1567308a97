// SPDX-License-Identifier: Apache-2.0
// Loading, hashing and casting of an encoder's tensors, all through visit_tensors().
#include <ATen/ops/empty.h>

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/finite.h"
#include "checkpoint/safetensors.h"
#include "whisper/encoder.h"

namespace loralens {
namespace {

// Whether a tensor is of a linear layer: self_attn, fc1, fc2.
bool is_linear(const std::string& name) {
  return name.find(".self_attn.") != std::string::npos || name.find(".fc") != std::string::npos;
}

// The element type of a tensor: precision.compute for linear layers, else precision.sums.
c10::ScalarType type_of(const std::string& name, Precision precision) {
  return is_linear(name) ? precision.compute : precision.sums;
}

void add_name(Sha256& digest, const std::string& name, at::IntArrayRef shape) {
  digest.add(fmt::format("{}[{}]", name, fmt::join(shape, ",")));
}

void add_values(Sha256& digest, const at::Tensor& values) {
  const at::Tensor half = values.detach().cpu().to(c10::ScalarType::Half).contiguous();
  digest.add({static_cast<const char*>(half.const_data_ptr()), half.nbytes()});
}

// The name of a registry tensor in this checkpoint. Error if it is missing or has another shape.
std::string find_tensor(const std::string& name, const std::vector<int64_t>& shape, const Checkpoint& checkpoint,
                        const Path& folder) {
  const std::string file_name = checkpoint.contains("model." + name) ? "model." + name : name;
  if (!checkpoint.contains(file_name))
    fail("{}: the tensor {} is missing; is this a whole Whisper checkpoint?", folder.string(), name);
  if (checkpoint.shape(file_name) != shape)
    fail("{}: {} has the shape [{}], config.json asks for [{}]", folder.string(), file_name,
         fmt::join(checkpoint.shape(file_name), ", "), fmt::join(shape, ", "));
  return file_name;
}

// Reads a tensor of the checkpoint into `tensor`, converted to its type, and adds it to the digest. It is read in
// pieces, since temporary copies of whole tensors would increase the process's memory permanently.
void fill(const at::Tensor& tensor, const std::string& file_name, const Checkpoint& checkpoint, const Path& folder,
          Sha256& digest) {
  constexpr int64_t piece = 1 << 18;
  const at::Tensor flat = tensor.view({-1});
  for (int64_t first = 0; first < flat.numel(); first += piece) {
    const at::Tensor values = checkpoint.read(file_name, first, std::min(piece, flat.numel() - first));
    if (!values.is_floating_point()) fail("{}: {} holds no floating-point numbers", folder.string(), file_name);
    add_values(digest, values);
    const at::Tensor part = flat.narrow(0, first, values.numel());
    part.copy_(values);
    if (!all_finite(part))
      fail("{}: {} holds a number beyond the range of {}: choose --precision fp32, or another checkpoint",
           folder.string(), file_name, c10::toString(tensor.scalar_type()));
  }
}

// Error if the checkpoint has an encoder layer or tensor that config.json does not describe: it would be ignored.
void expect_no_other(const Checkpoint& checkpoint, const std::set<std::string>& used, const Path& folder) {
  for (const std::string& name : checkpoint.names())
    if ((name.starts_with("model.encoder.") || name.starts_with("encoder.")) && !used.contains(name))
      fail("{}: the encoder that config.json describes has no tensor {}", folder.string(), quoted(name));
}

}  // namespace

void visit_tensors(Encoder& encoder, const TensorVisitor& visit) {
  const auto& c = encoder.config;
  const auto weights = [&](const std::string& name, auto& part, std::vector<int64_t> shape, bool bias = true) {
    visit(name + ".weight", part.weight, shape);
    if (bias) visit(name + ".bias", part.bias, {shape[0]});
  };
  weights("encoder.conv1", encoder.conv1, {c.width, c.mels, 3});
  weights("encoder.conv2", encoder.conv2, {c.width, c.width, 3});
  visit("encoder.embed_positions.weight", encoder.positions, {c.positions, c.width});
  encoder.layers.resize(c.layers);
  for (int64_t l = 0; l < c.layers; ++l) {
    EncoderLayer& layer = encoder.layers[l];
    const std::string prefix = fmt::format("encoder.layers.{}.", l);
    weights(prefix + "self_attn_layer_norm", layer.attention_norm, {c.width});
    weights(prefix + "self_attn.q_proj", layer.q, {c.width, c.width});
    weights(prefix + "self_attn.k_proj", layer.k, {c.width, c.width}, /*bias=*/false);
    weights(prefix + "self_attn.v_proj", layer.v, {c.width, c.width});
    weights(prefix + "self_attn.out_proj", layer.out, {c.width, c.width});
    weights(prefix + "final_layer_norm", layer.mlp_norm, {c.width});
    weights(prefix + "fc1", layer.fc1, {c.mlp_width, c.width});
    weights(prefix + "fc2", layer.fc2, {c.width, c.mlp_width});
  }
  weights("encoder.layer_norm", encoder.norm, {c.width});
}

void visit_tensors(const Encoder& encoder, const std::function<void(const std::string&, const at::Tensor&)>& visit) {
  visit_tensors(const_cast<Encoder&>(encoder),
                [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t>) { visit(name, tensor); });
}

LoadedEncoder load_encoder(const Path& folder, Precision precision, c10::Device device, const WeightForm& form) {
  LoadedEncoder loaded;
  loaded.encoder.config = read_config(folder);
  const Checkpoint checkpoint(folder);
  Sha256 digest;
  std::set<std::string> used;
  visit_tensors(loaded.encoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape) {
    const std::string file_name = find_tensor(name, shape, checkpoint, folder);
    add_name(digest, name, shape);
    const bool formed = form && is_linear(name) && shape.size() == 2;
    tensor = at::empty(shape, formed ? c10::ScalarType::Float : type_of(name, precision));
    fill(tensor, file_name, checkpoint, folder, digest);
    tensor = (formed ? form(tensor) : tensor).to(device);
    used.insert(file_name);
  });
  expect_no_other(checkpoint, used, folder);
  loaded.sha256 = digest.hex();
  return loaded;
}

std::string sha256_of(const Encoder& encoder) {
  Sha256 digest;
  visit_tensors(encoder, [&](const std::string& name, const at::Tensor& tensor) {
    add_name(digest, name, tensor.sizes());
    add_values(digest, tensor);
  });
  return digest.hex();
}

Encoder convert(const Encoder& encoder, Precision precision, c10::Device device) {
  Encoder converted = encoder;
  visit_tensors(converted, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t>) {
    tensor = tensor.to(device, type_of(name, precision));
  });
  return converted;
}

}  // namespace loralens
