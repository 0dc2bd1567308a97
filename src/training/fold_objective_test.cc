// SPDX-License-Identifier: Apache-2.0
// Options of a fold's training that change the objective or the learning rates of layers.
#include <ATen/ops/linalg_svdvals.h>
#include <gmock/gmock.h>

#include <map>

#include "training/test_fold_training.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST_F(FoldTest, PenaltiesOnBAreTermsOfTheObjective) {
  options_.epochs = 12;
  const auto nuclear_norm = [](const EmotionModel& model) {
    double sum = 0;
    for (const Parameter& p : model.parameters())
      if (p.role == ParameterRole::factor_b) sum += at::linalg_svdvals(p.tensor.detach()).sum().item<double>();
    return sum;
  };
  EmotionModel free = new_model(tiny_adapter("lora")), held = new_model(tiny_adapter("lora"));
  train(free);
  options_.orthogonality = 0.5;
  options_.nuclear_norm = 2;
  const auto history = train(held);
  EXPECT_LT(nuclear_norm(held), 0.7 * nuclear_norm(free));
  for (const EpochRecord& record : history) {
    std::map<std::string, double> cells;
    for (const auto& [column, value] : record.measured) cells[column] = value;
    EXPECT_NEAR(
        cells.at("loss_cross_entropy") + 0.5 * cells.at("loss_orthogonality") + 2 * cells.at("loss_nuclear_norm"),
        record.loss, 1e-6);
    EXPECT_GE(cells.at("loss_nuclear_norm"), 0);
  }
  EmotionModel frozen = new_model(tiny_adapter("frozen"));
  EXPECT_THAT(error_of([&] { train(frozen); }), HasSubstr("--orthogonality"));
}

TEST_F(FoldTest, LayerDecayLowersTheRatesOfLowerLayersAlone) {
  options_.epochs = 1;
  options_.batch = 12;  // one step, so that all gradients are those of the start
  EmotionModel equal = new_model(tiny_adapter("lora")), decayed = new_model(tiny_adapter("lora"));
  train(equal);
  options_.layer_decay = 0.1;
  train(decayed);
  const auto one = equal.parameters(), other = decayed.parameters();
  ASSERT_EQ(one.size(), other.size());
  int64_t lower = 0;
  const int64_t last = equal.adapted.encoder.config.layers - 1;
  for (size_t i = 0; i < one.size(); ++i) {
    if (one[i].role == ParameterRole::factor_a) continue;  // at the start without a gradient, as B is 0
    const double factor = one[i].in_head() ? 1 : std::pow(0.1, static_cast<double>(last - one[i].layer));
    lower += factor < 1;
    if (one[i].role == ParameterRole::factor_b) {
      EXPECT_GT(largest(one[i].tensor.detach()), 0);
      EXPECT_LT(difference(other[i].tensor.detach(), one[i].tensor.detach() * factor), 1e-6) << one[i].name;
    } else {
      EXPECT_EQ(difference(other[i].tensor.detach(), one[i].tensor.detach()), 0) << one[i].name;
    }
  }
  EXPECT_GT(lower, 0);
}

}  // namespace
}  // namespace loralens
