// SPDX-License-Identifier: Apache-2.0
#include "training/history.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(History, HasALineForEachEpochAndAColumnForEachMeasurement) {
  const EpochRecord first{.epoch = 0, .steps = 10, .loss = 0.5, .learning_rate = 1e-3};
  const EpochRecord second{.epoch = 1,
                           .steps = 20,
                           .loss = 0.25,
                           .learning_rate = 1e-4,
                           .measured = {},
                           .selection = {.loss = 0.75, .uar = 0.5, .war = 2.0 / 3},
                           .kept = true};
  EXPECT_EQ(format_history(std::vector{first, second}),
            "epoch,steps,loss,learning_rate,selection_loss,selection_uar,selection_war,kept\n"
            "0,10,0.5,0.001,,,,0\n"
            "1,20,0.25,0.0001,0.75,0.5,0.666667,1\n");
  EpochRecord measured = second;
  measured.measured = {{.column = "loss_penalty", .value = 4}, {.column = "gradient_norm_A", .value = NAN}};
  EXPECT_EQ(
      format_history(std::vector{measured}),
      "epoch,steps,loss,learning_rate,loss_penalty,gradient_norm_A,selection_loss,selection_uar,selection_war,kept\n"
      "1,20,0.25,0.0001,4,,0.75,0.5,0.666667,1\n");
  EXPECT_THAT(error_of([&] { format_history(std::vector{first, measured}); }),
              HasSubstr("epoch 1 has other columns (epoch, steps, loss, learning_rate, loss_penalty"));
}

}  // namespace
}  // namespace loralens
