// SPDX-License-Identifier: Apache-2.0
#include "report/sections/answer.h"

#include <gmock/gmock.h>

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

json compared(double difference, double p) {
  const json uar = {{"estimand", "pooled"},
                    {"difference", difference},
                    {"low", difference - 0.03},
                    {"high", difference + 0.03},
                    {"p", p},
                    {"detectable", 0.045},
                    {"equivalence", {{"low", difference - 0.02}, {"high", difference + 0.02}}}};
  return {{"about",
           {{"metrics",
             {{"speakers", 24},
              {"uar", {{"pooled", 0.9}}},
              {"trainings", {{{"seed", 42}}, {{"seed", 43}}, {{"seed", 44}}}}}},
            {"comparison", {{"uar", uar}}}}},
          {"analyses",
           {{{"name", "logit-lens"},
             {"reading", {"Layer 0 < layer 1.", "More."}},
             {"figures", {{{"name", "logit-lens-uar"}}}}},
            {{"name", "patching"}, {"reading", {"Half of it in layer 3."}}, {"figures", json::array()}}}}};
}

std::string answer(const json& summary) { return answer_html(summary, "lora", "frozen"); }

TEST(Answer, SaysYesOnlyForASignificantGain) {
  EXPECT_THAT(
      answer(compared(0.061, 0.008)),
      HasSubstr("<dd><p>Yes. UAR of all clips together: lora 0.900, frozen 0.839, difference +0.061 (95 % interval "
                "+0.031 to +0.091, p = 0.008)."));
  EXPECT_THAT(
      answer(compared(-0.061, 0.008)),
      HasSubstr("<dd><p>No, it did harm. UAR of all clips together: lora 0.900, frozen 0.961, difference -0.061"));
  const std::string open = answer(compared(0.04, 0.3));
  EXPECT_THAT(open, HasSubstr("<dd><p>Cannot be told."));
  EXPECT_THAT(open,
              HasSubstr("Gains above 0.070 are excluded (95 %). With the variation seen here a true difference of "
                        "0.045 is found"));
  EXPECT_THAT(answer(compared(0.01, 0.3)), HasSubstr("No: the two are equivalent within 0.05"));
}

TEST(Answer, SaysWhyThereIsNone) {
  json summary = compared(0.01, 0.3);
  json& uar = summary["about"]["comparison"]["uar"];
  for (const char* key : {"low", "high", "p", "detectable", "equivalence"}) uar[key] = nullptr;
  uar["reason"] = "there are too few speakers";
  EXPECT_THAT(answer(summary),
              HasSubstr("Cannot be told. UAR of all clips together: lora 0.900, frozen 0.890, difference +0.010; no "
                        "interval, because there are too few speakers."));
  summary["about"].erase("comparison");
  EXPECT_THAT(answer(summary), HasSubstr("Not compared with the frozen encoder"));
}

TEST(Answer, TakesSentencesOfAnalysesInTheirOrder) {
  const std::string html = answer(compared(0.01, 0.3));
  EXPECT_LT(html.find("Half of it in layer 3. <a href=\"#patching\">"), html.find("Layer 0 &lt; layer 1."));
  EXPECT_THAT(html, Not(HasSubstr("More.")));
  EXPECT_THAT(html,
              HasSubstr("Not analysed: <code>loralens analyze RUN --against FROZEN --only retention -o DIR</code>"));
  json other = compared(0.01, 0.3);
  other["analyses"] = {{{"name", "ablation"}, {"reading", json::array()}}};
  EXPECT_THAT(answer(other), HasSubstr("Cannot be told. <a href=\"#ablation\">"));
  EXPECT_THAT(answer(other),
              HasSubstr("Not analysed: <code>loralens analyze RUN --against FROZEN --only logit-lens -o DIR</code>"));
}

TEST(Answer, ShowsTheFigureThatIsMostDirect) {
  json summary = compared(0.01, 0.3);
  EXPECT_EQ(answer_figure(summary), "logit-lens-uar");
  summary["analyses"][1]["figures"] = {{{"name", "patching-uar"}}, {{"name", "patching-recovered"}}};
  EXPECT_EQ(answer_figure(summary), "patching-recovered");
  EXPECT_EQ(answer_figure({{"analyses", json::array()}}), "");
}

TEST(Answer, SaysWhatWasTrained) {
  json summary = compared(0.01, 0.3);
  summary["about"]["metrics"]["trained_parameters"] = {{"encoder", 196608}, {"head", 132612}};
  EXPECT_THAT(answer(summary), HasSubstr("Trained parameters: 196,608 in the encoder, 132,612 in the head."));
}

TEST(Answer, SaysWhatTheNumbersLeaveOut) {
  json summary = compared(0.01, 0.3);
  EXPECT_THAT(answer(summary), HasSubstr("3 trainings of each fold, 24 speakers: intervals and p include"));
  summary["about"]["metrics"].erase("trainings");
  EXPECT_THAT(answer(summary), HasSubstr("One training of each fold, 24 speakers"));
  summary["about"]["trained_clips"] = 7;
  EXPECT_THAT(answer(summary), HasSubstr("7 of the clips trained a model"));
}

TEST(Answer, IsOfAnalysedRunsOnly) {
  json summary = compared(0.01, 0.3);
  summary["about"].erase("metrics");
  EXPECT_THAT(answer(summary), HasSubstr("The scores of the analysed clips are not on this page."));
  summary["analyses"] = json::array();
  EXPECT_THAT(answer(summary), IsEmpty());
}

}  // namespace
}  // namespace loralens
