// SPDX-License-Identifier: Apache-2.0
#include "training/fold.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "training/test_fold_training.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

TEST_F(FoldTest, EveryMethodLearns) {
  for (const char* method : {"lora", "frozen", "full"}) {
    options_.epochs = method == std::string("frozen") ? 60 : 12;  // frozen: only the head learns, on random features
    EmotionModel model = new_model(tiny_adapter(method, 0.1));
    const auto history = train(model);
    ASSERT_EQ(std::ssize(history), options_.epochs);
    EXPECT_LT(history.back().loss, 0.5 * history.front().loss) << method;
    EXPECT_EQ(uar_of(model, fold_.train), 1) << method;
    EXPECT_GE(uar_of(model, fold_.test), 0.75) << method;
    EXPECT_EQ(history.back().steps, 3 * options_.epochs);
    const bool lora = model.options.method == "lora";
    EXPECT_EQ(std::isfinite(gradient_norm(history[0], "A")), lora);
    EXPECT_EQ(std::isfinite(gradient_norm(history[0], "B")), lora);
    EXPECT_EQ(std::isfinite(gradient_norm(history[0], "encoder")), model.options.method == "full");
    EXPECT_GT(gradient_norm(history[0], "head"), 0);
    EXPECT_EQ(sha256_of(base_.encoder), base_.sha256) << "the base must not change";
  }
}

TEST_F(FoldTest, AWeightedLayerSumAndAllOptionsLearn) {
  options_.epochs = 40;
  options_.accumulate = 2;
  options_.class_weights = true;
  options_.label_smoothing = 0.05;
  options_.head_epochs = 5;
  options_.batch_frames = 200;
  options_.average = 0.5;
  for (const char* method : {"lora", "frozen"}) {
    EmotionModel model = new_model(tiny_adapter(method), true);
    train(model);
    EXPECT_EQ(uar_of(model, fold_.train), 1) << method;
    EXPECT_GT(difference(model.head.layer_weights, at::empty({4}).fill_(0.25)), 0) << method;
  }
}

TEST_F(FoldTest, HeadEpochsTrainTheHeadAlone) {
  options_.epochs = 1;
  options_.learning_rate = options_.head_learning_rate = 1e-30;  // too low to change weights in the epoch
  EmotionModel without = new_model(tiny_adapter("lora")), with = new_model(tiny_adapter("lora"));
  const double loss = train(without)[0].loss;
  EXPECT_GT(loss, 0.6);  // an untrained head for two classes: ln 2
  options_.head_epochs = 30;
  options_.head_learning_rate = 0.01;
  const auto history = train(with);
  EXPECT_LT(history[0].loss, 0.7 * loss) << "the first epoch starts with a trained head";
  EXPECT_GT(difference(with.head.classifier.weight, without.head.classifier.weight), 0.1);
  for (const Parameter& p : with.adapted.parameters)
    EXPECT_EQ(p.role == ParameterRole::factor_b, largest(p.tensor.detach()) < 1e-20)
        << p.name << ": head epochs must not train adapters";
}

// Accumulating two batches gives the same gradients as one batch of all their clips: the mean over the step's clips.
TEST_F(FoldTest, AccumulatedBatchesMakeOneStep) {
  const auto gradient_norms = [&](int64_t batch, int64_t accumulate) {
    options_.epochs = 1;
    options_.batch = batch;
    options_.accumulate = accumulate;
    options_.by_length = false;
    EmotionModel model = new_model(tiny_adapter("lora"));
    const auto record = train(model)[0];
    EXPECT_EQ(record.steps, 1);
    return std::pair(gradient_norm(record, "head"), record.loss);
  };
  const auto [norm, loss] = gradient_norms(12, 1);
  for (const auto& [batch, accumulate] : {std::pair{5, 3}, {4, 3}, {1, 12}}) {
    const auto [other_norm, other_loss] = gradient_norms(batch, accumulate);
    EXPECT_NEAR(other_norm / norm, 1, 1e-5) << batch;
    EXPECT_NEAR(other_loss / loss, 1, 1e-6) << batch;
  }
}

