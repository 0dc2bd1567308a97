// SPDX-License-Identifier: Apache-2.0
#include "report/differences.h"

#include <fmt/format.h>

#include <array>

#include "report/html.h"
#include "statistics/bootstrap.h"

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

std::string explanation(const json& one) {
  return fmt::format(
      "<p>The first run minus the second, which was tested on the same clips in the same folds: the mean over "
      "folds, and a bootstrap interval over the speakers of all clips together. p: two-sided sign-flip test of the "
      "paired differences of the folds ({}) and of the speakers ({}), exact for at most 16 of them; d: mean "
      "difference divided by its standard deviation.</p>\n",
      one.at("folds").get<size_t>(), one.at("speakers").get<size_t>());
}

}  // namespace

std::string differences_html(const std::vector<Difference>& differences) {
  if (differences.empty()) return "";
  const bool several = differences.size() > 1;
  std::vector<std::string> header = {"Runs",         "Score",        "Difference",     "95 % interval over speakers",
                                     "p over folds", "d over folds", "p over speakers"};
  if (several) header.push_back("p over speakers, Holm");
  header.push_back("d over speakers");
  std::vector<std::vector<std::string>> rows(differences.size() * scores.size());
  for (size_t s = 0; s < scores.size(); ++s) {
    std::vector<double> p;
    for (const Difference& d : differences) p.push_back(d.comparison.at(scores[s].first).at("p_speakers"));
    const auto adjusted = holm(p);
    for (size_t i = 0; i < differences.size(); ++i) {
      const Difference& d = differences[i];
      const json& score = d.comparison.at(scores[s].first);
      auto& row = rows[i * scores.size() + s];
      row = {escaped(d.first + " − " + d.second),
             scores[s].second,
             fmt::format("{:+.3f}", score.at("difference").get<double>()),
             interval_text(score),
             p_text(score.at("p_folds")),
             number(score.at("effect_folds"), "none"),
             p_text(p[i])};
      if (several) row.push_back(p_text(adjusted[i]));
      row.push_back(number(score.at("effect_speakers"), "none"));
    }
  }
  return explanation(differences.front().comparison) + html_table("", header, rows);
}

}  // namespace loralens
