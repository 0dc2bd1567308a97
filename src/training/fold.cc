// SPDX-License-Identifier: Apache-2.0
#include "training/fold.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>

#include <cmath>
#include <limits>

#include "base/device.h"
#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/json.h"
#include "base/memory.h"
#include "base/profile.h"
#include "base/progress.h"
#include "classifier/forward.h"
#include "inference/predict.h"
#include "training/augment/position_dropout.h"
#include "training/balance.h"
#include "training/batches.h"
#include "training/optimiser.h"
#include "training/probes/watch.h"
#include "training/state.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// Sums of losses and gradient norms over one epoch. They stay on the device, so adding does not synchronise with it.
struct EpochSums {
  Tensor loss;
  std::vector<Tensor> losses;  // of each batch
  Tensor norms[4];
  int64_t clips = 0, steps = 0;

  void add_loss(const Tensor& value, int64_t count) {
    const Tensor part = value.detach() * static_cast<double>(count);
    loss = loss.defined() ? loss + part : part;
    losses.push_back(value.detach());
    clips += count;
  }
  void add_norms(const GradientNorms& step) {
    const Tensor* parts[4] = {&step.a, &step.b, &step.other, &step.head};
    for (int i = 0; i < 4; ++i)
      if (parts[i]->defined()) norms[i] = norms[i].defined() ? norms[i] + *parts[i] : *parts[i];
    ++steps;
  }
  double mean_loss() const { return clips ? loss.item<double>() / static_cast<double>(clips) : none; }
  double mean_norm(int i) const {
    return norms[i].defined() ? norms[i].item<double>() / static_cast<double>(steps) : none;
  }
};

// Limits LibTorch to one thread while it lives: for head training, whose small products are slower on several threads.
class OneThread {
 public:
  explicit OneThread(bool wanted) : before_(at::get_num_threads()), wanted_(wanted) {
    if (wanted_) at::set_num_threads(1);
  }
  ~OneThread() {
    if (wanted_) at::set_num_threads(before_);
  }

 private:
  int before_;
  bool wanted_;
};

class FoldTraining {
 public:
  FoldTraining(EmotionModel& model, ClipSource& source, const FoldTask& task)
      : model_(model),
        source_(source),
        task_(task),
        options_(task.options),
        optimiser_(model.parameters(), {.learning_rate = options_.learning_rate,
                                        .head_learning_rate = options_.head_learning_rate,
                                        .weight_decay = options_.weight_decay,
                                        .clip_norm = options_.clip_norm}) {
    loss_.label_smoothing = options_.label_smoothing;
    if (options_.class_weights) loss_.class_weights = balanced_weights();
    cells_ = sample_cells(task.fold.train, task.corpora, task.labels, parse_balance(options_.balance));
    if (options_.watch > 0 && !task.watch.empty() && !model.adapted.parameters.empty())
      watch_.emplace(model, options_.watch);
  }

  std::vector<EpochRecord> run() {
    if (!task_.checkpoint.empty() && std::filesystem::exists(task_.checkpoint))
      restore();
    else if (options_.head_epochs > 0)
      train_head();
    steps_in_all_ = 0;
    for (int64_t epoch = 0; epoch < options_.epochs; ++epoch) {
      const auto all = batches(epoch);
      if (!task_.frozen) check_memory(model_, source_, all, machine_memory());
      steps_in_all_ += steps_of(all);
    }
    while (std::ssize(history_) < options_.epochs && !stopped_early()) {
      const OneThread one_thread(task_.frozen);
      EpochRecord record = train_epoch(std::ssize(history_));
      const Tensors trained = options_.average > 0 ? weights() : Tensors();
      if (options_.average > 0) set_weights(average_);
      score(record);
      consider(record);
      if (options_.average > 0) set_weights(trained);
      history_.push_back(record);
      if (watch_) watch_->write(task_.watch);  // before the checkpoint: on resume, newer rows than it are discarded
      if (!task_.checkpoint.empty()) {
        save();
        release_free_memory();
      }
    }
    set_weights(best_);
    return history_;
  }

