// SPDX-License-Identifier: Apache-2.0
// Loading, hashing and casting of an encoder's tensors, all through visit_tensors().
#include "base/digest.h"
#include "base/error.h"
#include "whisper/checkpoint_reader.h"
#include "whisper/encoder.h"

namespace loralens {
namespace {

void add_name(Sha256& digest, const std::string& name, at::IntArrayRef shape) {
  digest.add(fmt::format("{}[{}]", name, fmt::join(shape, ",")));
}

void add_values(Sha256& digest, const at::Tensor& values) {
  const at::Tensor half = values.detach().cpu().to(c10::ScalarType::Half).contiguous();
  digest.add({static_cast<const char*>(half.const_data_ptr()), half.nbytes()});
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
  CheckpointReader reader(folder);
  Sha256 digest;
  visit_tensors(loaded.encoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape) {
    add_name(digest, name, shape);
    const bool formed = form && is_linear(name) && shape.size() == 2;
    tensor = reader.read(name, shape, formed ? c10::ScalarType::Float : kept_type(name, precision),
                         [&](const at::Tensor& values) { add_values(digest, values); });
    tensor = (formed ? form(tensor) : tensor).to(device);
  });
  reader.expect_all_used("encoder.");
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
    tensor = tensor.to(device, kept_type(name, precision));
  });
  return converted;
}

}  // namespace loralens