TEST_F(FoldTest, ProbesSeeGradientsBeforeClipping) {
  options_.epochs = 1;
  options_.batch = 12;  // one step
  const auto norms = [&](double clip_norm) {
    options_.clip_norm = clip_norm;
    EmotionModel model = new_model(tiny_adapter("lora"));
    const EpochRecord record = train(model)[0];
    return std::pair(gradient_norm(record, "B"), gradient_norm(record, "head"));
  };
  const auto [b, head] = norms(0);
  EXPECT_GT(head, 1e-3);
  EXPECT_EQ(norms(1e-3), std::pair(b, head));
}

TEST_F(FoldTest, ACheckpointWithOtherMeasurementsIsRefused) {
  options_.epochs = 1;
  const Path checkpoint = folder_.path() / "checkpoint.safetensors";
  EmotionModel model = new_model(tiny_adapter("lora"));
  train(model, checkpoint);
  auto metadata = Safetensors(checkpoint).metadata();
  std::string& state = metadata.at("state");
  state.replace(state.find("gradient_norm_B"), 15, "gradient_norm_C");
  write_safetensors(checkpoint, read_safetensors(checkpoint), metadata);
  EXPECT_THAT(error_of([&] { train(model, checkpoint); }), HasSubstr("from a training with other options"));
}

TEST_F(FoldTest, ClassWeightsAreInverseShares) {
  fold_.train = {0, 2, 4, 6, 8, 1};  // five "high", one "low"
  options_.epochs = 1;
  options_.batch = 6;
  options_.learning_rate = options_.head_learning_rate = 1e-30;
  options_.class_weights = true;
  EmotionModel model = new_model(tiny_adapter("lora"));
  const Tensor nll = -at::log_softmax(answers(model, fold_.train), 1);
  double expected = 0;  // each class has the weight 1/2
  for (int64_t i = 0; i < 6; ++i) expected += nll[i][i < 5 ? 0 : 1].item<double>() * (i < 5 ? 0.1 : 0.5);
  EXPECT_NEAR(train(model)[0].loss, expected, 1e-6);
}

// ---- Reproducibility: the same bits after a repetition and after a resume

// Options with every source of random numbers and every part of a checkpoint.
TrainOptions everything_on(TrainOptions options) {
  options.epochs = 4;
  options.batch = 1;
  options.position_dropout = 0.3;
  options.average = 0.9;
  options.head_epochs = 2;
  options.augment = {.time_masks = 1, .mel_masks = 1};
  options.selection = Selection::development;
  return options;
}

TEST_F(FoldTest, TheSeedDecidesEveryBit) {
  options_ = everything_on(options_);
  options_.epochs = 2;
  EmotionModel first = new_model(tiny_adapter("lora", 0.2)), second = new_model(tiny_adapter("lora", 0.2));
  const auto history = train(first);
  EXPECT_EQ(format_history(train(second)), format_history(history));
  expect_same_parameters(first, second);
  EmotionModel third = new_model(tiny_adapter("lora", 0.2));  // the same initial values
  options_.seed = 43;
  EXPECT_NE(format_history(train(third)), format_history(history));
  EXPECT_FALSE(same_bits(third.head.classifier.weight, first.head.classifier.weight));
}

class Resumed : public FoldTest, public testing::WithParamInterface<std::string> {};

