// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <gmock/gmock.h>

#include "analysis/diagnosis/rules.h"
#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// Multiplies the state by one factor and its gradient by another.
struct Scaled : SiteAdapter {
  Scaled(double value, double gradient) : value(value), gradient(gradient) {}
  Tensor forward(const Tensor& x, const Site&, const Pass&) const override {
    return x.detach() * (value - gradient) + x * gradient;
  }
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
  double value, gradient;
};

class DiagnosisTest : public testing::Test {
 protected:
  // Labels these clips by the model's answers.
  void label_by_answers(Subject& subject, const std::vector<int64_t>& clips) {
    const auto answers = fold_.centre_answers(subject);
    for (const int64_t clip : clips) fold_.setting.labels[clip] = answers[clip];
  }
  void label_by_adapted() {
    label_by_answers(fold_.subjects.adapted, fold_.subjects.fit);
    label_by_answers(fold_.subjects.adapted, fold_.subjects.test);
    fold_.subjects.frozen.model.head = fold_.subjects.adapted.model.head;
  }
  Diagnoses find() {
    findings_ = fold_.find(make_diagnosis(fold_.setting));
    return diagnose(findings_.rows);
  }
  void replace_adapters(int64_t layer, double value, double gradient) {
    AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
    adapters.clear();
    adapters.add({SiteKind::residual_out, layer}, std::make_shared<Scaled>(value, gradient));
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(DiagnosisTest, AHealthyModelHasNoneOfTheThree) {
  for (const char* method : {"lora", "dora", "vera"}) {
    TestFolder folder;
    TestFold fold(folder);
    fold.subjects.adapted = make_subject(Role::adapted, tiny_model(tiny_base(in_double), tiny_adapter(method)));
    fold.setting.labels = fold.centre_answers(fold.subjects.adapted);
    fold.subjects.frozen.model.head = fold.subjects.adapted.model.head;
    const Findings findings = fold.find(make_diagnosis(fold.setting));
    const Diagnoses found = diagnose(findings.rows);
    EXPECT_EQ(found.weak, Verdict::absent) << method << " " << found.change->value;
    EXPECT_EQ(found.vanishing, Verdict::absent) << method << " " << found.gradient->value;
    EXPECT_EQ(found.gap, 0) << method;
    EXPECT_EQ(found.over_specialised, Verdict::absent) << method;
    EXPECT_EQ(findings.reading.front(), "Not found: weak adaptation, vanishing gradients, over-specialisation.");
  }
}

TEST_F(DiagnosisTest, AnUpdateThatMovesNoAnswerIsWeak) {
  replace_adapters(2, 1 + 1e-6, 1);
  label_by_adapted();
  const Diagnoses found = find();
  EXPECT_EQ(found.weak, Verdict::found);
  EXPECT_EQ(found.vanishing, Verdict::absent);
  EXPECT_NE(found.over_specialised, Verdict::found);
  double expected = 0;
  for (const int64_t clip : fold_.subjects.test)
    expected += (at::softmax(fold_.see(fold_.subjects.adapted, clip).logits, 0) -
                 at::softmax(fold_.see(fold_.subjects.frozen, clip).logits, 0))
                    .abs()
                    .sum()
                    .item<double>() /
                2 / 8;
  EXPECT_NEAR(found.change->value, expected, 1e-12);
  EXPECT_THAT(findings_.reading.front(), testing::StartsWith("Found: weak adaptation; not found:"));
}

TEST_F(DiagnosisTest, AGradientThatDoesNotPassALayerVanishesBelowIt) {
  replace_adapters(1, 1.3, 1e-6);
  fold_.setting.adapted = {{0, Module::v_proj}};
  label_by_adapted();
  const Diagnoses found = find();
  EXPECT_EQ(found.vanishing, Verdict::found);
  EXPECT_LE(*found.gradient->key.layer, 1);
  EXPECT_LT(found.gradient->value, -5);
  const Row* above = nullptr;
  for (const Row& row : findings_.rows)
    if (row.key.metric == "log10_gradient_ratio" && row.key.layer == 1) above = &row;
  ASSERT_NE(above, nullptr);
}

TEST_F(DiagnosisTest, AModelThatKnowsItsTrainingClipsAndFailsWhereTheFrozenOneDoesNotIsOverSpecialised) {
  Head& head = fold_.subjects.frozen.model.head;
  head.classifier.weight = -head.classifier.weight;
  label_by_answers(fold_.subjects.adapted, fold_.subjects.fit);
  label_by_answers(fold_.subjects.frozen, fold_.subjects.test);
  const Diagnoses found = find();
  EXPECT_EQ(value_of(findings_, {.model = "adapted", .component = "training", .metric = "uar"}), 1);
  EXPECT_EQ(value_of(findings_, {.model = "frozen", .variant = "head-frozen", .component = "test", .metric = "uar"}),
            1);
  EXPECT_GT(found.gap, training_gap_above);
  EXPECT_EQ(found.over_specialised, Verdict::found) << found.difference->low << " " << found.difference->high;
  EXPECT_THAT(findings_.reading.front(), testing::HasSubstr("over-specialisation"));
}

TEST(DiagnosisRules, OverSpecialisationNeedsBothAWorseScoreAndAGap) {
  const auto with = [](double low, double high, double training) {
    std::vector<Row> rows(3);
    rows[0] = {.key = {.model = "adapted-frozen", .component = "test", .metric = "uar"}, .fold = {}};
    rows[0].low = low;
    rows[0].high = high;
    rows[1] = {.key = {.model = "adapted", .component = "training", .metric = "uar"}, .fold = {}, .value = training};
    rows[2] = {.key = {.model = "adapted", .component = "test", .metric = "uar"}, .fold = {}, .value = 0.7};
    return diagnose(rows).over_specialised;
  };
  EXPECT_EQ(with(-0.3, -0.1, 0.95), Verdict::found);
  EXPECT_EQ(with(-0.3, 0.1, 0.95), Verdict::unknown);
  EXPECT_EQ(with(-0.3, -0.1, 0.75), Verdict::absent);
  EXPECT_EQ(with(0.1, 0.2, 0.95), Verdict::absent);
  EXPECT_EQ(with(NAN, NAN, 0.75), Verdict::unknown);
}

TEST(DiagnosisRules, CannotBeToldWithoutAnIntervalOrWhereItHoldsTheLimit) {
  Row row{.key = {.metric = "x"}, .fold = {}, .value = 0.01};
  EXPECT_EQ(below(&row, 0.02), Verdict::unknown);
  row.low = 0.005;
  row.high = 0.03;
  EXPECT_EQ(below(&row, 0.02), Verdict::unknown);
  row.high = 0.015;
  EXPECT_EQ(below(&row, 0.02), Verdict::found);
  row.low = 0.02, row.high = 0.5;
  EXPECT_EQ(below(&row, 0.02), Verdict::absent);
  EXPECT_EQ(below(nullptr, 0.02), Verdict::unknown);
}

}  // namespace
}  // namespace loralens
