// SPDX-License-Identifier: Apache-2.0
#include "report/sections/differences.h"

#include <gmock/gmock.h>

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json comparison_of(const json& score) {
  return {{"folds", 4}, {"speakers", 8}, {"uar", score}, {"war", score}, {"macro_f1", score}};
}

json pooled(double p) {
  return {{"estimand", "pooled"},
          {"difference", 0.05},
          {"low", 0.01},
          {"high", 0.09},
          {"p", p},
          {"detectable", 0.061},
          {"fold_mean", 0.04},
          {"equivalence", {{"low", 0.02}, {"high", 0.08}}},
          {"fold_std", 0.02},
          {"p_folds", 0.2}};
}

TEST(Differences, ShowsAdjustedPValuesOfTheComparisonsThatHaveOne) {
  json none = pooled(1);
  for (const char* key : {"low", "high", "p", "detectable", "equivalence"}) none[key] = nullptr;
  none["reason"] = "3 speakers are too few";
  const std::string html = differences_html({{"a", "b", comparison_of(pooled(0.02))},
                                             {"a", "c", comparison_of(pooled(0.03))},
                                             {"b", "c", comparison_of(none)}});
  EXPECT_THAT(html, HasSubstr("<td>0.020</td><td>0.040</td>"));  // Holm over two, not three
  EXPECT_THAT(html, HasSubstr("<td>0.030</td><td>0.040</td>"));
  EXPECT_THAT(html, HasSubstr("none: 3 speakers are too few"));
  EXPECT_THAT(html, HasSubstr("+0.040 ± 0.020"));
}

TEST(Differences, ShowsComparisonsOfOlderVersionsAsTheyWere) {
  const json old = {{"difference", 0.05}, {"low", nullptr},       {"high", nullptr},           {"p_folds", 0.25},
                    {"p_speakers", 0.5},  {"effect_folds", 1.25}, {"effect_speakers", nullptr}};
  const std::string html = differences_html({{"a", "b", comparison_of(old)}});
  EXPECT_THAT(html, HasSubstr("older version"));
  EXPECT_THAT(html, HasSubstr("<td>+0.050</td><td></td><td>0.250</td><td>1.25</td><td>0.500</td><td>none</td>"));
  EXPECT_THAT(html, Not(HasSubstr("pooled")));
}

TEST(Differences, NothingToCompareIsNothingToShow) { EXPECT_EQ(differences_html({}), ""); }

}  // namespace
}  // namespace loralens
