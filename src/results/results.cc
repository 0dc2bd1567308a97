// SPDX-License-Identifier: Apache-2.0
#include "results/results.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "adapter/adapter_options.h"
#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/json.h"
#include "results/protocol.h"
#include "results/scored.h"

namespace loralens {
namespace {

using nlohmann::json;

// A line with the paper's scores, if the run has the paper's corpus, model, method and protocol; else "".
std::string published(const json& metrics) {
  if (metrics.value("protocol", "") != paper_protocol.name || metrics.value("method", "") != paper_method ||
      metrics.value("base", "") != "openai/whisper-large-v2" || metrics.value("corpus", json()) != json({"iemocap"}))
    return "";
  return "published (arXiv 2509.08454, 10 folds): UAR 0.774 ± 0.026, WAR 0.768 ± 0.035\n";
}

// The pooled score with its interval, and the mean over folds; files of older versions have no pooled score.
std::string score_line(const json& score, const char* title, size_t folds) {
  const bool pooled = score.contains("pooled");
  const std::string mean = fmt::format("{:.3f}", score.at("mean").get<double>());
  const std::string over_folds =
      folds > 1 ? fmt::format(" ± {:.3f} over {} folds", score.at("std").get<double>(), folds) : "";
  std::string text = fmt::format("{:<9} ", title);
  text += pooled ? fmt::format("{:.3f}", score.at("pooled").get<double>()) : mean + over_folds;
  if (!score.at("low").is_null())
    text += fmt::format("   95 % interval over speakers {:.3f} to {:.3f}", score.at("low").get<double>(),
                        score.at("high").get<double>());
  else if (score.contains("reason"))
    text += fmt::format("   no interval: {}", score.at("reason").get<std::string>());
  if (pooled && folds > 1) text += "   mean " + mean + over_folds;
  return text + '\n';
}

std::string calibration_lines(const json& calibration) {
  std::string text = fmt::format("{:<9} {:.3f}   calibration error of the predicted class", "ECE",
                                 calibration.at("ece").get<double>());
  if (const json null = calibration.value("calibrated", json()); !null.is_null())
    text += fmt::format("; of a calibrated model {:.3f}, in 95 % of cases at most {:.3f}",
                        null.at("mean").get<double>(), null.at("high").get<double>());
  text += '\n';
  if (!calibration.contains("brier")) return text;
  const json& loss = calibration.at("log_loss");
  return text + fmt::format("{:<9} {:.3f}   log-loss {}\n", "Brier", calibration.at("brier").get<double>(),
                            loss.is_null() ? "infinite" : fmt::format("{:.3f} nats", loss.get<double>()));
}

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

double rounded(float value) { return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr); }

}  // namespace

std::vector<Prediction> predictions_of(const Clips& clips, std::span<const int64_t> numbers,
                                       const std::vector<std::string>& classes, const at::Tensor& probabilities,
                                       int64_t fold, std::optional<uint64_t> seed) {
  std::vector<Prediction> predictions;
  if (probabilities.sizes() != at::IntArrayRef{std::ssize(numbers), std::ssize(classes)})
    fail("{} clips and {} classes have [{}] probabilities", numbers.size(), classes.size(),
         fmt::join(probabilities.sizes(), ", "));
  const auto table = probabilities.contiguous();
  const float* values = table.const_data_ptr<float>();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const Clip& clip = clips.clips[numbers[i]];
    const float* row = values + i * classes.size();
    Prediction p{clip.id, clip.speaker, clip.label, fold, 0, 0, {}, seed};
    for (size_t c = 0; c < classes.size(); ++c) p.probabilities.push_back(rounded(row[c]));
    p.truth = std::find(classes.begin(), classes.end(), clip.label) - classes.begin();
    p.predicted = std::max_element(row, row + classes.size()) - row;
    predictions.push_back(std::move(p));
  }
  return predictions;
}

std::string format_predictions(std::span<const Prediction> predictions, const std::vector<std::string>& classes) {
  Table table{{"id", "fold", "speaker", "label", "predicted"}, {}};
  for (const auto& name : classes) table.header.push_back("p_" + name);
  table.header.emplace_back("seed");
  for (const auto& p : predictions) {
    table.rows.push_back({p.id, std::to_string(p.fold), p.speaker, p.label, classes[p.predicted]});
    for (const double value : p.probabilities) table.rows.back().push_back(fmt::format("{:.6g}", value));
    table.rows.back().push_back(p.seed ? std::to_string(*p.seed) : "");
  }
  return format_csv(table);
}

std::map<std::string, Confusion> by_speaker(std::span<const Prediction> predictions, int64_t classes) {
  std::map<std::string, Confusion> groups;
  for (const auto& p : predictions) {
    const std::string key = p.speaker.empty() ? "clip " + p.id : "speaker " + p.speaker;
    groups.try_emplace(key, classes).first->second.add(p.truth, p.predicted);
  }
  return groups;
}

std::vector<std::optional<uint64_t>> seeds_of(std::span<const Prediction> predictions) {
  std::vector<std::optional<uint64_t>> seeds;
  for (const auto& p : predictions)
    if ((seeds.empty() || seeds.back() != p.seed) && std::ranges::find(seeds, p.seed) == seeds.end())
      seeds.push_back(p.seed);
  return seeds;
}

std::vector<std::vector<Prediction>> by_training(std::span<const Prediction> predictions) {
  const auto seeds = seeds_of(predictions);
  std::vector<std::vector<Prediction>> trainings(seeds.size());
  for (const auto& p : predictions) trainings[std::ranges::find(seeds, p.seed) - seeds.begin()].push_back(p);
  return trainings;
}

