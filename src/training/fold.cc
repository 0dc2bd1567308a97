// SPDX-License-Identifier: Apache-2.0
// Training of one fold: the loop over epochs and steps.
#include "training/fold.h"

#include <ATen/TensorOperators.h>

#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/memory.h"
#include "base/profile.h"
#include "inference/predict.h"
#include "training/batches/deal.h"
#include "training/batches/epoch_batches.h"
#include "training/checkpoint.h"
#include "training/forward.h"
#include "training/head_training.h"
#include "training/objective/auxiliary_head.h"
#include "training/objective/cross_entropy.h"
#include "training/objective/factor_penalties.h"
#include "training/one_thread.h"
#include "training/optimiser.h"
#include "training/probes/gradient_norms.h"
#include "training/probes/watch.h"
#include "training/processes/shared.h"
#include "training/selection.h"
#include "training/weights.h"

namespace loralens {
namespace {

// The state of the current epoch.
struct Epoch {
  int64_t number;
  std::vector<std::vector<int64_t>> batches;  // clip numbers of each batch
  std::vector<BatchPart> parts;  // what this process computes of them, in the order of the batches
  size_t next = 0;  // the first part that is not computed yet
  EpochLoss loss;  // of the parts so far
};

// The objective with the terms that the options choose.
Objective make_objective(const EmotionModel& model, const FoldTask& task) {
  std::vector<std::unique_ptr<LossTerm>> terms;
  terms.push_back(std::make_unique<CrossEntropy>(loss_options(task, std::ssize(model.classes))));
  const TrainOptions& o = task.options;
  const auto add_penalty = [&](const char* name, FactorPenalty::Penalty penalty, double weight, const char* flag) {
    if (weight > 0) terms.push_back(std::make_unique<FactorPenalty>(name, penalty, weight, model.parameters(), flag));
  };
  add_penalty("orthogonality", orthogonality, o.orthogonality, "--orthogonality");
  add_penalty("nuclear_norm", nuclear_norm, o.nuclear_norm, "--nuclear-norm");
  if (const auto specialization = parse_specialization(o.specialize))
    terms.push_back(std::make_unique<AuxiliaryHead>(*specialization, o.specialize_weight,
                                                    loss_options(task, std::ssize(model.classes)), model, o.seed));
  return Objective(std::move(terms));
}

// The model's trained parameters, with the rate factors of --layer-decay.
std::vector<Parameter> trained_parameters(const EmotionModel& model, double layer_decay) {
  std::vector<Parameter> parameters = model.parameters();
  std::erase_if(parameters, [](const Parameter& p) { return !p.trained; });
  const int64_t last = model.adapted.encoder.config.layers - 1;
  for (Parameter& p : parameters)
    if (!p.in_head()) p.rate_factor *= std::pow(layer_decay, static_cast<double>(last - p.layer));
  return parameters;
}

// The probes of a training, in the order of their columns in history.csv.
std::vector<std::unique_ptr<StepProbe>> make_probes(const EmotionModel& model, const FoldTask& task) {
  std::vector<std::unique_ptr<StepProbe>> probes;
  probes.push_back(std::make_unique<GradientNorms>(trained_parameters(model, task.options.layer_decay)));
  if (task.options.watch > 0 && !task.watch.empty() && !model.adapted.parameters.empty())
    probes.push_back(std::make_unique<Watch>(model, task.options.watch, task.watch, task.processes));
  return probes;
}

// The model's trained parameters, then those of the objective's terms.
std::vector<Parameter> all_trained(std::vector<Parameter> of_model, const Objective& objective) {
  for (const auto& term : objective.terms())
    for (Parameter& p : term->parameters()) of_model.push_back(std::move(p));
  return of_model;
}

class FoldTraining {
 public:
  FoldTraining(EmotionModel& model, ClipSource& source, const FoldTask& task);
  std::vector<EpochRecord> run();