TEST_P(Resumed, EndsWithTheBitsOfAnUninterruptedRun) {
  options_ = everything_on(options_);
  if (GetParam() == "frozen") options_.augment = {};
  const Path checkpoint = folder_.path() / "checkpoint.safetensors";
  EmotionModel whole = new_model(tiny_adapter(GetParam(), 0.2));
  const auto history = train(whole);
  train_until(32, tiny_adapter(GetParam(), 0.2), checkpoint);  // 12 steps an epoch: stops in the third epoch
  EXPECT_TRUE(std::filesystem::exists(checkpoint));
  EmotionModel resumed = new_model(tiny_adapter(GetParam(), 0.2));
  std::vector<int64_t> epochs;
  const auto rest = train(resumed, checkpoint, [&](const TrainProgress& p) { epochs.push_back(p.epoch); });
  EXPECT_EQ(epochs.front(), 2) << "whole epochs are not trained again";
  EXPECT_EQ(format_history(rest), format_history(history));
  expect_same_parameters(resumed, whole);
  // A finished training takes no further step.
  EmotionModel again = new_model(tiny_adapter(GetParam(), 0.2));
  EXPECT_EQ(format_history(train(again, checkpoint, [](const TrainProgress&) { throw Stop(); })),
            format_history(history));
  expect_same_parameters(again, whole);
}

INSTANTIATE_TEST_SUITE_P(Methods, Resumed, testing::Values("lora", "frozen", "full"),
                         [](const auto& info) { return info.param; });

// ---- Selection of the epoch

// Clips 0 to 9 are from one corpus, 10 and 11 from another: each epoch draws six of each, in three batches of four.
TEST_F(FoldTest, ABalancedEpochDrawsCorporaEquallyOftenAndResumesWithTheSameBits) {
  std::vector<int64_t> corpora(20, 0);
  corpora[10] = corpora[11] = 1;
  options_.balance = "corpora";
  const Path checkpoint = folder_.path() / "balanced.safetensors";
  const auto train = [&](EmotionModel& model, const Path& place,
                         const std::function<void(const TrainProgress&)>& progress) {
    ClipSource source(base_.encoder, clips_.clips, model.first_adapted_layer(), {});
    return train_fold(model, source,
                      {.fold = fold_,
                       .labels = labels_,
                       .options = options_,
                       .checkpoint = place,
                       .progress = progress,
                       .corpora = corpora});
  };
  EmotionModel whole = new_model(tiny_adapter("lora")), stopped = new_model(tiny_adapter("lora")),
               plain = new_model(tiny_adapter("lora"));
  const auto history = train(whole, {}, {});
  EXPECT_EQ(history.front().steps, 3);
  struct Stop {};
  EXPECT_THROW(train(stopped, checkpoint,
                     [](const TrainProgress& p) {
                       if (p.epoch == 1) throw Stop();
                     }),
               Stop);
  EmotionModel resumed = new_model(tiny_adapter("lora"));
  EXPECT_EQ(format_history(train(resumed, checkpoint, {})), format_history(history));
  expect_same_parameters(resumed, whole);
  options_.balance = "none";
  EXPECT_NE(format_history(train(plain, {}, {})), format_history(history));
  options_.balance = "classes";
  options_.class_weights = true;
  EXPECT_THAT(error_of([&] { options_.validate(); }), HasSubstr("twice: choose one"));
}

int64_t kept_epoch(const std::vector<EpochRecord>& history) {
  int64_t kept = -1;
  for (const auto& record : history) {
    if (!record.kept) continue;
    EXPECT_EQ(kept, -1) << "more than one epoch is kept";
    kept = record.epoch;
  }
  return kept;
}

