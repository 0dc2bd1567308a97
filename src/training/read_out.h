// SPDX-License-Identifier: Apache-2.0
// The logistic head of a frozen encoder: multinomial logistic regression on a standardised, pooled hidden state. The
// hidden state and the penalty are chosen by the cross-entropy on held-out speakers.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

#include "classifier/model.h"
#include "corpus/clips.h"
#include "inference/source.h"
#include "training/fold_task.h"

namespace loralens {

struct ReadOutOptions {
  std::vector<double> l2 = {30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01};  // penalties (fit_logistic), per clip, descending
  int64_t folds = 5;  // cross-validation folds for the choice, by speaker; fewer if there are fewer speakers
};

// The pooled hidden states of these clips, in their order: n×(N+1)×D (see Head), without gradients. done(k): called for
// progress when k clips are ready. Error if states are not finite.
at::Tensor all_hidden_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                             const std::function<void(int64_t)>& done);

// Fits the heads of a model that make_model() made with HeadOptions::logistic, and sets its record for config.json.
// Each pair of a hidden state and a penalty is scored by cross-validation on the fold's training and development clips
// together: by speaker, or by clip if a speaker is unknown or there is only one. The pair of lowest cross-entropy is
// fitted on all these clips; so is the best pair of the last hidden state. The projector includes the standardisation
// by mean and standard deviation of the fitted clips; the classifier is the identity. task: start_states must come from
// all_hidden_states(); of the options, class weights, balancing and the random seed have an effect. clips: the table.
// The result does not depend on the number of threads.
void fit_read_out(EmotionModel& model, const Clips& clips, const FoldTask& task, const ReadOutOptions& options = {});

}  // namespace loralens
