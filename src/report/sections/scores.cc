// SPDX-License-Identifier: Apache-2.0
#include "report/sections/scores.h"

#include <fmt/format.h>

#include <array>
#include <numeric>

#include "report/figures/reliability.h"
#include "report/html.h"

namespace loralens {
namespace {

using nlohmann::json;

struct ScoreRow {
  const char *key, *name;
};
constexpr std::array scores = {ScoreRow{"uar", "UAR"}, ScoreRow{"war", "WAR"}, ScoreRow{"macro_f1", "Macro F1"}};

// "0.800 to 0.900"; "" if there is no interval.
std::string interval_text(const json& score) {
  if (score.at("low").is_null()) return "";
  return fmt::format("{:.3f} to {:.3f}", score.at("low").get<double>(), score.at("high").get<double>());
}

// The interval, or the reason why there is none.
std::string interval_cell(const json& score) {
  if (!score.at("low").is_null() || !score.contains("reason")) return interval_text(score);
  return "none: " + escaped(score.at("reason").get<std::string>());
}

// Drawing of the interval on a line from 0 to 1.
std::string interval_drawing(const json& score) {
  const double value = shown_score(score);
  const double low = score.at("low").is_null() ? value : score.at("low").get<double>();
  const double high = score.at("high").is_null() ? value : score.at("high").get<double>();
  return fmt::format(
      "<span class=\"range\" style=\"--low:{:.4f};--high:{:.4f};--mean:{:.4f}\" aria-hidden=\"true\"></span>", low,
      high, value);
}

// Whether the scores of all clips together are known; files of older versions have the mean over folds alone.
bool is_pooled(const json& metrics) { return metrics.at("uar").contains("pooled"); }

std::string score_table(const json& metrics) {
  const bool folds = metrics.at("folds").size() > 1, pooled = is_pooled(metrics);
  std::vector<std::string> header = {"Score", pooled ? "All clips together" : folds ? "Mean of folds" : "Value"};
  if (folds && !pooled) header.push_back("Standard deviation");
  header.push_back("95 % interval over speakers");
  if (folds && pooled) header.push_back("Mean ± standard deviation of folds");
  header.push_back("0 to 1");
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, name] : scores) {
    const json& score = metrics.at(key);
    const std::string std = fmt::format("{:.3f}", score.at("std").get<double>());
    std::vector<std::string> row = {name, fmt::format("{:.3f}", shown_score(score))};
    if (folds && !pooled) row.push_back(std);
    row.push_back(interval_cell(score));
    if (folds && pooled) row.push_back(fmt::format("{:.3f} ± {}", score.at("mean").get<double>(), std));
    row.push_back(interval_drawing(score));
    rows.push_back(row);
  }
  return "<div class=\"scores\">" + html_table("", header, rows) + "</div>";
}

std::string explanation(const json& metrics) {
  const std::string scores = "<p>UAR is the recall averaged over classes, WAR the accuracy. ";
  if (!is_pooled(metrics))
    return scores + "The interval is a bootstrap over the speakers of all folds' clips together.</p>\n";
  const size_t trainings = metrics.contains("trainings") ? metrics.at("trainings").size() : 1;
  return scores + "The interval belongs to the score of all clips together" +
         (trainings == 1
              ? std::string(": a jackknife over speakers. It is about these trained models on new speakers: "
                            "with one training it does not include the variation between trainings.")
              : fmt::format(", the mean over {} trainings: it covers new speakers and new trainings.", trainings)) +
         " The mean of the folds' scores is another quantity.</p>\n";
}

// The interval that is shown below a class's recall; "" if there is none.
std::string recall_interval(const json& metrics, const std::string& name) {
  if (!metrics.contains("recall_intervals")) return "";
  const std::string interval = interval_text(metrics.at("recall_intervals").at(name));
  return interval.empty() ? "" : "<br><small>" + interval + "</small>";
}

std::string confusion_table(const json& metrics) {
  const auto classes = metrics.at("classes").get<std::vector<std::string>>();
  std::vector<std::string> header = {"Truth"};
  for (const auto& name : classes) header.push_back(escaped(name));
  header.push_back("Recall");
  std::vector<std::vector<std::string>> rows;
  for (size_t truth = 0; truth < classes.size(); ++truth) {
    const auto counts = metrics.at("confusion").at(truth).get<std::vector<int64_t>>();
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
    std::vector<std::string> row = {escaped(classes[truth])};
    for (const int64_t count : counts)
      row.push_back(fmt::format("<span class=\"share{}\" style=\"--share:{:.3f}\">{}</span>",
                                total > 0 && count / total > 0.5 ? " strong" : "", total > 0 ? count / total : 0,
                                count));
    row.push_back(total > 0 ? fmt::format("{:.3f}", counts.at(truth) / total) + recall_interval(metrics, classes[truth])
                            : "no clip");
    rows.push_back(row);
  }
  return "<div class=\"confusion\">" +
         html_table("Confusion: number of clips of each true class (row) by predicted class (column)", header, rows) +
         "</div>";
}