 private:
  void count_steps();
  bool begin_epoch();
  EpochRecord train_epoch(int64_t number);
  Epoch new_epoch(int64_t number);
  void take_step(Epoch& epoch, size_t first, size_t end, double factor);
  Taps begin_step(int64_t epoch);
  void add_gradients(Epoch& epoch, double step_clips, const Taps& taps);
  double weight_of(const std::vector<int64_t>& clips) const;
  void score(EpochRecord& record);
  std::vector<Measurement> measurements(const EpochLoss& loss);
  [[noreturn]] void fail_not_finite(const Epoch& epoch);
  void write_checkpoint() const;
  void resume();

  EmotionModel& model_;
  ClipSource& source_;
  const FoldTask& task_;
  const TrainOptions& options_;
  Processes& processes_;
  Objective objective_;
  std::vector<double> clip_weights_;
  std::vector<Parameter> trained_;
  std::vector<std::unique_ptr<StepProbe>> probes_;
  EpochBatches batches_;
  TrainingForward forward_;
  AdamW optimiser_;
  EpochSelection selection_;
  std::optional<WeightAverage> average_;
  std::vector<EpochRecord> history_;
  int64_t step_ = 0, steps_in_all_ = 0;
};

FoldTraining::FoldTraining(EmotionModel& model, ClipSource& source, const FoldTask& task)
    : model_(model),
      source_(source),
      task_(task),
      options_(task.options),
      processes_(task.processes),
      objective_(make_objective(model, task)),
      clip_weights_(clip_weights(task, std::ssize(model.classes))),
      trained_(all_trained(trained_parameters(model, task.options.layer_decay), objective_)),
      probes_(make_probes(model, task)),
      batches_(source, task),
      forward_(model, source, task),
      optimiser_(trained_, {.learning_rate = options_.learning_rate,
                            .head_learning_rate = options_.head_learning_rate,
                            .weight_decay = options_.weight_decay,
                            .clip_norm = options_.clip_norm}),
      selection_(options_, trained_) {
  if (options_.average > 0) average_.emplace(trained_, options_.average);
}

std::vector<EpochRecord> FoldTraining::run() {
  const bool interrupted = !task_.checkpoint.empty() && std::filesystem::exists(task_.checkpoint);
  if (interrupted) resume();
  if (number_of_first(processes_, interrupted) == 0 && options_.head_epochs > 0)
    train_head(model_, forward_, batches_, task_);
  count_steps();
  while (begin_epoch()) {
    const OneThread one_thread(task_.frozen);
    EpochRecord record = train_epoch(std::ssize(history_));
    const Tensors latest = average_ ? copy_values(trained_) : Tensors();
    if (average_) set_values(trained_, average_->values());  // the average is scored and kept
    score(record);
    if (processes_.leads()) selection_.consider(record, history_);
    if (average_) set_values(trained_, latest);
    history_.push_back(record);
    if (processes_.leads())
      for (const auto& probe : probes_) probe->write();
    if (!task_.checkpoint.empty()) write_checkpoint();
    if (!task_.checkpoint.empty() || !processes_.leads()) release_free_memory();
  }
  if (processes_.leads()) set_values(trained_, selection_.best().weights);
  return history_;
}

// Whether another epoch follows. All processes then have the state of the first one, which alone chooses epochs and
// reads checkpoints.
bool FoldTraining::begin_epoch() {
  const bool more = std::ssize(history_) < options_.epochs && !selection_.stops_early(history_);
  if (processes_.size() == 1) return more;
  if (number_of_first(processes_, more) == 0) return false;
  history_.resize(number_of_first(processes_, std::ssize(history_)));
  step_ = number_of_first(processes_, step_);
  std::vector<at::Tensor> state;
  for (const Parameter& p : trained_) state.push_back(p.tensor);
  for (const auto& [name, tensor] : optimiser_.state()) state.push_back(tensor);
  if (average_ && number_of_first(processes_, !average_->values().empty()) != 0) {
    if (average_->values().empty()) average_->restore(copy_values(trained_));
    for (const auto& [name, tensor] : average_->values()) state.push_back(tensor);
  }
  copy_first(processes_, state);
  return true;
}

// Sets steps_in_all_. Error if a batch of any epoch does not fit into memory.
void FoldTraining::count_steps() {
  steps_in_all_ = 0;
  for (int64_t epoch = 0; epoch < options_.epochs; ++epoch) {
    const auto all = batches_.of(epoch);
    if (!task_.frozen) check_memory(model_, source_, all, machine_memory());
    steps_in_all_ += (std::ssize(all) + options_.accumulate - 1) / options_.accumulate;
  }
}

Epoch FoldTraining::new_epoch(int64_t number) {
  auto batches = batches_.of(number);
  std::vector<BatchPart> parts;
  for (size_t first = 0; first < batches.size(); first += options_.accumulate) {
    const size_t end = std::min<size_t>(batches.size(), first + options_.accumulate);
    for (BatchPart& part : dealt(batches, first, end, source_.positions(), processes_.rank(), processes_.size()))
      parts.push_back(std::move(part));
  }
  EpochLoss loss(objective_, batches.size());
  return {.number = number, .batches = std::move(batches), .parts = std::move(parts), .loss = std::move(loss)};
}

EpochRecord FoldTraining::train_epoch(int64_t number) {
  Epoch epoch = new_epoch(number);
  const size_t count = epoch.batches.size();
  double factor = 0;  // on the learning rates
  for (size_t first = 0; first < count; first += options_.accumulate) {
    const size_t end = std::min<size_t>(count, first + options_.accumulate);
    factor = schedule_factor(options_.schedule, options_.warmup, step_, steps_in_all_);
    take_step(epoch, first, end, factor);
    if (task_.progress && (step_ % 8 == 0 || end == count))
      task_.progress({.step = step_,
                      .steps = steps_in_all_,
                      .epoch = number,
                      .loss = epoch.loss.mean(),
                      .uar = selection_.best().uar});
  }
  epoch.loss.sum_over(processes_);
  EpochRecord record{.epoch = number,
                     .steps = step_,
                     .loss = epoch.loss.mean(),
                     .learning_rate = factor * options_.learning_rate,
                     .measured = measurements(epoch.loss)};
  if (!std::isfinite(record.loss)) fail_not_finite(epoch);
  return record;
}

// One update of the weights, at `factor` times the learning rates, from the batches `first` to `end` - 1.
void FoldTraining::take_step(Epoch& epoch, size_t first, size_t end, double factor) {
  size_t clips = 0;
  for (size_t b = first; b < end; ++b) clips += epoch.batches[b].size();
  const Taps taps = begin_step(epoch.number);
  while (epoch.next < epoch.parts.size() && epoch.parts[epoch.next].batch < end)
    add_gradients(epoch, static_cast<double>(clips), taps);
  {
    const Timed time(Phase::optimiser);
    sum_gradients(processes_, trained_);
    // The step's gradients are complete, and no code has read them. Code that changes gradients belongs here
    // (docs/architecture.md, "A training step").
    for (const auto& probe : probes_) probe->see_gradients();
    optimiser_.step(factor);
  }
  if (average_) average_->add(epoch.number);
  ++step_;
}

// The observers of a step's forward passes.
Taps FoldTraining::begin_step(int64_t epoch) {
  Taps taps;
  for (const auto& probe : probes_)
    if (Observer* observer = probe->begin_step(step_, epoch)) taps.observers.push_back(observer);
  return taps;
}

// The sum of the clips' weights in the mean of their batch.
double FoldTraining::weight_of(const std::vector<int64_t>& clips) const {
  double sum = 0;
  for (const int64_t clip : clips) sum += clip_weights_[clip];
  return sum;
}

// Adds the gradients of the epoch's next part to those of the step's earlier parts, as its share of the mean over all
// clips of the step, whose number is step_clips.
void FoldTraining::add_gradients(Epoch& epoch, double step_clips, const Taps& taps) {
  const size_t number = epoch.next++;
  const auto& [b, clips] = epoch.parts[number];
  if (!task_.frozen)
    for (size_t next = number; next < std::min(number + 3, epoch.parts.size()); ++next)
      source_.prefetch(epoch.parts[next].clips);
  const auto& batch = epoch.batches[b];
  const double counted = static_cast<double>(batch.size()) * (weight_of(clips) / weight_of(batch));
  const ObjectiveValue value = [&] {
    const Timed time(Phase::forward);
    BatchOutputs outputs = forward_.training(clips, epoch.number, taps.observers.empty() ? nullptr : &taps);
    outputs.progress = static_cast<double>(step_) / static_cast<double>(steps_in_all_);
    return objective_.evaluate(outputs);
  }();
  const Timed time(Phase::backward);
  (value.sum * (counted / step_clips)).backward();
  epoch.loss.add(value, b, counted);
}

// The cells that the objective and the probes add to the epoch's row.
std::vector<Measurement> FoldTraining::measurements(const EpochLoss& loss) {
  std::vector<Measurement> measured = loss.term_means();
  for (const auto& probe : probes_)
    for (Measurement& one : probe->end_epoch()) measured.push_back(std::move(one));
  return measured;
}

// Fails because the loss is not finite, and names the cause: a clip, or else a diverged training.
void FoldTraining::fail_not_finite(const Epoch& epoch) {
  const size_t b = epoch.loss.first_not_finite();
  check_finite(model_, source_, epoch.batches[b]);
  std::string names;
  for (const int64_t clip : epoch.batches[b]) names += (names.empty() ? "" : ", ") + source_.clip(clip).id;
  fail("epoch {}: the loss is not finite from batch {} on ({}), although its clips are valid: lower the learning rate",
       epoch.number + 1, b + 1, names);
}

void FoldTraining::score(EpochRecord& record) {
  if (options_.selection == Selection::last) return;
  const auto& clips = options_.selection == Selection::test ? task_.fold.test : task_.fold.development;
  if (clips.empty()) fail("there is no development part to choose the epoch on: keep the last one with --select last");
  const at::Tensor logits = shared_rows(
      processes_, clips, [&](std::span<const int64_t> own) { return forward_.logits_of({own.begin(), own.end()}); });
  record.selection = scores_of(logits, forward_.classes_of(clips));
}

void FoldTraining::write_checkpoint() const {
  TrainingState state{.step = step_, .history = history_, .best = selection_.best(), .optimiser = optimiser_.state()};
  for (const Parameter& p : trained_) state.now[p.name] = p.tensor.detach();
  if (average_) state.average = average_->values();
  write_state(task_.checkpoint, state);
}

void FoldTraining::resume() {
  const TrainingState state = read_state(task_.checkpoint, trained_, optimiser_.state());
  const EpochRecord like{.measured = measurements(EpochLoss(objective_, 0))};
  if (average_.has_value() == state.average.empty() || std::ssize(state.history) > options_.epochs ||
      columns_of(state.history.front()) != columns_of(like))
    fail("{}: this checkpoint is from a training with other options: delete the file to train this fold from its start",
         task_.checkpoint.string());
  step_ = state.step;
  history_ = state.history;
  for (const auto& probe : probes_) probe->resume(step_);
  selection_.restore(state.best);
  optimiser_.restore(state.optimiser);
  if (average_) average_->restore(state.average);
  set_values(trained_, state.now);
}

}  // namespace

std::vector<EpochRecord> train_fold(EmotionModel& model, ClipSource& source, const FoldTask& task) {
  return FoldTraining(model, source, task).run();
}

}  // namespace loralens
