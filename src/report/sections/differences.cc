// SPDX-License-Identifier: Apache-2.0
#include "report/sections/differences.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "report/html.h"
#include "results/compare.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr std::array scores = {std::pair{"uar", "UAR"}, std::pair{"war", "WAR"}, std::pair{"macro_f1", "Macro F1"}};

std::string number(const json& value, const char* none) {
  return value.is_null() ? none : fmt::format("{:.2f}", value.get<double>());
}

std::string p_text(double p) { return p < 0.001 ? "&lt; 0.001" : fmt::format("{:.3f}", p); }

std::string interval_text(const json& score) {
  if (score.at("low").is_null()) return "";
  return fmt::format("{:+.3f} to {:+.3f}", score.at("low").get<double>(), score.at("high").get<double>());
}

// Whether the comparison is of the pooled scores; those of older versions are means over folds.
bool is_pooled(const json& comparison) { return comparison.at("uar").contains("estimand"); }

std::string explanation(const json& one) {
  const auto trainings = one.value("trainings", size_t{1});
  return fmt::format(
      "<p>The first run minus the second, which was tested on the same clips in the same folds. Pooled: the "
      "difference of the scores of all clips together, of {} speakers, with {} Detectable: the smallest true "
      "difference that would have been found with a probability of 80 %. Equivalence: the 90 % interval; two runs "
      "are equivalent at 0.05 for each margin that contains it, otherwise a p above 0.05 does not tell. Over "
      "folds: mean and standard deviation of the {} folds' differences, and p of Nadeau and Bengio's corrected t "
      "test.</p>\n",
      one.at("speakers").get<size_t>(),
      trainings == 1
          ? "the 95 % interval of a jackknife over speakers and the p of sign flips of the speakers' contributions. "
            "They are about these trained models: one training each, so that the variation between trainings is in "
            "neither."
          : fmt::format("the mean over {} trainings of each fold, and the 95 % interval and p over speakers and "
                        "trainings.",
                        trainings),
      one.at("folds").get<size_t>());
}

std::string old_explanation(const json& one) {
  return fmt::format(
      "<p>The first run minus the second, which was tested on the same clips in the same folds: the mean over "
      "folds, and a bootstrap interval over the speakers of all clips together. p: two-sided sign-flip test of the "
      "paired differences of the folds ({}) and of the speakers ({}), exact for at most 16 of them; d: mean "
      "difference divided by its standard deviation. Computed by an older version.</p>\n",
      one.at("folds").get<size_t>(), one.at("speakers").get<size_t>());
}

std::string p_or_none(const json& p) { return p.is_null() ? "none" : p_text(p.get<double>()); }

std::string pooled_table(const std::vector<Difference>& differences) {
  const std::vector<std::string> header = {"Runs",
                                           "Score",
                                           "Difference (pooled)",
                                           "95 % interval over speakers",
                                           "p",
                                           "p adjusted (Holm, runs of this page)",
                                           "Detectable",
                                           "Equivalence, 90 %",
                                           "Over folds",
                                           "p over folds"};
  std::vector<json> comparisons;
  for (const Difference& d : differences) comparisons.push_back(d.comparison);
  adjust(comparisons);
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < differences.size(); ++i)
    for (const auto& [key, title] : scores) {
      const json& score = comparisons[i].at(key);
      const json &detectable = score.at("detectable"), &equivalence = score.at("equivalence");
      const std::string mean = fmt::format("{:+.3f}", score.at("fold_mean").get<double>());
      rows.push_back(
          {escaped(differences[i].first + " − " + differences[i].second), title,
           fmt::format("{:+.3f}", score.at("difference").get<double>()),
           score.at("low").is_null() ? "none: " + escaped(score.at("reason").get<std::string>()) : interval_text(score),
           p_or_none(score.at("p")), p_or_none(score.at("p_adjusted")),
           detectable.is_null() ? "none" : fmt::format("{:.3f}", detectable.get<double>()),
           equivalence.is_null() ? "none" : interval_text(equivalence),
           score.at("fold_std").is_null() ? mean : fmt::format("{} ± {:.3f}", mean, score.at("fold_std").get<double>()),
           p_or_none(score.at("p_folds"))});
    }
  return html_table("", header, rows);
}

// The table of comparisons that an older version computed and stored in summary.json.
std::string old_table(const Difference& d) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, title] : scores) {
    const json& score = d.comparison.at(key);
    rows.push_back({escaped(d.first + " − " + d.second), title,
                    fmt::format("{:+.3f}", score.at("difference").get<double>()), interval_text(score),
                    p_text(score.at("p_folds")), number(score.at("effect_folds"), "none"),
                    p_text(score.at("p_speakers")), number(score.at("effect_speakers"), "none")});
  }
  return html_table("",
                    {"Runs", "Score", "Difference", "95 % interval over speakers", "p over folds", "d over folds",
                     "p over speakers", "d over speakers"},
                    rows);
}

}  // namespace

std::string differences_html(const std::vector<Difference>& differences) {
  std::string html;
  std::vector<Difference> comparisons;
  for (const Difference& d : differences)
    if (is_pooled(d.comparison))
      comparisons.push_back(d);
    else
      html += old_explanation(d.comparison) + old_table(d);
  if (comparisons.empty()) return html;
  return explanation(comparisons.front().comparison) + pooled_table(comparisons) + html;
}

}  // namespace loralens
