// SPDX-License-Identifier: Apache-2.0
#include "report/sections/answer.h"

#include <fmt/format.h>

#include <array>
#include <initializer_list>

#include "report/html.h"
#include "report/sections/scores.h"
#include "results/compare.h"

namespace loralens {
namespace {

using nlohmann::json;

// Figures that show where the adaptation acts, the most direct first.
constexpr std::array figures = {"ablation-shapley",    "patching-recovered",  "patching-log-probability",
                                "logit-lens-uar",      "logit-lens-accuracy", "erasure-accuracy-drop",
                                "alignment-efficiency"};

std::string whether_it_helped(const json& about, const std::string& name, const std::string& against) {
  const json comparison = about.value("comparison", json());
  if (!about.contains("metrics") || comparison.is_null() || !comparison.at("uar").contains("estimand"))
    return "Not compared with the frozen encoder: train a run of --method frozen on the same folds (--folds "
           "file:RUN/folds.csv) and name it with --against.";
  const json& uar = comparison.at("uar");
  const auto difference = uar.at("difference").get<double>(), score = shown_score(about.at("metrics").at("uar"));
  const std::string size = fmt::format("UAR of all clips together: {} {:.3f}, {} {:.3f}, difference {:+.3f}", name,
                                       score, against, score - difference, difference);
  if (uar.at("p").is_null())
    return fmt::format("Cannot be told. {}; no interval, because {}.", size, uar.at("reason").get<std::string>());
  const auto low = uar.at("low").get<double>(), high = uar.at("high").get<double>();
  const std::string numbers =
      fmt::format("{} (95 % interval {:+.3f} to {:+.3f}, p = {:.2g}).", size, low, high, uar.at("p").get<double>());
  if (uar.at("p").get<double>() < 0.05) return (difference > 0 ? "Yes. " : "No, it did harm. ") + numbers;
  if (is_equivalent(uar))
    return fmt::format("No: the two are equivalent within {} (two one-sided tests at 0.05). {}", equivalence_margin,
                       numbers);
  return fmt::format(
      "Cannot be told. {} Gains above {:.3f} are excluded (95 %). With the variation seen here a true "
      "difference of {:.3f} is found with a probability of 80 %.",
      numbers, high, uar.at("detectable").get<double>());
}

// The first sentence of each of these analyses, with a link to it; which analyses to make if none of them was made.
std::string first_sentences(const json& analyses, std::initializer_list<const char*> names) {
  std::string html, wanted;
  for (const std::string name : names) {
    wanted += (wanted.empty() ? "" : ",") + name;
    for (const json& analysis : analyses) {
      if (analysis.at("name") != name) continue;
      const json& reading = analysis.at("reading");
      html += fmt::format("<p>{} <a href=\"#{}\">{}</a></p>\n",
                          reading.empty() ? "Cannot be told." : escaped(reading[0].get<std::string>()), name,
                          title_of(name));
    }
  }
  if (html.empty())
    return fmt::format("<p>Not analysed: <code>loralens analyze RUN --against FROZEN --only {} -o DIR</code></p>\n",
                       wanted);
  return html;
}

// "196,608"
std::string with_separators(int64_t number) {
  std::string text = std::to_string(number);
  for (int64_t at = std::ssize(text) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string what_it_cost(const json& about, const json& analyses) {
  const json trained = about.value("metrics", json::object()).value("trained_parameters", json());
  std::string html;
  if (!trained.is_null())
    html = fmt::format("<p>Trained parameters: {} in the encoder, {} in the head.</p>\n",
                       with_separators(trained.at("encoder")), with_separators(trained.at("head")));
  return html + first_sentences(analyses, {"retention"});
}

std::string how_sure(const json& about) {
  if (!about.contains("metrics"))
    return "The scores of the analysed clips are not on this page. Intervals are over the speakers of these clips.";
  const json& metrics = about.at("metrics");
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
  if (analyses.empty()) return "";
  std::string html = "<section id=\"answer\">\n<h2>Answer</h2>\n<dl class=\"answer\">\n";
  const auto add = [&](const char* question, const std::string& answer) {
    html += fmt::format("<dt>{}</dt>\n<dd>{}</dd>\n", question, answer);
  };
  add("Did it help?", fmt::format("<p>{}</p>", escaped(whether_it_helped(about, name, against))));
  add("In which layers?", first_sentences(analyses, {"ablation", "patching"}));
  add("Where is the emotion read?", first_sentences(analyses, {"logit-lens"}));
  add("What did it cost?", what_it_cost(about, analyses));
  add("How sure?", fmt::format("<p>{}</p>", escaped(how_sure(about))));
  return html + "</dl>\n</section>\n";
}

std::string answer_figure(const json& summary) {
  for (const char* wanted : figures)
    for (const json& analysis : summary.at("analyses"))
      for (const json& figure : analysis.at("figures"))
        if (figure.at("name") == wanted) return wanted;
  return "";
}

}  // namespace loralens
