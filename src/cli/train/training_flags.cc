// SPDX-License-Identifier: Apache-2.0
#include "cli/train/training_flags.h"

#include "cli/numbers.h"

namespace loralens {
namespace {

void add_objective_flags(CLI::App& command, TrainOptions& o) {
  const char* group = "Training";
  command.add_option("--class-weights", o.class_weights, "weight the loss by the inverse of each class's share")
      ->group(group);
  command
      .add_option("--soft-labels", o.soft_labels,
                  "columns of raters' votes, such as ang_votes=anger,hap_votes=happiness: train on their distribution")
      ->group(group);
  add_number(command, "--label-smoothing", o.label_smoothing, train_ranges::share,
             "label smoothing: share of the target that is spread evenly over all classes")
      ->group(group);
  add_number(command, "--orthogonality", o.orthogonality, train_ranges::penalty,
             "weight of a penalty on inner products of different columns of B; 0: none")
      ->group(group);
  add_number(command, "--nuclear-norm", o.nuclear_norm, train_ranges::penalty,
             "weight of a penalty on the singular values of B; 0: none")
      ->group(group);
  command
      .add_option("--specialize", o.specialize,
                  "auxiliary head on the output of layer K: early:K trains the layers up to K to predict the emotion, "
                  "late:K to hide it (gradient reversal); or none")
      ->group(group);
  add_number(command, "--specialize-weight", o.specialize_weight, train_ranges::specialize_weight,
             "weight of the auxiliary loss of --specialize")
      ->group(group);
}

}  // namespace

void add_training_flags(CLI::App& command, RunOptions& run, std::string& select) {
  TrainOptions& o = run.train;
  const char* group = "Training";
  const auto number = [&](const char* flag, auto& value, const auto& range, const char* description) {
    add_number(command, flag, value, range, description)->group(group);
  };
  number("--epochs", o.epochs, train_ranges::epochs, "passes over the training part");
  number("--head-epochs", o.head_epochs, train_ranges::head_epochs,
         "passes that train the head alone, before the epochs");
  number("--batch", o.batch, train_ranges::batch, "clips in a batch");
  number("--batch-frames", o.batch_frames, train_ranges::batch_frames,
         "maximum positions in a batch (50 per second), instead of --batch");
  command.add_option("--by-length", o.by_length, "make batches of clips of similar length")->group(group);
  number("--accumulate", o.accumulate, train_ranges::accumulate, "batches per optimiser step");
  number("--learning-rate", o.learning_rate, train_ranges::learning_rate, "learning rate of the adapters");
  number("--head-learning-rate", o.head_learning_rate, train_ranges::learning_rate,
         "learning rate of the emotion head");
  number("--layer-decay", o.layer_decay, train_ranges::layer_decay,
         "learning rate of a layer, as a factor of the rate of the layer above");
  command.add_option("--schedule", o.schedule, "linear, cosine or constant")
      ->check(CLI::IsMember({"linear", "cosine", "constant"}))
      ->group(group);
  number("--warmup", o.warmup, train_ranges::share, "warm-up, as a share of all steps");
  number("--weight-decay", o.weight_decay, train_ranges::weight_decay, "decoupled weight decay (AdamW)");
  number("--clip-norm", o.clip_norm, train_ranges::clip_norm,
         "gradient clipping: largest norm of a step's gradient; 0: none");
  number("--position-dropout", o.position_dropout, train_ranges::share,
         "share of a clip's positions dropped in each step");
  number("--average", o.average, train_ranges::average,
         "decay of an exponential moving average of the weights, which is scored and saved instead; 0: none");
  command
      .add_option("--balance", o.balance,
                  "groups that an epoch draws equally often: none, corpora, classes, or corpora,classes")
      ->group(group);
  add_objective_flags(command, o);
  number("--patience", o.patience, train_ranges::patience,
         "early stopping: epochs without improvement before training stops; 0: never");
  command
      .add_option("--select", select,
                  "epoch to keep: last, or best on development or test (published, optimistic); auto: the protocol's")
      ->check(CLI::IsMember({"auto", "last", "development", "test"}))
      ->group(group);
  number("--watch", o.watch, train_ranges::watch,
         "interval in steps of the measurements in watch.csv (gradients, adapters, logit lens); 0: none");
  number("--time-masks", o.augment.time_masks, train_ranges::time_masks, "SpecAugment: masks over time");
  number("--time-share", o.augment.time_share, train_ranges::time_share,
         "SpecAugment: longest time mask, as a share of the clip");
  number("--mel-masks", o.augment.mel_masks, train_ranges::mel_masks, "SpecAugment: masks over mel bins");
  number("--mel-width", o.augment.mel_width, train_ranges::mel_width, "SpecAugment: widest mel mask, in bins");
  number("--seed", o.seed, train_ranges::seed, "random seed of initial values, folds, clip order and dropout");
  number("--seeds", run.seeds, train_ranges::seeds,
         "trainings of each fold, with the random seeds S, S+1, ..., where S is --seed");
  command
      .add_flag("--same-start", run.same_start,
                "all folds start from the same initial values (as with --protocol paper)")
      ->group(group);
}

}  // namespace loralens
