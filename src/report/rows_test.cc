// SPDX-License-Identifier: Apache-2.0
#include "report/rows.h"

#include <gtest/gtest.h>

#include <numbers>

namespace loralens {
namespace {

Row row_of(double value) {
  Row row;
  row.key.metric = "accuracy";
  row.value = value;
  return row;
}

TEST(Rows, ARowFillsTheColumnsOfTheContract) {
  Row row{.key = {.model = "adapted",
                  .variant = "balanced",
                  .layer = -1,
                  .module = "v_proj",
                  .component = "A",
                  .metric = "sv90",
                  .class_name = "anger",
                  .step = 100},
          .fold = 2,
          .value = 1.0 / 3,
          .low = 0.25,
          .high = 1e-9,
          .n = 40,
          .seed = 42,
          .estimand = "fold-mean",
          .p = 0.01,
          .p_adjusted = 0.03,
          .null_low = -0.5,
          .null_high = 0.125,
          .null_draws = 999};
  const Table table = table_of("spectrum", "strict", {row});
  EXPECT_EQ(format_csv_row(table.header),
            "analysis,protocol,model,variant,fold,seed,step,layer,module,component,metric,class,value,low,high,n,"
            "estimand,p,p_adjusted,null_low,null_high,null_draws\n");
  EXPECT_EQ(format_csv_row(table.rows[0]),
            "spectrum,strict,adapted,balanced,2,42,100,-1,v_proj,A,sv90,anger,0.3333333333333333,0.25,1e-09,40,"
            "fold-mean,0.01,0.03,-0.5,0.125,999\n");
}

TEST(Rows, WhatIsUnknownIsEmptyAndNumbersComeBackWhole) {
  const Table table = table_of("a", "paper", {row_of(std::numbers::pi), row_of(NAN)});
  EXPECT_EQ(format_csv_row(table.rows[0]), "a,paper,,,,,,,,,accuracy,,3.141592653589793,,,,,,,,,\n");
  EXPECT_EQ(std::stod(table.rows[0][12]), std::numbers::pi);
  EXPECT_EQ(table.rows[1][12], "nan");
}

}  // namespace
}  // namespace loralens
