// SPDX-License-Identifier: Apache-2.0
#include "training/read_out.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <set>

#include "base/parallel.h"
#include "inference/predict.h"
#include "statistics/logistic.h"
#include "training/batches/balance.h"
#include "training/objective/cross_entropy.h"
#include "training/one_thread.h"
#include "training/selection.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double scoring_tolerance = 1e-4;  // scikit-learn's default; the final fit has a smaller tolerance

// A pair of a hidden state and a penalty, and its scores on clips that it was not fitted on.
struct Candidate {
  int64_t hidden_state = 0;
  double l2 = 0;
  SelectionScores scores;
};

Tensor index_of(const std::vector<int64_t>& numbers) { return at::tensor(numbers, c10::ScalarType::Long); }

// Hidden states, labels and weights of one fold's clips, for fitting.
class Fits {
 public:
  Fits(const FoldTask& task, int64_t classes)
      : task_(task), classes_(classes), states_(task.start_states.cpu()), labels_(index_of(task.labels)) {}

  int64_t states() const { return states_.size(1); }  // N+1

  // The pooled hidden state of clips, n×D, in double precision.
  Tensor state(int64_t number, const std::vector<int64_t>& clips) const {
    return states_.select(1, number).index_select(0, index_of(clips)).to(c10::ScalarType::Double);
  }
  LogisticSamples samples(const Tensor& x, const std::vector<int64_t>& clips) const {
    return {x, labels_.index_select(0, index_of(clips)), weights(clips), classes_};
  }
  std::vector<int64_t> labels(const std::vector<int64_t>& clips) const {
    std::vector<int64_t> labels;
    for (const int64_t clip : clips) labels.push_back(task_.label(clip));
    return labels;
  }

 private:
  // The weight of each clip: class weight times the mean number of draws in an epoch of balanced sampling.
  Tensor weights(const std::vector<int64_t>& clips) const {
    std::vector<double> of_clip(task_.labels.size(), 1), chosen;
    const Balance balance = parse_balance(task_.options.balance);
    if (balance != Balance::none)
      for (const SampleCell& cell : sample_cells(clips, task_.corpora, task_.labels, balance))
        for (const int64_t clip : cell.clips)
          of_clip[clip] = static_cast<double>(cell.draws) / static_cast<double>(cell.clips.size());
    const Fold part{.train = clips, .development = {}, .test = {}};
    const auto by_class = loss_options({.fold = part, .labels = task_.labels, .options = task_.options}, classes_);
    for (const int64_t clip : clips)
      chosen.push_back(of_clip[clip] * (task_.options.class_weights ? by_class.class_weights[task_.label(clip)] : 1));
    return at::tensor(chosen, c10::ScalarType::Double);
  }

  const FoldTask& task_;
  int64_t classes_;
  Tensor states_;  // n×(N+1)×D of every clip of the table
  Tensor labels_;
};

// The parts on which candidates are fitted (train) and scored (test).
struct Choice {
  std::vector<Fold> folds;
  std::string by;  // how the folds were made, for config.json
};

// The clips of the training and development part, ascending.
std::vector<int64_t> clips_to_fit(const Fold& fold) {
  std::vector<int64_t> numbers = fold.train;
  numbers.insert(numbers.end(), fold.development.begin(), fold.development.end());
  std::ranges::sort(numbers);
  return numbers;
}

Choice choice_for(const Clips& clips, const std::vector<int64_t>& numbers, uint64_t seed, int64_t most_folds) {
  Clips part = clips;
  part.clips.clear();
  std::set<std::pair<std::string, std::string>> speakers;
  for (const int64_t clip : numbers) {
    part.clips.push_back(clips.clips[clip]);
    speakers.emplace(part.clips.back().corpus, part.clips.back().speaker);
  }
  const bool known = std::ranges::none_of(speakers, [](const auto& name) { return name.second.empty(); });
  const bool by_speaker = known && speakers.size() > 1;
  const int64_t count = std::min(most_folds, by_speaker ? std::ssize(speakers) : std::ssize(numbers));
  if (count < 2) fail("choosing a read-out needs at least 2 training and development clips: use more clips");
  const std::string scheme = fmt::format("{}:{}", by_speaker ? "speaker" : "random", count);
  Choice choice{
      make_folds(part, {.scheme = scheme, .seed = seed, .allow_leaks = true}, false),
      fmt::format("{} folds by {} of the training and development part", count, by_speaker ? "speaker" : "clip")};
  for (Fold& fold : choice.folds)
    for (auto* members : {&fold.train, &fold.test})
      for (int64_t& member : *members) member = numbers[member];
  return choice;
}

