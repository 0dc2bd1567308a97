// SPDX-License-Identifier: Apache-2.0
#include "training/objective/auxiliary_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/alias.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "base/range.h"

namespace loralens {

using at::Tensor;

std::optional<Specialization> parse_specialization(std::string_view text) {
  if (text == "none") return std::nullopt;
  for (const bool late : {false, true}) {
    const std::string_view kind = late ? "late:" : "early:";
    if (!text.starts_with(kind)) continue;
    const auto layer = parse_number<int64_t>(text.substr(kind.size()));
    if (layer && *layer >= 0) return Specialization{.late = late, .layer = *layer};
  }
  fail("--specialize '{}' is not known: choose none, early:K or late:K with the number K of a layer, from 0 on", text);
}

void check_specialization(const Specialization& specialization, const EmotionModel& model) {
  const std::string flag =
      fmt::format("--specialize {}:{}", specialization.late ? "late" : "early", specialization.layer);
  const int64_t layers = model.adapted.encoder.config.layers;
  if (specialization.layer >= layers) fail("{}: the encoder has the layers 0 to {}", flag, layers - 1);
  int64_t lowest = layers;
  for (const Parameter& p : model.adapted.parameters)
    if (p.trained) lowest = std::min(lowest, p.layer);
  if (lowest == layers)
    fail("{} acts on trained layers: the method {} trains none; leave the flag out, or give --specialize none", flag,
         model.options.method);
  if (lowest > specialization.layer)
    fail(
        "{}: no layer up to {} is adapted, so its output stays that of the base model: choose a layer from {} on, or "
        "adapt lower layers (--layers)",
        flag, specialization.layer, lowest);
}

double reversal_factor(double weight, double progress) { return weight * (2 / (1 + std::exp(-10 * progress)) - 1); }

void AuxiliaryState::see(const Pass& pass, const Site&, const Tensor& value, int64_t) {
  state_ = mean_over_clips(finish(encoder_, value, Pass{}), pass);
}

AuxiliaryHead::AuxiliaryHead(const Specialization& specialization, double weight, LossOptions loss,
                             const EmotionModel& model, uint64_t seed)
    : late_(specialization.late), weight_(weight), loss_(std::move(loss)) {
  check_specialization(specialization, model);
  head_ = make_head(model.adapted.encoder, std::ssize(model.classes),
                    {.projection = model.head.projector.weight.size(0)}, hash_of(seed, hash_of("auxiliary")));
}

Tensor AuxiliaryHead::value(const BatchOutputs& batch) const {
  // The hook below is on an alias that only this head reads, so it scales no other gradient.
  const Tensor state = late_ ? at::alias(batch.auxiliary_state) : batch.auxiliary_state;
  const Tensor value = cross_entropy(logits(head_, state, Pass{}), batch.labels, loss_);
  if (late_ && state.requires_grad())
    state.register_hook([factor = gate(batch) * -reversal_factor(weight_, batch.progress)](const Tensor& gradient) {
      return gradient * factor;
    });
  return value;
}

std::vector<Parameter> AuxiliaryHead::parameters() const {
  std::vector<Parameter> parameters = parameters_of(head_);
  for (Parameter& p : parameters) p.name = "auxiliary." + p.name;
  return parameters;
}

std::vector<std::string> AuxiliaryHead::reported() const {
  return late_ ? std::vector<std::string>{"auxiliary_lambda", "auxiliary_gate"} : std::vector<std::string>();
}

std::vector<Tensor> AuxiliaryHead::reports(const BatchOutputs& batch) const {
  if (!late_) return {};
  const Tensor open = gate(batch);
  return {at::full({}, reversal_factor(weight_, batch.progress), open.options()), open};
}

Tensor AuxiliaryHead::gate(const BatchOutputs& batch) const {
  const at::NoGradGuard no_grad;
  const Tensor answers = logits(head_, batch.auxiliary_state, Pass{});
  const double chance = std::log(static_cast<double>(answers.size(1)));
  return cross_entropy(answers, batch.labels, {}).le(chance).to(answers.scalar_type());
}

}  // namespace loralens