 private:
  // Inverse of each class's share among the training clips, with mean 1 over clips; 0 for a class without clips.
  std::vector<double> balanced_weights() const {
    std::vector<double> counts(model_.classes.size());
    for (const int64_t clip : task_.fold.train) counts[static_cast<size_t>(label(clip))] += 1;
    double present = 0;
    for (const double count : counts) present += count > 0;
    for (double& count : counts)
      if (count > 0) count = static_cast<double>(task_.fold.train.size()) / (present * count);
    return counts;
  }

  int64_t label(int64_t clip) const { return task_.labels[static_cast<size_t>(clip)]; }

  std::vector<std::vector<int64_t>> batches(int64_t epoch) const {
    const auto clips = cells_.empty() ? task_.fold.train : draw_epoch(cells_, options_.seed, epoch);
    std::vector<int64_t> lengths;
    for (const int64_t clip : clips) lengths.push_back(source_.positions()[static_cast<size_t>(clip)]);
    return make_batches(clips, lengths,
                        {.clips = options_.batch,
                         .frames = options_.batch_frames,
                         .seed = options_.seed,
                         .by_length = options_.by_length},
                        epoch);
  }

  int64_t steps_of(const std::vector<std::vector<int64_t>>& batches) const {
    return (std::ssize(batches) + options_.accumulate - 1) / options_.accumulate;
  }

  Tensor loss_of(const std::vector<int64_t>& clips, int64_t epoch, const Taps* taps) {
    if (task_.frozen) return head_loss(start_states(clips), clips);
    const Encoder encoder = model_.compute_encoder();
    Batch batch = options_.augment.active() ? source_.augmented_batch(clips, options_.augment, options_.seed,
                                                                      static_cast<uint64_t>(epoch), &encoder)
                                            : source_.batch(clips, &encoder);
    if (options_.position_dropout > 0)
      batch = drop_positions(batch, options_.position_dropout, options_.seed, static_cast<uint64_t>(epoch));
    batch = with_round_rows(std::move(batch));
    batch.pass.dropout = {true, options_.seed, static_cast<uint64_t>(epoch)};
    batch.pass.taps = taps;
    return head_loss(head_states(network_of(model_, encoder), batch.x, source_.first_layer(), batch.pass), clips,
                     batch.pass);
  }

  Tensor start_states(const std::vector<int64_t>& clips) const {
    return at::index_select(task_.start_states, 0, on_device(clips, task_.start_states.device()));
  }

  // The loss of these clips from their pooled states (B×D or B×(N+1)×D).
  Tensor head_loss(const Tensor& states, const std::vector<int64_t>& clips, const Pass& pass = {}) const {
    return cross_entropy(logits(model_.head, states, pass), labels_of(clips), loss_);
  }

  // Trains the head alone on the states of the initial encoder, so that the adapters start with useful gradients.
  void train_head() {
    const OneThread one_thread(true);
    AdamW optimiser(parameters_of(model_.head), {.head_learning_rate = options_.head_learning_rate,
                                                 .weight_decay = options_.weight_decay,
                                                 .clip_norm = options_.clip_norm});
    int64_t step = 0;
    const int64_t steps = options_.head_epochs * std::ssize(batches(0));
    for (int64_t epoch = -options_.head_epochs; epoch < 0; ++epoch)
      for (const auto& clips : batches(epoch)) {
        head_loss(start_states(clips), clips).backward();
        optimiser.step(schedule_factor("cosine", 0, step++, steps));
      }
  }

  Tensor labels_of(const std::vector<int64_t>& clips) const {
    std::vector<int64_t> values;
    for (const int64_t clip : clips) values.push_back(label(clip));
    return on_device(values, model_.head.classifier.weight.device());
  }