std::string calibration_html(const json& metrics) {
  if (!metrics.contains("calibration")) return "";
  const json& calibration = metrics.at("calibration");
  std::string text = fmt::format(
      "<p>Expected calibration error: {:.3f}, the mean distance between the confidence in the predicted class and the "
      "accuracy (15 bins of equal width, weighted by their predictions).",
      calibration.at("ece").get<double>());
  if (const json null = calibration.value("calibrated", json()); !null.is_null())
    text += fmt::format(
        " A calibrated model with the same confidences has {:.3f} on average, and at most {:.3f} in 95 % of {} draws "
        "(p = {:.3f}).",
        null.at("mean").get<double>(), null.at("high").get<double>(), null.at("draws").get<int64_t>(),
        null.at("p").get<double>());
  if (calibration.contains("brier")) {
    const json& loss = calibration.at("log_loss");
    text += fmt::format(" Brier score {:.3f} (0 to 2), log-loss {}.", calibration.at("brier").get<double>(),
                        loss.is_null() ? "infinite: a true class has the probability 0"
                                       : fmt::format("{:.3f} nats", loss.get<double>()));
  }
  return text + "</p>\n<div class=\"figures\">\n" +
         figure_html("reliability", reliability_figure({{metrics.value("method", "run"), metrics}})) + "</div>\n";
}

std::string group_cell(const json& score) {
  const std::string interval = interval_text(score);
  return fmt::format("{:.3f}", score.at("value").get<double>()) +
         (interval.empty() ? "" : " <small>" + interval + "</small>");
}

std::string group_tables(const json& metrics) {
  std::string html;
  if (!metrics.contains("groups")) return html;
  for (const auto& [column, groups] : metrics.at("groups").items()) {
    std::vector<std::vector<std::string>> rows;
    for (const json& group : groups)
      rows.push_back({escaped(group.at("value").get<std::string>()), group_cell(group.at("uar")),
                      group_cell(group.at("war")), group.at("clips").dump(), group.at("speakers").dump()});
    html += html_table(fmt::format("By {}: all folds' predictions of a group's clips together", column),
                       {title_of(column), "UAR", "WAR", "Clips", "Speakers"}, rows);
  }
  return html;
}

std::string fold_table(const json& metrics) {
  if (metrics.at("folds").size() < 2) return "";
  std::vector<std::vector<std::string>> rows;
  for (const json& fold : metrics.at("folds")) {
    std::vector<std::string> row = {fold.at("fold").dump()};
    for (const auto& [key, name] : scores) row.push_back(fmt::format("{:.3f}", fold.at(key).get<double>()));
    rows.push_back(row);
  }
  return "<details><summary>Scores of each fold</summary>" + html_table("", {"Fold", "UAR", "WAR", "Macro F1"}, rows) +
         "</details>\n";
}

}  // namespace

double shown_score(const json& score) {
  for (const char* key : {"value", "pooled"})
    if (score.contains(key)) return score.at(key).get<double>();
  return score.at("mean").get<double>();
}

std::string scores_html(const json& metrics) {
  return explanation(metrics) + score_table(metrics) + confusion_table(metrics) + calibration_html(metrics) +
         group_tables(metrics) + fold_table(metrics);
}

std::string score_text(const json& score) {
  const std::string interval = interval_text(score);
  return fmt::format("{:.3f}{}", shown_score(score), interval.empty() ? "" : " (95 % interval " + interval + ")");
}

std::string score_cell(const json& metrics, const std::string& metric) {
  if (!metrics.contains(metric)) return "";
  const json& score = metrics.at(metric);
  std::string cell = fmt::format("{:.3f}", shown_score(score));
  if (const std::string interval = interval_text(score); !interval.empty())
    cell += "<br><small>" + interval + "</small>";
  if (score.contains("pooled") && metrics.at("folds").size() > 1)
    cell += fmt::format("<br><small>folds {:.3f} ± {:.3f}</small>", score.at("mean").get<double>(),
                        score.at("std").get<double>());
  return cell;
}

}  // namespace loralens
