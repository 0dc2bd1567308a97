// SPDX-License-Identifier: Apache-2.0
#include "training/read_out.h"

#include <gmock/gmock.h>

#include <ATen/Parallel.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "classifier/forward.h"
#include "classifier/test_model.h"
#include "inference/predict.h"
#include "inference/test_clips.h"
#include "statistics/logistic.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

// 48 clips of four speakers and three classes on a tiny encoder (N 3, D 16). Hidden state 1 depends on the clip's
// class, the others are noise.
class ReadOut : public testing::Test {
 protected:
  static constexpr int64_t clips = 48, states = 4, width = 16;

  ReadOut() {
    for (int64_t i = 0; i < clips; ++i) {
      labels_.push_back(i % 3);
      Clip clip;
      clip.id = std::to_string(i);
      clip.label = std::to_string(i % 3);
      clip.speaker = std::to_string(i % 4);
      table_.clips.push_back(clip);
      (i % 4 == 0 ? fold_.test : i % 4 == 1 ? fold_.development : fold_.train).push_back(i);
      states_[i][1][i % 3] += 6;
    }
  }

  EmotionModel fitted(const ReadOutOptions& options = {}) {
    EmotionModel model = make_model(base_, tiny_adapter("frozen"), {.logistic = true}, {"0", "1", "2"}, 42);
    fit_read_out(model, table_,
                 {.fold = fold_, .labels = labels_, .options = options_, .start_states = states_, .frozen = true},
                 options);
    return model;
  }
  // The clips of the training and development part.
  std::vector<int64_t> fitted_on() const {
    std::vector<int64_t> numbers;
    for (int64_t clip = 0; clip < clips; ++clip)
      if (std::ranges::count(fold_.test, clip) == 0) numbers.push_back(clip);
    return numbers;
  }
  // The regression of these clips by its definition, as weights and bias for states that are not standardised.
  LogisticFit expected(int64_t state, const std::vector<int64_t>& numbers, double l2) const {
    std::vector<Tensor> rows;
    std::vector<int64_t> labels;
    for (const int64_t clip : numbers) {
      rows.push_back(states_[clip][state].to(c10::ScalarType::Double));
      labels.push_back(labels_[clip]);
    }
    const Tensor x = at::stack(rows), mean = x.mean(0), deviation = (x - mean).pow(2).mean(0).sqrt();
    LogisticFit fit = fit_logistic({(x - mean) / deviation, at::tensor(labels), {}, 3}, l2);
    fit.weight = fit.weight / deviation;
    fit.bias = fit.bias - fit.weight.matmul(mean);
    return fit;
  }
  static void expect_head(const Head& head, const LogisticFit& fit) {
    EXPECT_TRUE(at::allclose(head.projector.weight.to(c10::ScalarType::Double), fit.weight, 1e-4, 1e-5));
    EXPECT_TRUE(at::allclose(head.projector.bias.to(c10::ScalarType::Double), fit.bias, 1e-4, 1e-5));
    EXPECT_TRUE(head.classifier.weight.equal(at::eye(3)) && head.classifier.bias.equal(at::zeros({3})));
  }

  Base base_ = tiny_base();
  Clips table_;
  std::vector<int64_t> labels_;
  Fold fold_;
  TrainOptions options_;
  Tensor states_ = random_tensor({clips, states, width}, 7).to(c10::ScalarType::Float) + 3;
};

TEST_F(ReadOut, ChoosesTheInformativeStateAndFitsAllClipsOutsideTheTestPart) {
  const EmotionModel model = fitted();
  EXPECT_EQ(model.head.hidden_state, 1);
  EXPECT_EQ(model.first_adapted_layer(), 1);
  EXPECT_EQ(model.read_out.at("hidden_state"), 1);
  EXPECT_EQ(model.read_out.at("chosen_on"), "3 folds by speaker of the training and development part");
  EXPECT_EQ(model.read_out.at("candidates").size(), 4 * ReadOutOptions().l2.size());
  expect_head(model.head, expected(1, fitted_on(), model.read_out.at("l2")));
  ASSERT_TRUE(model.last_layer_head.has_value());
  EXPECT_TRUE(model.last_layer_head->reads_last_layer());
  expect_head(*model.last_layer_head, expected(3, fitted_on(), model.read_out.at("l2_of_last_hidden_state")));
  const Tensor guess = logits(model.head, states_, Pass{}).argmax(1);
  for (const int64_t clip : fold_.test) EXPECT_EQ(guess[clip].item<int64_t>(), labels_[clip]);
}

TEST_F(ReadOut, OnTheLastStateHasOneHead) {
  states_ = states_.index_select(1, at::tensor(std::vector<int64_t>{0, 2, 3, 1}));
  const EmotionModel model = fitted();
  EXPECT_TRUE(model.head.reads_last_layer());
  EXPECT_FALSE(model.last_layer_head.has_value());
  EXPECT_EQ(model.read_out.at("hidden_state"), 3);
  EXPECT_EQ(model.read_out.at("l2"), model.read_out.at("l2_of_last_hidden_state"));
  expect_head(model.head, expected(3, fitted_on(), model.read_out.at("l2")));
}