  EpochRecord train_epoch(int64_t epoch) {
    const auto all = batches(epoch);
    EpochSums sums;
    EpochRecord record;
    record.epoch = epoch;
    for (size_t first = 0; first < all.size(); first += static_cast<size_t>(options_.accumulate)) {
      const size_t end = std::min(all.size(), first + static_cast<size_t>(options_.accumulate));
      int64_t clips = 0;
      for (size_t b = first; b < end; ++b) clips += std::ssize(all[b]);
      const Taps* taps = watch_ ? watch_->begin(step_, epoch) : nullptr;
      for (size_t b = first; b < end; ++b) {
        if (!task_.frozen)
          for (size_t next = b; next < std::min(b + 3, all.size()); ++next) source_.prefetch(all[next]);
        const Tensor loss = [&] {
          const Timed time(Phase::forward);
          return loss_of(all[b], epoch, taps);
        }();
        const Timed time(Phase::backward);
        (loss * (static_cast<double>(all[b].size()) / static_cast<double>(clips))).backward();
        sums.add_loss(loss, std::ssize(all[b]));
      }
      if (taps) watch_->end();
      const double factor = schedule_factor(options_.schedule, options_.warmup, step_, steps_in_all_);
      record.learning_rate = factor * options_.learning_rate;
      {
        const Timed time(Phase::optimiser);
        sums.add_norms(optimiser_.step(factor));
      }
      if (options_.average > 0) add_to_average(epoch);
      ++step_;
      if (task_.progress && (step_ % 8 == 0 || end == all.size()))
        task_.progress({step_, steps_in_all_, epoch, sums.mean_loss(), best_uar_});
    }
    record.steps = step_;
    record.loss = sums.mean_loss();
    if (!std::isfinite(record.loss)) fail_not_finite(all, sums, epoch);
    record.norm_a = sums.mean_norm(0);
    record.norm_b = sums.mean_norm(1);
    record.norm_other = sums.mean_norm(2);
    record.norm_head = sums.mean_norm(3);
    return record;
  }

  // Error that names the cause of a loss that is not finite: a clip, or else diverged weights.
  [[noreturn]] void fail_not_finite(const std::vector<std::vector<int64_t>>& batches, const EpochSums& sums,
                                    int64_t epoch) {
    size_t b = 0;
    while (b + 1 < sums.losses.size() && std::isfinite(sums.losses[b].item<double>())) ++b;
    check_finite(model_, source_, batches[b]);
    std::string names;
    for (const int64_t clip : batches[b]) names += (names.empty() ? "" : ", ") + source_.clip(clip).id;
    fail("epoch {}: the loss is no finite number from batch {} on ({}), whose clips are sound: lower the learning rate",
         epoch + 1, b + 1, names);
  }

  // Loss, UAR and WAR on the part that chooses the epoch.
  void score(EpochRecord& record) {
    record.loss_chosen_by = record.uar = record.war = none;
    if (options_.selection == Selection::last) return;
    const auto& clips = options_.selection == Selection::test ? task_.fold.test : task_.fold.development;
    if (clips.empty())
      fail("there is no development part to choose the epoch on: keep the last one with --select last");
    const at::NoGradGuard no_grad;
    const Tensor states = task_.frozen ? start_states(clips) : clip_states(model_, source_, clips);
    const Tensor out = logits(model_.head, states, Pass{});
    record.loss_chosen_by = cross_entropy(out, labels_of(clips), {}).item<double>();
    const Tensor predicted = out.argmax(1).cpu();
    Confusion confusion(std::ssize(model_.classes));
    for (size_t i = 0; i < clips.size(); ++i) confusion.add(label(clips[i]), predicted.const_data_ptr<int64_t>()[i]);
    record.uar = uar(confusion);
    record.war = war(confusion);
  }

  // Keeps this epoch's weights if it is the best so far.
  void consider(EpochRecord& record) {
    if (options_.selection == Selection::last) {
      record.kept = record.epoch + 1 == options_.epochs;
      if (record.kept) best_ = weights();
      return;
    }
    const double value = options_.selection == Selection::test ? record.war : record.uar;
    // The published code keeps a later epoch only if it is strictly better; the strict protocol breaks ties by loss.
    const bool tie =
        options_.selection == Selection::development && value == best_value_ && record.loss_chosen_by < best_loss_;
    if (!(value > best_value_) && !tie) return;
    for (auto& earlier : history_) earlier.kept = false;
    record.kept = true;
    best_value_ = value;
    best_loss_ = record.loss_chosen_by;
    best_uar_ = record.uar;
    best_ = weights();
  }

