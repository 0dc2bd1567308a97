// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "analysis/causal/class_means.h"
#include "analysis/causal/other_class.h"
#include "analysis/neurons/units.h"
#include "analysis/test_fold.h"
#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t hidden = 32;  // F of the tiny encoder

// Multiplies units of all layers by a factor in a full pass: the naive reference.
struct Multiplied : Intervention {
  std::vector<std::vector<int64_t>> units;  // of each layer
  double factor;
  Multiplied(std::vector<std::vector<int64_t>> units, double factor) : units(std::move(units)), factor(factor) {}
  bool wants(const Site& site) const override { return site.kind == SiteKind::mlp_hidden; }
  Tensor replace(const Pass&, const Site& site, const Tensor& value, int64_t) override {
    Tensor changed = value.clone();
    for (const int64_t unit : units[site.layer]) changed.select(1, unit).mul_(factor);
    return changed;
  }
};

// Lets only the first unit of a layer pass, or none.
struct FirstUnit : SiteAdapter {
  bool passes = true;
  Tensor forward(const Tensor& x, const Site&, const Pass&) const override {
    Tensor kept = x * 0;
    if (passes) kept.select(1, 0).copy_(x.select(1, 0) * 20);
    return kept;
  }
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
};

class NeuronsTest : public testing::Test {
 protected:
  void find() { findings_ = fold_.find(make_neurons(fold_.setting)); }
  const Row* row(const std::string& model, const std::string& variant, const std::string& component,
                 const std::string& class_name = "") const {
    return find_row(findings_.rows, {.model = model,
                                     .variant = variant,
                                     .component = component,
                                     .metric = "loss_increase",
                                     .class_name = class_name});
  }
  double value(const std::string& model, const std::string& variant, const std::string& component,
               const std::string& class_name = "") const {
    const Row* found = row(model, variant, component, class_name);
    EXPECT_NE(found, nullptr) << model << variant << component << class_name;
    return found ? found->value : NAN;
  }
  Tensor activation(const Subject& subject, int64_t clip, int64_t layer) const {  // F
    const auto seen = fold_.see(subject, clip);
    return seen.sites.at({SiteKind::mlp_hidden, layer}).narrow(0, 0, seen.speech).mean(0);
  }
  // The unit of each layer with the highest difference of class means in standard deviations within classes.
  std::vector<std::vector<int64_t>> selected(const Subject& subject, int64_t c) const {
    std::vector<std::vector<int64_t>> units;
    for (int64_t layer = 0; layer < 3; ++layer) {
      std::vector<std::vector<Tensor>> of_classes(3);
      for (const int64_t clip : fold_.subjects.fit)
        of_classes[fold_.label(clip)].push_back(activation(subject, clip, layer));
      std::vector<Tensor> means;
      Tensor squares = at::zeros({hidden}, c10::ScalarType::Double);
      for (const auto& of_class : of_classes) {
        means.push_back(at::stack(of_class).mean(0));
        squares = squares + (at::stack(of_class) - means.back()).square().sum(0);
      }
      const Tensor deviation = (squares / static_cast<double>(fold_.subjects.fit.size() - 3)).sqrt();
      const Tensor difference = means[c] - (means[(c + 1) % 3] + means[(c + 2) % 3]) / 2;
      units.push_back({(difference / deviation).argmax().item<int64_t>()});
    }
    return units;
  }
  double rise(const Subject& subject, int64_t clip, const std::vector<std::vector<int64_t>>& units,
              double factor) const {
    Multiplied change(units, factor);
    const Tensor before = at::log_softmax(fold_.see(subject, clip).logits, 0),
                 after = at::log_softmax(fold_.see(subject, clip, {&change}).logits, 0);
    return (before - after)[fold_.label(clip)].item<double>();
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(NeuronsTest, RowsAreThoseOfWholePassesWithTheChosenUnitsScaled) {
  find();
  for (const auto& [name, subject] :
       {std::pair{"adapted", &fold_.subjects.adapted}, std::pair{"frozen", &fold_.subjects.frozen}})
    for (const auto& [variant, factor] : {std::pair{"silenced", 0.0}, std::pair{"amplified", 2.0}}) {
      double own = 0, others = 0, one = 0;
      const auto other = other_classes(fold_.subjects.test, fold_.setting.labels, 3);
      for (int64_t c = 0; c < 3; ++c) {
        const auto units = selected(*subject, c);
        double of_class = 0, clips = 0;
        for (const int64_t clip : fold_.subjects.test) {
          const double risen = rise(*subject, clip, units, factor);
          if (other.at(clip) == c) one += risen / 8;
          if (fold_.label(clip) != c) {
            others += risen / 16;
            continue;
          }
          own += risen / 8;
          of_class += risen;
          ++clips;
        }
        EXPECT_NEAR(value(name, variant, "own", fold_.setting.classes[c]), of_class / clips, 1e-9) << name << variant;
      }
      EXPECT_NEAR(value(name, variant, "own"), own, 1e-9) << name << variant;
      EXPECT_NEAR(value(name, variant, "others"), others, 1e-9) << name << variant;
      EXPECT_NEAR(value(name, variant, "own-others"), own - others, 1e-9) << name << variant;
      EXPECT_NEAR(value(name, variant, "own-one-other"), own - one, 1e-9) << name << variant;
      const double plain = value_of(findings_, {.model = name, .component = "none", .metric = "log_probability"});
      EXPECT_NEAR(
          value_of(findings_, {.model = name, .variant = variant, .component = "own", .metric = "log_probability"}),
          plain - own, 1e-9);
    }
  EXPECT_EQ(row("adapted", "silenced", "own")->null_draws, 199);
  EXPECT_EQ(row("adapted", "amplified", "own")->null_draws, 0);
}

// A model in which one unit alone has an effect: it is chosen for the class that it responds to, and its silencing is
// the removal of the whole MLP; the units of other classes are dead.
TEST_F(NeuronsTest, TheOnlyUnitThatDoesSomethingIsFound) {
  AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
  adapters.clear();
  for (int64_t layer = 0; layer < 3; ++layer) {
    auto first = std::make_shared<FirstUnit>();
    first->passes = layer == 2;
    adapters.add({SiteKind::mlp_hidden, layer}, first);
  }
  const std::vector<std::vector<int64_t>> first = {{}, {}, {0}};
  std::vector<double> activations(20);
  for (int64_t clip = 0; clip < 20; ++clip)
    activations[clip] = activation(fold_.subjects.adapted, clip, 2)[0].item<double>();
  std::vector<double> sorted = activations;
  std::ranges::sort(sorted);
  // The class that the silencing harms most in the clips in which the unit is active.
  int64_t harmed = 0;
  double most = -1e9;
  for (int64_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (int64_t clip = 0; clip < 20; ++clip)
      if (activations[clip] >= sorted[10]) {
        fold_.setting.labels[clip] = c;
        sum += rise(fold_.subjects.adapted, clip, first, 0);
      }
    if (sum > most) {
      most = sum;
      harmed = c;
    }
  }
  for (int64_t clip = 0; clip < 20; ++clip)
    fold_.setting.labels[clip] = activations[clip] >= sorted[10] ? harmed : (harmed + 1 + clip % 2) % 3;
  find();
  double own = 0, clips = 0;
  for (const int64_t clip : fold_.subjects.test)
    if (fold_.label(clip) == harmed) {
      own += rise(fold_.subjects.adapted, clip, first, 0);
      ++clips;
    }
  ASSERT_GT(clips, 0);
  EXPECT_NEAR(value("adapted", "silenced", "own", fold_.setting.classes[harmed]), own / clips, 1e-9);
  EXPECT_GT(own, 0);
  for (int64_t c = 0; c < 3; ++c)
    if (c != harmed && row("adapted", "silenced", "own", fold_.setting.classes[c])) {
      EXPECT_NEAR(value("adapted", "silenced", "own", fold_.setting.classes[c]), 0, 1e-12);
    }
  EXPECT_LT(row("adapted", "silenced", "own")->p, 0.1);  // a random unit is the right one in 1 of 32 draws
}

TEST_F(NeuronsTest, DeadUnitsChangeNothingAndNothingIsClaimed) {
  AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
  adapters.clear();
  for (int64_t layer = 0; layer < 3; ++layer) {
    auto none = std::make_shared<FirstUnit>();
    none->passes = false;
    adapters.add({SiteKind::mlp_hidden, layer}, none);
  }
  find();
  for (const char* component : {"own", "others", "own-others", "own-one-other"})
    EXPECT_EQ(value("adapted", "silenced", component), 0) << component;
  EXPECT_EQ(row("adapted", "silenced", "own-one-other")->p, 1);
  ASSERT_GE(findings_.reading.size(), 2u);
  EXPECT_THAT(findings_.reading[1], testing::HasSubstr("cannot be told"));
}

TEST_F(NeuronsTest, SelectivityIsOfTheChosenUnitsInBothParts) {
  find();
  const auto of = [&](const char* variant, int64_t layer) {
    return value_of(findings_, {.model = "frozen",
                                .variant = variant,
                                .layer = layer,
                                .component = "units",
                                .metric = "selectivity",
                                .class_name = fold_.setting.classes[1]});
  };
  const auto units = selected(fold_.subjects.frozen, 1);
  ClassMeans training(3), test(3);
  for (const int64_t clip : fold_.subjects.fit)
    training.add(fold_.label(clip), activation(fold_.subjects.frozen, clip, 1));
  for (const int64_t clip : fold_.subjects.test)
    test.add(fold_.label(clip), activation(fold_.subjects.frozen, clip, 1));
  const int64_t unit = units[1][0];
  const Tensor deviation = training.deviation();
  EXPECT_NEAR(of("training", 1), (training.differences()[1] / deviation)[unit].item<double>(), 1e-9);
  EXPECT_NEAR(of("test", 1), (test.differences()[1] / deviation)[unit].item<double>(), 1e-9);
}

TEST_F(NeuronsTest, WithoutATrainingClipOfSomeClassANoteSaysSo) {
  for (const int64_t clip : fold_.subjects.fit) fold_.setting.labels[clip] = clip % 2;
  find();
  EXPECT_TRUE(findings_.rows.empty());
  EXPECT_THAT(findings_.notes, testing::ElementsAre(testing::HasSubstr("training clips of each class")));
}

TEST(RandomUnits, AreDifferentAndUniform) {
  Random random(1);
  std::vector<int64_t> counts(10);
  for (int64_t draw = 0; draw < 1000; ++draw)
    for (const auto& units : random_units(2, 10, 3, random)) {
      EXPECT_EQ(std::set(units.begin(), units.end()).size(), 3u);
      for (const int64_t unit : units) ++counts[unit];
    }
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 600, 100);  // five standard deviations
}

TEST(OtherClasses, AreTakenInTurn) {
  const std::vector<int64_t> labels = {0, 0, 1, 0, 2}, clips = {3, 0, 1, 4};
  EXPECT_EQ(other_classes(clips, labels, 3), (std::map<int64_t, int64_t>{{0, 1}, {1, 2}, {3, 1}, {4, 0}}));
}

TEST(ClassMeans, TheDeviationIsWithinClasses) {
  ClassMeans means(2);
  for (const auto& [label, x] : {std::pair{0, 1.0}, std::pair{0, 3.0}, std::pair{1, 10.0}, std::pair{1, 16.0}}) {
    means.add(label, at::zeros({1}, c10::ScalarType::Double) + x);
    if (label == 0) {
      EXPECT_THROW(means.deviation(), Error);
    }
  }
  EXPECT_DOUBLE_EQ(means.deviation()[0].item<double>(), std::sqrt((1 + 1 + 9 + 9) / 2.0));
}

}  // namespace
}  // namespace loralens
