// SPDX-License-Identifier: Apache-2.0
#include "classifier/model.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace loralens {

using at::Tensor;

std::vector<Parameter> EmotionModel::parameters() const {
  std::vector<Parameter> all = adapted.parameters;
  if (!head.projector.weight.defined()) return all;
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
  return {std::move(loaded.encoder), precision, name, loaded.sha256, again, folder};
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

namespace {

// A model with this head and the adapters that `attach` makes.
EmotionModel model_with(const Base& base, const AdapterOptions& options, Head head,
                        const std::vector<std::string>& classes, const std::function<Adapted(Encoder)>& attach) {
  EmotionModel model;
  const EncoderTraining training = method_named(options.method).encoder_training(options);
  model.adapted = attach(training == EncoderTraining::none ? base.encoder : base.copy_to_train());
  if (training == EncoderTraining::part) share_untrained(model.adapted, base.encoder);
  model.head = std::move(head);
  model.precision = base.precision;
  model.classes = classes;
  model.options = options;
  model.base = base.name;
  model.base_sha256 = base.sha256;
  return model;
}

// Copies values from `others` to the parameters of the same names. Error if a name is missing or a shape differs.
void copy_parameters(const std::vector<Parameter>& others, const std::vector<Parameter>& parameters) {
  std::map<std::string, Tensor> values;
  for (const Parameter& p : others) values[p.name] = p.tensor.detach();
  for (const Parameter& p : parameters) {
    const auto value = values.find(p.name);
    if (value == values.end() || value->second.sizes() != p.tensor.sizes())
      fail("the adapter to start from has no {} of the shape [{}]", p.name, fmt::join(p.tensor.sizes(), ", "));
    p.tensor.detach().copy_(value->second);
  }
}

}  // namespace

EmotionModel make_model(const Base& base, const AdapterOptions& options, const HeadOptions& head,
                        const std::vector<std::string>& classes, uint64_t seed) {
  const Method& method = method_named(options.method);
  return model_with(base, options, make_head(base.encoder, std::ssize(classes), head, seed), classes,
                    [&](Encoder encoder) { return method.attach(std::move(encoder), options, seed); });
}

EmotionModel continued_model(const Base& base, const EmotionModel& start, const AdapterOptions& options,
                             const HeadOptions& new_head, const std::vector<std::string>& classes, uint64_t seed) {
  const Method& method = method_named(options.method);
  const bool keeps_head = start.head.projector.weight.defined();
  HeadOptions shape = new_head;
  if (keeps_head) shape = {start.head.projector.weight.size(0), start.head.layer_weights.defined()};
  EmotionModel model = model_with(base, options, make_head(base.encoder, std::ssize(classes), shape, seed), classes,
                                  [&](Encoder encoder) { return method.attach_to_load(std::move(encoder), options); });
  copy_parameters(start.adapted.parameters, model.adapted.parameters);
  if (keeps_head) copy_parameters(parameters_of(start.head), parameters_of(model.head));
  return model;
}

}  // namespace loralens