  std::vector<Parameter> trained() const {
    std::vector<Parameter> parameters = model_.parameters();
    std::erase_if(parameters, [](const Parameter& p) { return !p.trained; });
    return parameters;
  }

  // A copy of the current values of the trained parameters.
  Tensors weights() const {
    Tensors copy;
    for (const Parameter& p : trained()) copy[p.name] = p.tensor.detach().clone();
    return copy;
  }

  void set_weights(const Tensors& values) {
    const at::NoGradGuard no_grad;
    for (const Parameter& p : trained()) p.tensor.detach().copy_(values.at(p.name));
  }

  // The running mean starts after the first epoch, when the weights have moved away from their initial values.
  void add_to_average(int64_t epoch) {
    const at::NoGradGuard no_grad;
    if (epoch == 0 || average_.empty()) {
      average_ = weights();
      return;
    }
    for (const Parameter& p : trained()) average_[p.name].lerp_(p.tensor.detach(), 1 - options_.average);
  }

  bool stopped_early() const {
    if (options_.patience == 0 || options_.selection == Selection::last) return false;
    int64_t since = 0;
    for (const auto& record : history_) since = record.kept ? 0 : since + 1;
    return since >= options_.patience;
  }

  void save() const;
  void restore();

  EmotionModel& model_;
  ClipSource& source_;
  const FoldTask& task_;
  const TrainOptions& options_;
  AdamW optimiser_;
  LossOptions loss_;
  std::vector<SampleCell> cells_;  // for balanced sampling; empty: an epoch holds each training clip once
  std::vector<EpochRecord> history_;
  std::optional<Watch> watch_;
  int64_t step_ = 0, steps_in_all_ = 0;
  Tensors best_, average_;
  double best_value_ = -1, best_loss_ = none, best_uar_ = none;
};

void FoldTraining::save() const {
  TrainingState state{step_, best_value_, best_loss_, best_uar_, history_, optimiser_.state(), {}, best_, average_};
  for (const Parameter& p : trained()) state.now[p.name] = p.tensor.detach();
  write_state(task_.checkpoint, state);
}

void FoldTraining::restore() {
  const TrainingState state = read_state(task_.checkpoint, trained(), optimiser_.state());
  if ((options_.average > 0) != !state.average.empty() || std::ssize(state.history) > options_.epochs)
    fail("{}: this checkpoint is from a training with other options: delete the file to train this fold from its start",
         task_.checkpoint.string());
  step_ = state.step;
  if (watch_ && std::filesystem::exists(task_.watch))
    watch_->restore(task_.watch, step_);
  else if (watch_)
    log_line(fmt::format("{} is missing: its rows will start at step {}", task_.watch.string(), step_));
  best_value_ = state.best_value;
  best_loss_ = state.best_loss;
  best_uar_ = state.best_uar;
  history_ = state.history;
  optimiser_.restore(state.optimiser);
  best_ = state.best;
  average_ = state.average;
  set_weights(state.now);
}

}  // namespace

std::vector<EpochRecord> train_fold(EmotionModel& model, ClipSource& source, const FoldTask& task) {
  return FoldTraining(model, source, task).run();
}

std::string format_history(std::span<const EpochRecord> history) {
  const auto text = [](double value) { return std::isfinite(value) ? fmt::format("{:.6g}", value) : std::string(); };
  Table table{{"epoch", "steps", "loss", "learning_rate", "gradient_norm_A", "gradient_norm_B", "gradient_norm_encoder",
               "gradient_norm_head", "selection_loss", "selection_uar", "selection_war", "kept"},
              {}};
  for (const auto& r : history)
    table.rows.push_back({std::to_string(r.epoch), std::to_string(r.steps), text(r.loss), text(r.learning_rate),
                          text(r.norm_a), text(r.norm_b), text(r.norm_other), text(r.norm_head), text(r.loss_chosen_by),
                          text(r.uar), text(r.war), r.kept ? "1" : "0"});
  return format_csv(table);
}

}  // namespace loralens