TEST_F(FoldTest, DevelopmentKeepsTheBestUarThenTheLowestLoss) {
  options_.selection = Selection::development;
  options_.epochs = 8;
  options_.schedule = "constant";
  options_.learning_rate = options_.head_learning_rate = 0.05;
  bool loss_decided = false;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    options_.seed = seed;
    EmotionModel model = new_model(tiny_adapter("lora"));
    const auto history = train(model);
    const auto best = std::max_element(history.begin(), history.end(), [](const EpochRecord& a, const EpochRecord& b) {
      return std::pair(a.selection.uar, -a.selection.loss) < std::pair(b.selection.uar, -b.selection.loss);
    });
    EXPECT_EQ(kept_epoch(history), best->epoch);
    const auto first = std::max_element(history.begin(), history.end(),
                                        [](auto& a, auto& b) { return a.selection.uar < b.selection.uar; });
    loss_decided |= first->epoch != best->epoch;
    // The trained model has that epoch's weights.
    const std::vector<int64_t>& numbers = fold_.development;
    std::vector<int64_t> truth;
    for (const int64_t i : numbers) truth.push_back(labels_[i]);
    EXPECT_EQ(cross_entropy(answers(model, numbers), at::tensor(truth), {}).item<double>(), best->selection.loss);
    EXPECT_EQ(uar_of(model, numbers), best->selection.uar);
  }
  EXPECT_TRUE(loss_decided) << "no seed had epochs of equal UAR";
}

TEST_F(FoldTest, TestKeepsTheFirstOfTheBestAccuracies) {
  options_.selection = Selection::test;
  options_.epochs = 8;
  EmotionModel model = new_model(tiny_adapter("lora"));
  const auto history = train(model);
  const auto best = std::max_element(history.begin(), history.end(),
                                     [](auto& a, auto& b) { return a.selection.war < b.selection.war; });
  EXPECT_EQ(kept_epoch(history), best->epoch);
  EXPECT_LT(best->epoch, 7) << "the test needs a best epoch before the last";
  EXPECT_EQ(uar_of(model, fold_.test), best->selection.uar);
}

TEST_F(FoldTest, LastKeepsTheLastEpochWithoutScores) {
  fold_.development.clear();
  EmotionModel model = new_model(tiny_adapter("lora"));
  const auto history = train(model);
  EXPECT_EQ(kept_epoch(history), 2);
  for (const auto& record : history) EXPECT_TRUE(std::isnan(record.selection.uar) && std::isnan(record.selection.loss));
  options_.selection = Selection::development;
  EXPECT_THAT(error_of([&] { train(model); }), HasSubstr("no development part to choose the epoch on"));
}

TEST_F(FoldTest, TrainingStopsWhenPatienceEnds) {
  for (const int64_t i : fold_.development) labels_[i] ^= 1;  // so the UAR falls with training
  options_.selection = Selection::development;
  options_.epochs = 30;
  options_.patience = 3;
  EmotionModel model = new_model(tiny_adapter("lora"));
  const auto history = train(model);
  EXPECT_LT(history.size(), 30u);
  EXPECT_EQ(std::ssize(history), kept_epoch(history) + 1 + 3);
}

// The moving average starts at the end of the first epoch. One step an epoch, so that the test sees every step.
TEST_F(FoldTest, AnAverageOfTheWeightsIsKept) {
  options_.epochs = 5;
  options_.batch = 12;
  options_.average = 0.9;
  EmotionModel averaged = new_model(tiny_adapter("lora")), watched = new_model(tiny_adapter("lora"));
  train(averaged);
  options_.average = 0;
  Tensor mean;
  train(watched, {}, [&](const TrainProgress& p) {
    const Tensor now = watched.head.classifier.weight.detach().to(c10::ScalarType::Double);
    mean = p.epoch == 0 ? now.clone() : mean * 0.9 + now * 0.1;
  });
  EXPECT_LT(difference(averaged.head.classifier.weight, mean), 1e-6);
  EXPECT_GT(difference(averaged.head.classifier.weight, watched.head.classifier.weight), 1e-3);
}

TEST_F(FoldTest, ALossThatIsNotFiniteIsAnError) {
  EmotionModel model = new_model(tiny_adapter("lora"));
  model.head.classifier.bias.detach().fill_(NAN);
  EXPECT_THAT(error_of([&] { train(model); }),
              AllOf(HasSubstr("epoch 1: the loss is not finite from batch 1 on ("), HasSubstr(".wav"),
                    HasSubstr("although its clips are valid: lower the learning rate")));
}

}  // namespace
}  // namespace loralens
