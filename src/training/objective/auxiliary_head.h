// SPDX-License-Identifier: Apache-2.0
// An auxiliary emotion head on the output of one layer (train --specialize). early: the layers up to this one are
// trained to predict the emotion (deep supervision, Lee et al., 2015). late: they are trained to make it unpredictable
// (gradient reversal, Ganin et al., Domain-Adversarial Training of Neural Networks, 2016).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "classifier/model.h"
#include "training/objective/objective.h"

namespace loralens {

struct Specialization {
  bool late;  // whether the encoder receives the reversed gradient
  int64_t layer;  // K: the head reads the output of this layer, 0..N-1
};

// "none" (no value), "early:K" or "late:K". Error, with the choices, for anything else.
std::optional<Specialization> parse_specialization(std::string_view text);

// Error, with what to do, if the encoder has no such layer, or if no layer up to it is adapted or trained.
void check_specialization(const Specialization& specialization, const EmotionModel& model);

// The factor on the reversed gradient: w (2 / (1 + exp(-10 p)) - 1), which rises from 0 to w (Ganin et al.). progress:
// p, the share of the training's steps that are done.
double reversal_factor(double weight, double progress);

// Reads, at the output of a layer, the state that the auxiliary head classifies: the mean over each clip's positions
// after the encoder's final norm, B×D, attached to the autograd graph.
class AuxiliaryState : public Observer {
 public:
  // encoder: in the precision of the pass; must outlive the observer.
  AuxiliaryState(const Encoder& encoder, int64_t layer) : encoder_(encoder), layer_(layer) {}
  bool wants(const Site& site) const override { return site.kind == SiteKind::residual_out && site.layer == layer_; }
  void see(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) override;

  const at::Tensor& state() const { return state_; }  // undefined before the pass

 private:
  const Encoder& encoder_;
  int64_t layer_;
  at::Tensor state_;
};

// The cross-entropy of the auxiliary head, with the class weights and label smoothing of the main head's cross-entropy.
//   early: the head and the encoder get w times its gradient.
//   late: the head gets its gradient, the encoder that gradient times -reversal_factor(w, p). The encoder gets none if
//   the batch's cross-entropy, without class weights and smoothing, is above log C, the value for equal probabilities:
//   then the head finds no emotion that could be removed, and the encoder could increase the cross-entropy without
//   bound.
class AuxiliaryHead : public LossTerm {
 public:
  // weight: w. seed: for the head's initial values. Errors of check_specialization().
  AuxiliaryHead(const Specialization& specialization, double weight, LossOptions loss, const EmotionModel& model,
                uint64_t seed);
  std::string_view name() const override { return "auxiliary"; }
  double weight() const override { return late_ ? 1 : weight_; }
  at::Tensor value(const BatchOutputs& batch) const override;
  // "auxiliary.projector.weight", ...: Head's names after "auxiliary.".
  std::vector<Parameter> parameters() const override;
  // late: auxiliary_lambda (reversal_factor), auxiliary_gate (1 if the encoder gets the reversed gradient, else 0).
  std::vector<std::string> reported() const override;
  std::vector<at::Tensor> reports(const BatchOutputs& batch) const override;

 private:
  at::Tensor gate(const BatchOutputs& batch) const;

  bool late_;
  double weight_;
  LossOptions loss_;
  Head head_;
};

}  // namespace loralens