// Recomputes the UAR and cross-entropy of each candidate. The three speakers outside the test part make three folds.
TEST_F(ReadOut, RecordsTheScoresOfAllCandidates) {
  states_.select(1, 1) += 3 * random_tensor({clips, width}, 9).to(c10::ScalarType::Float);
  const EmotionModel model = fitted({.l2 = {10, 0.1}});
  double lowest = INFINITY, chosen = 0;
  for (const auto& candidate : model.read_out.at("candidates")) {
    const int64_t state = candidate.at("hidden_state");
    std::vector<double> right(3), all(3);
    double loss = 0;
    for (int64_t held = 1; held < 4; ++held) {
      std::vector<int64_t> train;
      for (int64_t clip = 0; clip < clips; ++clip)
        if (clip % 4 != 0 && clip % 4 != held) train.push_back(clip);
      const LogisticFit fit = expected(state, train, candidate.at("l2"));
      for (int64_t clip = held; clip < clips; clip += 4) {
        const int64_t label = labels_[clip];
        const Tensor z = logistic_logits(fit, states_[clip][state].to(c10::ScalarType::Double));
        loss -= (z[label] - z.exp().sum().log()).item<double>() / 36;
        right[label] += z.argmax().item<int64_t>() == label;
        all[label] += 1;
      }
    }
    EXPECT_NEAR(candidate.at("uar"), (right[0] / all[0] + right[1] / all[1] + right[2] / all[2]) / 3, 1e-12);
    EXPECT_NEAR(candidate.at("loss"), loss, 2e-3);
    lowest = std::min(lowest, candidate.at("loss").get<double>());
    if (state == model.read_out.at("hidden_state") && candidate.at("l2") == model.read_out.at("l2"))
      chosen = candidate.at("loss");
  }
  EXPECT_EQ(chosen, lowest);
}

TEST_F(ReadOut, IsChosenByClipIfSpeakersAreUnknown) {
  for (Clip& clip : table_.clips) clip.speaker.clear();
  EXPECT_EQ(fitted().read_out.at("chosen_on"), "5 folds by clip of the training and development part");
}

TEST_F(ReadOut, NeverSeesTheTestPart) {
  for (const bool development : {true, false}) {
    if (!development) fold_.train = fitted_on(), fold_.development.clear();
    const EmotionModel before = fitted();
    auto states = states_.clone();
    auto labels = labels_;
    for (const int64_t clip : fold_.test) {
      states_[clip] *= -2;
      labels_[clip] = 0;
      table_.clips[clip].label = "0";
    }
    const EmotionModel after = fitted();
    expect_same_parameters(before, after);
    EXPECT_EQ(before.read_out, after.read_out);
    std::swap(states, states_);
    std::swap(labels, labels_);
  }
}

TEST_F(ReadOut, HasTheSameBitsOnAnyNumberOfThreads) {
  const EmotionModel one = fitted();
  at::set_num_threads(3);
  const EmotionModel three = fitted();
  EXPECT_EQ(at::get_num_threads(), 3);
  at::set_num_threads(1);
  expect_same_parameters(one, three);
  EXPECT_EQ(one.read_out, three.read_out);
}

// Class weights raise the probability of a class with half as many training clips, as balanced sampling does.
TEST_F(ReadOut, WeightsClasses) {
  fold_.train = fitted_on();
  fold_.development.clear();
  std::erase_if(fold_.train, [](int64_t clip) { return clip % 3 == 2 && clip % 2 == 0; });
  options_.class_weights = true;
  const EmotionModel weighted = fitted({.l2 = {0.1}});
  options_.class_weights = false;
  const EmotionModel plain = fitted({.l2 = {0.1}});
  options_.balance = "classes";
  const EmotionModel balanced = fitted({.l2 = {0.1}});
  const auto of_class = [&](const EmotionModel& m, int64_t c) {
    return at::softmax(logits(m.head, states_, Pass{}), 1).mean(0)[c].item<double>();
  };
  EXPECT_GT(of_class(weighted, 2), of_class(plain, 2) + 0.005);
  EXPECT_NEAR(of_class(balanced, 2), of_class(weighted, 2), 1e-3);
}

TEST_F(ReadOut, StatesAreThoseThatItsHeadReads) {
  const TestFolder folder;
  const Clips audio = tone_corpus(folder, 6);
  ClipSource source(base_.encoder, audio.clips, 0, {});
  EmotionModel model = make_model(base_, tiny_adapter("frozen"), {.logistic = true}, {"high", "low"}, 42);
  const std::vector<int64_t> numbers = {4, 0, 5};
  const Tensor all = all_hidden_states(model, source, numbers, [](int64_t) {});
  ASSERT_EQ(all.sizes(), (std::vector<int64_t>{3, 4, 16}));
  for (int64_t state = 0; state < 4; ++state) {
    model.head.hidden_state = state < 3 ? std::optional(state) : std::nullopt;
    ClipSource own(base_.encoder, audio.clips, model.first_adapted_layer(), {});
    EXPECT_TRUE(same_bits(clip_states(model, own, numbers), all.select(1, state).contiguous())) << state;
    EXPECT_TRUE(same_bits(clip_states(model, source, numbers), all.select(1, state).contiguous())) << state;
  }
  model.head.hidden_state = 1;
  ClipSource late(base_.encoder, audio.clips, 2, {});
  EXPECT_THAT(error_of([&] { clip_states(model, late, numbers); }), HasSubstr("starts at layer 2"));
}

}  // namespace
}  // namespace loralens
