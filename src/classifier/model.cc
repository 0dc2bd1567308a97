// SPDX-License-Identifier: Apache-2.0
#include "classifier/model.h"

#include <ATen/ops/stack.h>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/operations.h"

namespace loralens {

using at::Tensor;

std::vector<Parameter> EmotionModel::parameters() const {
  std::vector<Parameter> all = adapted.parameters;
  for (auto& parameter : parameters_of(head)) all.push_back(std::move(parameter));
  return all;
}

Encoder EmotionModel::compute_encoder() const {
  return adapted.encoder_trained ? convert(adapted.encoder, precision, adapted.encoder.device()) : adapted.encoder;
}

int64_t EmotionModel::first_adapted_layer() const {
  if (adapted.encoder_trained) return -1;
  if (head.layer_weights.defined()) return 0;  // every layer's state is read
  return adapted.adapters.lowest_layer().value_or(adapted.encoder.config.layers);
}

Base load_base(const Path& folder, const std::string& name, Precision precision, c10::Device device) {
  LoadedEncoder loaded = load_encoder(folder, precision, device);
  const auto again = [folder, sha256 = loaded.sha256, sums = precision.sums, device] {
    LoadedEncoder copy = load_encoder(folder, {sums, sums}, device);
    if (copy.sha256 != sha256) fail("{} holds other weights than when it was first read: start again", folder.string());
    return std::move(copy.encoder);
  };
  return {std::move(loaded.encoder), precision, name, loaded.sha256, again};
}

Base make_base(const Encoder& encoder, const std::string& name, Precision precision, c10::Device device) {
  const auto copy = [encoder, sums = precision.sums, device] {
    Encoder own = convert(encoder, {sums, sums}, device);
    visit_tensors(own,
                  [](const std::string&, Tensor& tensor, std::vector<int64_t>) { tensor = tensor.detach().clone(); });
    return own;
  };
  return {convert(encoder, precision, device), precision, name, sha256_of(encoder), copy};
}

EmotionModel make_model(const Base& base, const AdapterOptions& options, const HeadOptions& head,
                        const std::vector<std::string>& classes, uint64_t seed) {
  const Method& method = method_named(options.method);
  EmotionModel model;
  model.adapted = method.attach(method.trains_encoder() ? base.copy_to_train() : base.encoder, options, seed);
  model.head = make_head(base.encoder, static_cast<int64_t>(classes.size()), head, seed);
  model.precision = base.precision;
  model.classes = classes;
  model.options = options;
  model.base = base.name;
  model.base_sha256 = base.sha256;
  return model;
}

Tensor head_states(const EmotionModel& model, const Encoder& encoder, const Tensor& x, int64_t first, const Pass& pass,
                   std::span<const Tensor> earlier) {
  const int64_t layers = encoder.config.layers;
  if (profiling()) count_pass(model.adapted, {first, layers}, pass, x.requires_grad());
  const auto& adapters = model.adapted.adapters;
  if (!model.head.layer_weights.defined())
    return mean_over_clips(finish(encoder, run(encoder, adapters, x, {first, layers}, pass), pass), pass);
  if (std::ssize(earlier) < first)
    fail("a weighted layer sum reads every layer's state, so its pass starts at layer 0 or is given the states below");
  std::vector<Tensor> states;  // as transformers' hidden_states: the embedding, layers 1..N-1, the normed last
  for (const Tensor& state : earlier.first(static_cast<size_t>(first))) states.push_back(mean_over_clips(state, pass));
  Tensor h = x;
  for (int64_t l = first; l < layers; ++l) {
    states.push_back(mean_over_clips(h, pass));
    h = run(encoder, adapters, h, {l, l + 1}, pass);
  }
  states.push_back(mean_over_clips(finish(encoder, h, pass), pass));
  return at::stack(states, 1);
}

}  // namespace loralens