std::map<int64_t, std::vector<Confusion>> by_fold(std::span<const Prediction> predictions, int64_t classes) {
  std::map<int64_t, std::vector<Confusion>> folds;
  for (const auto& training : by_training(predictions)) {
    std::map<int64_t, Confusion> of_training;
    for (const auto& p : training) of_training.try_emplace(p.fold, classes).first->second.add(p.truth, p.predicted);
    for (auto& [fold, confusion] : of_training) folds[fold].push_back(std::move(confusion));
  }
  return folds;
}

std::vector<std::vector<Confusion>> speakers_of_trainings(std::span<const Prediction> predictions, int64_t classes) {
  std::vector<std::vector<Confusion>> trainings;
  for (const auto& training : by_training(predictions)) {
    trainings.emplace_back();
    for (const auto& [name, confusion] : by_speaker(training, classes)) trainings.back().push_back(confusion);
  }
  return trainings;
}

double mean_score(std::span<const Confusion> trainings, Score score) {
  double sum = 0;
  for (const Confusion& training : trainings) sum += score_of(score, training);
  return sum / static_cast<double>(trainings.size());
}

double pooled_score(std::span<const std::vector<Confusion>> trainings, Score score) {
  std::vector<Confusion> whole;
  for (const auto& speakers : trainings) whole.push_back(pooled(speakers));
  return mean_score(whole, score);
}

json json_of(const Interval& interval) { return {{"low", finite(interval.low)}, {"high", finite(interval.high)}}; }

json metrics_of(std::span<const Prediction> predictions, const std::vector<std::string>& classes, int ddof,
                uint64_t seed) {
  if (predictions.empty()) fail("there is no prediction to score");
  const int64_t count = std::ssize(classes);
  const auto folds = by_fold(predictions, count);
  Confusion all(count);
  for (const auto& p : predictions) all.add(p.truth, p.predicted);
  const auto trainings = speakers_of_trainings(predictions, count);
  std::set<std::string_view> clips;
  for (const auto& p : predictions) clips.insert(p.id);

  json result = {{"classes", classes},
                 {"clips", clips.size()},
                 {"predictions", predictions.size()},
                 {"speakers", trainings.front().size()},
                 {"ddof", ddof}};
  const std::pair<const char*, Score> scores[] = {
      {"uar", Score::uar}, {"war", Score::war}, {"macro_f1", Score::macro_f1}};
  for (const auto& [name, score] : scores) {
    std::vector<double> values;
    for (const auto& [fold, of_fold] : folds) values.push_back(mean_score(of_fold, score));
    const Summary summary = summarise(values, ddof);
    result[name] = score_interval(trainings, score);
    result[name].update({{"pooled", pooled_score(trainings, score)}, {"mean", summary.mean}, {"std", summary.std}});
  }
  result["folds"] = json::array();
  for (const auto& [fold, of_fold] : folds) {
    json row = {{"fold", fold}};
    for (const auto& [name, score] : scores) row[name] = mean_score(of_fold, score);
    result["folds"].push_back(row);
  }
  result["trainings"] = json::array();
  const auto seeds = seeds_of(predictions);
  for (size_t t = 0; t < seeds.size(); ++t) {
    json row = {{"seed", seeds[t] ? json(*seeds[t]) : json(nullptr)}};
    for (const auto& [name, score] : scores) row[name] = score_of(score, pooled(trainings[t]));
    result["trainings"].push_back(row);
  }
  result["recall"] = json::object();
  const auto recall = recalls(all);
  for (size_t c = 0; c < classes.size(); ++c) {
    result["recall"][classes[c]] = finite(recall[c]);
    result["recall_intervals"][classes[c]] = recall_interval(trainings, static_cast<int64_t>(c));
  }
  result["calibration"] = calibration_of(predictions, seed);
  result["confusion"] = json::array();
  for (int64_t truth = 0; truth < count; ++truth) {
    json row = json::array();
    for (int64_t predicted = 0; predicted < count; ++predicted) row.push_back(all.at(truth, predicted));
    result["confusion"].push_back(row);
  }
  return result;
}

std::string describe_metrics(const json& metrics) {
  std::string text;
  bool intervals = false;
  for (const auto& [key, title] :
       {std::pair{"uar", "UAR"}, std::pair{"war", "WAR"}, std::pair{"macro_f1", "macro F1"}}) {
    text += score_line(metrics.at(key), title, metrics.at("folds").size());
    intervals |= !metrics.at(key).at("low").is_null();
  }
  if (metrics.contains("calibration")) text += calibration_lines(metrics.at("calibration"));
  const bool several = metrics.contains("trainings") && metrics.at("trainings").size() > 1;
  if (intervals)
    text += several ? "The intervals include the variation between trainings.\n"
                    : "The intervals hold for these trained models; they do not include the variation between "
                      "trainings.\n";
  text += published(metrics);
  const auto classes = metrics.at("classes").get<std::vector<std::string>>();
  size_t width = 10;
  for (const auto& name : classes) width = std::max(width, name.size() + 2);
  text += fmt::format("\n{:<{}}", "true \\ as", width);
  for (const auto& name : classes) text += fmt::format("{:>{}}", name, width);
  text += fmt::format("{:>{}}\n", "recall", width);
  for (size_t c = 0; c < classes.size(); ++c) {
    text += fmt::format("{:<{}}", classes[c], width);
    for (const auto& n : metrics.at("confusion").at(c)) text += fmt::format("{:>{}}", n.get<int64_t>(), width);
    const json& recall = metrics.at("recall").at(classes[c]);
    text += recall.is_null() ? fmt::format("{:>{}}\n", "-", width)
                             : fmt::format("{:>{}.3f}\n", recall.get<double>(), width);
  }
  return text;
}

}  // namespace loralens
