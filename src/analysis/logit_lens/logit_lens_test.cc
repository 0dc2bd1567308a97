// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "analysis/logit_lens/tuned_lens.h"
#include "analysis/refitted_head.h"
#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// The stream after `layer` (-1: the embedding): T×D.
Tensor stream_after(const TestFold::Seen& seen, int64_t layer) {
  return layer < 0 ? seen.x : seen.sites.at({SiteKind::residual_out, layer});
}

// The published lens, position by position as transformers has it: projector, mean, classifier. C.
Tensor lens_of(const Subject& subject, const Tensor& stream, bool normed) {
  const Encoder& encoder = subject.encoder;
  const Head& head = subject.model.head;
  const Tensor x =
      normed ? at::layer_norm(stream, {stream.size(1)}, encoder.norm.weight, encoder.norm.bias, 1e-5) : stream;
  const Tensor projected = at::linear(x, head.projector.weight, head.projector.bias).mean(0);
  return at::linear(projected, head.classifier.weight, head.classifier.bias).detach();
}

double kl_of(const Tensor& final, const Tensor& lens) {
  double sum = 0, p_sum = 0, q_sum = 0;
  for (int64_t c = 0; c < 3; ++c) {
    p_sum += std::exp(final[c].item<double>());
    q_sum += std::exp(lens[c].item<double>());
  }
  for (int64_t c = 0; c < 3; ++c) {
    const double p = std::exp(final[c].item<double>()) / p_sum, q = std::exp(lens[c].item<double>()) / q_sum;
    sum += p * std::log(p / q);
  }
  return sum;
}

TEST(LogitLens, AgreesWithANaiveTwin) {
  const TestFolder folder;
  TestFold fold(folder);
  for (const bool paper : {false, true}) {
    fold.setting.protocol = paper ? paper_protocol : strict_protocol;
    const Findings findings = fold.find(make_logit_lens(fold.setting));
    for (const Role role : {Role::adapted, Role::frozen}) {
      if (paper && role == Role::frozen) continue;
      const Subject& subject = fold.subjects.of(role);
      const double n = static_cast<double>(fold.subjects.test.size());
      for (int64_t layer = paper ? 0 : -1; layer < 3; ++layer) {
        double kl = 0, overlap = 0, accuracy = 0, logit = 0;
        for (const int64_t clip : fold.subjects.test) {
          const auto seen = fold.see(subject, clip);
          const Tensor lens = lens_of(subject, stream_after(seen, layer), !paper);
          const int64_t guess = lens.argmax().item<int64_t>();
          kl += kl_of(seen.logits, lens) / n;
          overlap += (guess == seen.logits.argmax().item<int64_t>()) / n;
          accuracy += (guess == fold.label(clip)) / n;
          logit += lens[1].item<double>() / n;
        }
        RowKey key{.model = std::string(name_of(role)), .layer = layer, .metric = "kl"};
        EXPECT_NEAR(value_of(findings, key), kl, 1e-10);
        if (!paper && layer == 2) {
          EXPECT_LT(value_of(findings, key), 1e-14);
        }
        key.metric = "overlap";
        EXPECT_NEAR(value_of(findings, key), overlap, 1e-12);
        key.metric = "accuracy";
        if (paper) {
          EXPECT_EQ(find_row(findings.rows, key), nullptr);
        } else {
          EXPECT_NEAR(value_of(findings, key), accuracy, 1e-12);
        }
        key.metric = "logit";
        key.class_name = "joy";
        EXPECT_NEAR(value_of(findings, key), logit, 1e-10);
      }
    }
    EXPECT_EQ(findings.clips.size(), paper ? 0u : 16u);
  }
}

TEST(LogitLens, TheLastLayerGivesTheModelsOwnProbabilities) {
  const TestFolder folder;
  const TestFold fold(folder);
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  for (const ClipFinding& clip : findings.clips) {
    const Role role = clip.name == "adapted" ? Role::adapted : Role::frozen;
    const auto seen = fold.see(fold.subjects.of(role), clip.clip);
    ASSERT_EQ(clip.values.sizes(), at::IntArrayRef({4, 3}));
    EXPECT_LT(largest(clip.values[3] - at::log_softmax(seen.logits, 0).exp()), 1e-12);
  }
}

TEST(LogitLens, AWeightedSumOfTheLensesIsWhatAWeightedSumOfLayersAnswers) {
  const TestFolder folder;
  const TestFold fold(folder, /*weighted_layer_sum=*/true);
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  const Tensor weights = at::log_softmax(fold.subjects.adapted.model.head.layer_weights, 0).exp();
  for (int64_t c = 0; c < 3; ++c) {
    double lenses = 0, own = 0;
    for (int64_t layer = -1; layer < 3; ++layer)
      lenses +=
          weights[layer + 1].item<double>() *
          value_of(findings,
                   {.model = "adapted", .layer = layer, .metric = "logit", .class_name = fold.setting.classes[c]});
    for (const int64_t clip : fold.subjects.test)
      own += fold.see(fold.subjects.adapted, clip).logits[c].item<double>() / 8;
    EXPECT_NEAR(lenses, own, 1e-10);
  }
  EXPECT_THAT(findings.notes, testing::Contains(testing::HasSubstr("weighted sum of all layers")));
}