// The candidates of one hidden state with their scores over all parts of the choice.
std::vector<Candidate> candidates_of(int64_t state, const Fits& fits, const Choice& choice,
                                     const std::vector<double>& penalties) {
  std::vector<std::vector<Tensor>> logits(penalties.size());
  std::vector<int64_t> labels;
  for (const Fold& part : choice.folds) {
    const auto by_penalty = logits_by_penalty(fits.samples(fits.state(state, part.train), part.train),
                                              fits.state(state, part.test), penalties, scoring_tolerance);
    for (size_t i = 0; i < penalties.size(); ++i) logits[i].push_back(by_penalty[i]);
    for (const int64_t label : fits.labels(part.test)) labels.push_back(label);
  }
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < penalties.size(); ++i)
    candidates.push_back({state, penalties[i], scores_of(at::cat(logits[i]), labels)});
  return candidates;
}

// The candidate of lowest cross-entropy. With few clips many candidates have the same UAR.
const Candidate& best_of(std::span<const Candidate> candidates) {
  return *std::ranges::min_element(candidates, {}, [](const Candidate& c) { return c.scores.loss; });
}

// Fits the candidate on these clips into `head`, a logistic head of make_head().
void fill(Head& head, const Candidate& candidate, const Fits& fits, const std::vector<int64_t>& clips) {
  const Tensor x = fits.state(candidate.hidden_state, clips);
  const LogisticFit fit = fit_standardised_logistic(fits.samples(x, clips), candidate.l2);
  head.projector.weight.detach().copy_(fit.weight);
  head.projector.bias.detach().copy_(fit.bias);
  if (candidate.hidden_state < fits.states() - 1) head.hidden_state = candidate.hidden_state;
}

nlohmann::json record_of(const Candidate& best, const Candidate& last, const std::vector<Candidate>& all,
                         const Choice& choice) {
  nlohmann::json scores = nlohmann::json::array();
  for (const Candidate& c : all)
    scores.push_back({{"hidden_state", c.hidden_state}, {"l2", c.l2}, {"uar", c.scores.uar}, {"loss", c.scores.loss}});
  return {{"hidden_state", best.hidden_state},
          {"l2", best.l2},
          {"l2_of_last_hidden_state", last.l2},
          {"chosen_on", choice.by},
          {"candidates", scores}};
}

}  // namespace

Tensor all_hidden_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                         const std::function<void(int64_t)>& done) {
  EmotionModel reader = model;
  reader.head.layer_weights = at::zeros({model.adapted.encoder.config.layers + 1});  // so the pass pools every state
  return clip_states(reader, source, clips, done);
}

void fit_read_out(EmotionModel& model, const Clips& clips, const FoldTask& task, const ReadOutOptions& options) {
  const at::NoGradGuard no_grad;
  const size_t threads = at::get_num_threads();
  const OneThread one_thread(true);
  const Fits fits(task, std::ssize(model.classes));
  const std::vector<int64_t> numbers = clips_to_fit(task.fold);
  const Choice choice = choice_for(clips, numbers, task.options.seed, options.folds);
  std::vector<std::vector<Candidate>> by_state(fits.states());
  parallel_for(by_state.size(), threads, [&](size_t state) {
    by_state[state] = candidates_of(static_cast<int64_t>(state), fits, choice, options.l2);
  });
  std::vector<Candidate> all;
  for (const auto& candidates : by_state) all.insert(all.end(), candidates.begin(), candidates.end());
  const Candidate &best = best_of(all), &last = best_of(by_state.back());
  fill(model.head, best, fits, numbers);
  if (model.head.hidden_state) {
    model.last_layer_head = make_head(model.adapted.encoder, std::ssize(model.classes), {.logistic = true}, 0);
    fill(*model.last_layer_head, last, fits, numbers);
  }
  model.read_out = record_of(best, last, all, choice);
}

}  // namespace loralens
