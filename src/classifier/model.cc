// SPDX-License-Identifier: Apache-2.0
#include "classifier/model.h"

#include <algorithm>

#include "base/error.h"

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
  int64_t first = adapted.adapters.lowest_layer().value_or(adapted.encoder.config.layers);
  for (const Parameter& p : adapted.parameters)
    if (p.role == ParameterRole::encoder) first = std::min(first, p.layer);
  if (head.layer_weights.defined()) return std::min<int64_t>(first, 0);  // every layer's state is read
  return std::min(first, head.hidden_state.value_or(first));
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
  const EncoderTraining training = method.encoder_training(options);
  model.adapted = method.attach(training == EncoderTraining::none ? base.encoder : base.copy_to_train(), options, seed);
  if (training == EncoderTraining::part) share_untrained(model.adapted, base.encoder);
  model.head = make_head(base.encoder, std::ssize(classes), head, seed);
  model.precision = base.precision;
  model.classes = classes;
  model.options = options;
  model.base = base.name;
  model.base_sha256 = base.sha256;
  return model;
}

}  // namespace loralens
