#include "classifier/model.h"

#include <ATen/ops/stack.h>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/operations.h"

namespace loralens {

using at::Tensor;

std::vector<NamedTensor> EmotionModel::trained() const {
  std::vector<NamedTensor> all = adapted.trained;
  for (auto& tensor : tensors_of(head)) all.push_back(std::move(tensor));
  return all;
}

Encoder EmotionModel::compute_encoder() const {
  return adapted.encoder_trained ? convert(adapted.encoder, precision, adapted.encoder.device()) : adapted.encoder;
}

int64_t EmotionModel::first_adapted_layer() const {
  if (adapted.encoder_trained) return -1;
  if (head.layer_weights.defined()) return 0;  // every layer's state is read
  return adapted.adapters.empty() ? adapted.encoder.config.layers : adapted.adapters.begin()->first.first;
}

Base make_base(const Encoder& encoder, const std::string& name, Precision precision, c10::Device device) {
  Base base;
  base.sha256 = sha256_of(encoder);
  base.encoder = convert(encoder, {precision.sums, precision.sums}, device);
  base.compute = convert(encoder, precision, device);
  base.precision = precision;
  base.name = name;
  return base;
}

EmotionModel make_model(const Base& base, const AdapterOptions& options, const HeadOptions& head,
                        const std::vector<std::string>& classes, uint64_t seed) {
  EmotionModel model;
  model.adapted = method_named(options.method).attach(base.encoder, options, seed);
  if (!model.adapted.encoder_trained) model.adapted.encoder = base.compute;
  model.head = make_head(base.encoder, static_cast<int64_t>(classes.size()), head, seed);
  model.precision = base.precision;
  model.classes = classes;
  model.options = options;
  model.base = base.name;
  model.base_sha256 = base.sha256;
  return model;
}

Tensor head_states(const EmotionModel& model, const Encoder& encoder, const Tensor& x, int64_t first,
                   const Pass& pass) {
  const int64_t layers = encoder.config.layers;
  if (profiling()) count_pass(model.adapted, {first, layers}, pass, x.requires_grad());
  const auto& adapters = model.adapted.adapters;
  if (!model.head.layer_weights.defined())
    return mean_over_clips(finish(encoder, run(encoder, adapters, x, {first, layers}, pass), pass), pass);
  if (first != 0) fail("a weighted layer sum reads every layer's state, so its pass starts at layer 0");
  std::vector<Tensor> states;  // as transformers' hidden_states: the embedding, layers 1..N-1, the normed last
  Tensor h = x;
  for (int64_t l = 0; l < layers; ++l) {
    states.push_back(mean_over_clips(h, pass));
    h = run(encoder, adapters, h, {l, l + 1}, pass);
  }
  states.push_back(mean_over_clips(finish(encoder, h, pass), pass));
  return at::stack(states, 1);
}

}  // namespace loralens