TEST(LogitLens, OtherHeadsReadTheSameStates) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.frozen.model.head.classifier.weight =
      random_tensor(fold.subjects.frozen.model.head.classifier.weight.sizes().vec(), 5);
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  std::vector<std::string> speakers;
  std::vector<int64_t> labels;
  for (const int64_t clip : fold.subjects.fit) {
    speakers.push_back(fold.setting.group_of(clip));
    labels.push_back(fold.label(clip));
  }
  const auto held_out = held_out_clips(speakers, hash_of(fold.setting.seed, hash_of("tuned lens"), 0));
  Subject mixed = fold.subjects.frozen;
  mixed.model.head = fold.subjects.adapted.model.head;
  for (const Role role : {Role::adapted, Role::frozen})
    for (int64_t layer = -1; layer < 3; ++layer) {
      const Subject& subject = fold.subjects.of(role);
      const Norm& norm = subject.encoder.norm;
      const auto pooled = [&](int64_t clip) {
        const Tensor x = stream_after(fold.see(subject, clip), layer);
        return at::layer_norm(x, {x.size(1)}, norm.weight, norm.bias, 1e-5).mean(0).detach();
      };
      std::vector<Tensor> rows;
      for (const int64_t clip : fold.subjects.fit) rows.push_back(pooled(clip));
      const RefittedHead head =
          fit_refitted_head({at::stack(rows), at::tensor(labels, c10::ScalarType::Long), {}, 3}, held_out);
      double refitted = 0, of_adapted = 0;
      for (const int64_t clip : fold.subjects.test) {
        refitted += head.logits(pooled(clip)).argmax().item<int64_t>() == fold.label(clip);
        const Tensor x = stream_after(fold.see(subject, clip), layer);
        of_adapted += lens_of(mixed, x, true).argmax().item<int64_t>() == fold.label(clip);
      }
      const auto accuracy = [&](const char* variant) {
        return value_of(
            findings, {.model = std::string(name_of(role)), .variant = variant, .layer = layer, .metric = "accuracy"});
      };
      EXPECT_DOUBLE_EQ(accuracy("refitted"), refitted / 8);
      if (role == Role::frozen) {
        EXPECT_DOUBLE_EQ(accuracy("adapted-head"), of_adapted / 8);
      }
    }
  EXPECT_THAT(findings.reading, testing::Contains(testing::HasSubstr("under the adapted model's head")));
  // Without a head of its own the frozen model has that of the adapted one.
  const TestFold same(folder);
  EXPECT_EQ(find_row(same.find(make_logit_lens(same.setting)).rows,
                     {.model = "frozen", .variant = "adapted-head", .layer = 0, .metric = "accuracy"}),
            nullptr);
}

TEST(LogitLens, QuantilesAreOfTheTrueClassesClips) {
  const TestFolder folder;
  const TestFold fold(folder);
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  std::vector<double> values;  // of "sadness" for clips of "anger"
  for (const int64_t clip : fold.subjects.test)
    if (fold.label(clip) == 0)
      values.push_back(
          lens_of(fold.subjects.frozen, stream_after(fold.see(fold.subjects.frozen, clip), 1), true)[2].item<double>());
  std::ranges::sort(values);
  ASSERT_EQ(values.size(), 3u);
  const auto row = [&](const char* metric) {
    return value_of(findings,
                    {.model = "frozen", .layer = 1, .component = "anger", .metric = metric, .class_name = "sadness"});
  };
  EXPECT_NEAR(row("logit_q50"), values[1], 1e-10);
  EXPECT_NEAR(row("logit_q10"), values[0] + 0.2 * (values[1] - values[0]), 1e-10);
  EXPECT_NEAR(row("logit_q75"), 0.5 * (values[1] + values[2]), 1e-10);
}

TEST(LogitLens, CountsWhereThePublishedFormUnderflows) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.setting.protocol = paper_protocol;
  const RowKey key{.model = "adapted", .layer = 1, .metric = "underflow"};
  EXPECT_EQ(value_of(fold.find(make_logit_lens(fold.setting)), key), 0);
  fold.subjects.adapted.model.head.classifier.bias = at::tensor({0.0, 200.0, 0.0}, c10::ScalarType::Double);
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  EXPECT_EQ(value_of(findings, key), 8);
  EXPECT_TRUE(std::isfinite(value_of(findings, {.model = "adapted", .layer = 1, .metric = "kl"})));
  EXPECT_THAT(findings.notes, testing::Contains(testing::HasSubstr("24 times")));
}

TEST(LogitLens, WithoutTrainingClipsThereIsNoTunedLens) {
  const TestFolder folder;
  TestFold fold(folder);
  fold.subjects.fit.clear();
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  EXPECT_EQ(find_row(findings.rows, {.model = "adapted", .variant = "tuned", .layer = 0, .metric = "kl"}), nullptr);
  EXPECT_THAT(
      findings.notes,
      testing::Contains(testing::HasSubstr("run/fold-00: no tuned lens and no refitted head of the adapted model")));
}

}  // namespace
}  // namespace loralens
