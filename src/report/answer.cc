// SPDX-License-Identifier: Apache-2.0
#include "report/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "report/html.h"

namespace loralens {
namespace {

using nlohmann::json;

// Analyses that tell where the network decides, the most direct first, and how many of their sentences are shown.
constexpr std::pair<const char*, size_t> places[] = {
    {"patching", 2}, {"ablation", 1}, {"erasure", 1}, {"logit-lens", 1}};

std::string interval_of(const json& score, const char* format) {
  return fmt::format(fmt::runtime(format), score.at("low").get<double>(), score.at("high").get<double>());
}

std::string whether_it_helped(const json& about, const std::string& name, const std::string& against) {
  const json comparison = about.value("comparison", json());
  if (comparison.is_null() || !comparison.at("uar").contains("estimand"))
    return "Not compared with a read-out of the frozen encoder: train one on the same folds (--method frozen --folds "
           "file:RUN/folds.csv) and name it with --against.";
  const json& uar = comparison.at("uar");
  const auto difference = uar.at("difference").get<double>();
  const std::string size = fmt::format("UAR of {} minus UAR of {}: {:+.3f}", name, against, difference);
  if (uar.at("p").is_null())
    return fmt::format("Cannot be told. {}; no interval, because {}.", size, uar.at("reason").get<std::string>());
  const std::string numbers = fmt::format("{}, 95 % interval {}, p = {:.2g}.", size,
                                          interval_of(uar, "{:+.3f} to {:+.3f}"), uar.at("p").get<double>());
  if (uar.at("p").get<double>() < 0.05) return (difference > 0 ? "Yes. " : "No, it did harm. ") + numbers;
  std::string text = fmt::format(
      "Cannot be told. {} A true difference of {:.3f} would have been found with a "
      "probability of 80 %.",
      numbers, uar.at("detectable").get<double>());
  if (const json& bounds = uar.at("equivalence"); !bounds.is_null())
    text += fmt::format(" The two are equivalent for margins above {:.3f}.",
                        std::max(std::abs(bounds.at("low").get<double>()), std::abs(bounds.at("high").get<double>())));
  return text;
}

std::vector<std::string> where_in_the_network(const json& analyses) {
  std::vector<std::string> found;
  for (const auto& [name, most] : places)
    for (const json& analysis : analyses) {
      if (analysis.at("name") != name) continue;
      const json& reading = analysis.at("reading");
      for (size_t i = 0; i < std::min(most, reading.size()); ++i)
        found.push_back(
            fmt::format("{} <a href=\"#{}\">{}</a>", escaped(reading[i].get<std::string>()), name, title_of(name)));
    }
  if (found.empty())
    found.emplace_back("Not analysed: <code>loralens analyze RUN --only patching,ablation,erasure,logit-lens</code>.");
  return found;
}

std::string how_sure(const json& about) {
  const json metrics = about.value("metrics", json::object());
  const size_t trainings = metrics.contains("trainings") ? metrics.at("trainings").size() : 1;
  const std::string speakers = fmt::format("{} speakers", metrics.value("speakers", json(0)).dump());
  std::string text =
      trainings == 1
          ? fmt::format(
                "One training of each fold, {}: intervals and p are about these trained models on new speakers "
                "and leave out the variation between trainings (--seeds 3 includes it).",
                speakers)
          : fmt::format("{} trainings of each fold, {}: intervals and p include the variation between trainings.",
                        trainings, speakers);
  if (const json seen = about.value("trained_clips", json()); !seen.is_null() && seen != 0)
    text += fmt::format(" {} of the clips trained a model, so the scores are no test.", seen.dump());
  if (const json known = about.value("trained_speakers", json()); !known.is_null())
    text +=
        fmt::format(" {} of the speakers trained a model, so the scores say nothing about new speakers.", known.dump());
  return text;
}

}  // namespace

std::string answer_html(const json& summary, const std::string& name, const std::string& against) {
  const json& about = summary.at("about");
  const json& analyses = summary.at("analyses");
  if (!about.contains("metrics") || analyses.empty()) return "";
  std::string where;
  for (const std::string& sentence : where_in_the_network(analyses)) where += "<p>" + sentence + "</p>\n";
  return fmt::format(
      "<section id=\"answer\">\n<h2>Answer</h2>\n<dl class=\"answer\">\n"
      "<dt>Did the adaptation help?</dt>\n<dd>{}</dd>\n"
      "<dt>Where in the network?</dt>\n<dd>{}</dd>\n<dt>How sure?</dt>\n<dd>{}</dd>\n</dl>\n</section>\n",
      escaped(whether_it_helped(about, name, against)), where, escaped(how_sure(about)));
}

}  // namespace loralens
