// SPDX-License-Identifier: Apache-2.0
// The head of an encoder that is not trained: multinomial logistic regression on the standardised, pooled states of one
// layer. The layer and the penalty are chosen by the cross-entropy on speakers that a regression was not fitted on.
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
  int64_t folds = 5;  // by speaker, to choose on; fewer if there are fewer speakers
};

// The pooled hidden states of these clips, in their order: n×(N+1)×D (see Head), without gradients. done(k): called for
// progress when k clips are ready. Error if states are not finite.
at::Tensor all_hidden_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                             const std::function<void(int64_t)>& done);

// Sets the heads of a model that make_model() made with HeadOptions::logistic, and its record for config.json.
// Each pair of a hidden state and a penalty is scored over folds, by speaker, of the fold's training and development
// clips together; by clip if a speaker is unknown or there is only one. The pair of the lowest cross-entropy wins; it
// is then fitted on all these clips, as is the best one of the last hidden state. Standardisation has mean and standard
// deviation of the clips of the fit, and stands in the projector; the classifier is the identity.
// task: its start_states are those of all_hidden_states() for every clip of the table. Of the options of the training,
// class weights, balancing and the random seed have an effect. clips: the table.
// The result does not depend on the number of threads.
void fit_read_out(EmotionModel& model, const Clips& clips, const FoldTask& task, const ReadOutOptions& options = {});

}  // namespace loralens
