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
#include "statistics/calibration.h"

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

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

double rounded(float value) { return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr); }

json recall_intervals(std::span<const Confusion> speakers, const std::vector<std::string>& classes, uint64_t seed) {
  json intervals = json::object();
  for (size_t c = 0; c < classes.size(); ++c)
    intervals[classes[c]] = json_of(bootstrap_recall(speakers, static_cast<int64_t>(c), {.seed = seed}));
  return intervals;
}

json calibration_of(std::span<const Prediction> predictions) {
  std::vector<double> confidence;
  std::vector<bool> right;
  for (const auto& p : predictions) {
    confidence.push_back(p.probabilities[static_cast<size_t>(p.predicted)]);
    right.push_back(p.predicted == p.truth);
  }
  const Calibration found = calibration(confidence, right);
  json bins = json::array();
  for (const CalibrationBin& bin : found.bins)
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"predictions", bin.predictions},
                    {"confidence", finite(bin.confidence)},
                    {"accuracy", finite(bin.accuracy)}});
  return {{"ece", found.ece}, {"bins", std::move(bins)}};
}

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
    const Clip& clip = clips.clips[static_cast<size_t>(numbers[i])];
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
    table.rows.push_back({p.id, std::to_string(p.fold), p.speaker, p.label, classes[static_cast<size_t>(p.predicted)]});
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
  for (const auto& p : predictions)
    trainings[static_cast<size_t>(std::ranges::find(seeds, p.seed) - seeds.begin())].push_back(p);
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

double mean_score(std::span<const Confusion> trainings, double (*score)(const Confusion&)) {
  double sum = 0;
  for (const Confusion& training : trainings) sum += score(training);
  return sum / static_cast<double>(trainings.size());
}

json json_of(const Interval& interval) { return {{"low", finite(interval.low)}, {"high", finite(interval.high)}}; }

json metrics_of(std::span<const Prediction> predictions, const std::vector<std::string>& classes, int ddof,
                uint64_t seed) {
  if (predictions.empty()) fail("there is no prediction to score");
  const int64_t count = std::ssize(classes);
  const auto folds = by_fold(predictions, count);
  Confusion all(count);
  for (const auto& p : predictions) all.add(p.truth, p.predicted);
  std::vector<Confusion> speakers;
  for (const auto& [name, confusion] : by_speaker(predictions, count)) speakers.push_back(confusion);
  std::set<std::string_view> clips;
  for (const auto& p : predictions) clips.insert(p.id);

  json result = {{"classes", classes},
                 {"clips", clips.size()},
                 {"predictions", predictions.size()},
                 {"speakers", speakers.size()},
                 {"ddof", ddof}};
  const std::pair<const char*, double (*)(const Confusion&)> metrics[] = {
      {"uar", uar}, {"war", war}, {"macro_f1", macro_f1}};
  for (const auto& [name, metric] : metrics) {
    std::vector<double> values;
    for (const auto& [fold, trainings] : folds) values.push_back(mean_score(trainings, metric));
    const Summary summary = summarise(values, ddof);
    const Interval interval = bootstrap_confusions(speakers, metric, {.seed = seed});
    result[name] = json_of(interval);
    result[name].update({{"mean", summary.mean}, {"std", summary.std}});
  }
  result["folds"] = json::array();
  for (const auto& [fold, trainings] : folds) {
    json row = {{"fold", fold}};
    for (const auto& [name, metric] : metrics) row[name] = mean_score(trainings, metric);
    result["folds"].push_back(row);
  }
  result["trainings"] = json::array();
  for (const auto& training : by_training(predictions)) {
    const auto seed = training.front().seed;
    json row = {{"seed", seed ? json(*seed) : json(nullptr)}};
    Confusion confusion(count);
    for (const auto& p : training) confusion.add(p.truth, p.predicted);
    for (const auto& [name, metric] : metrics) row[name] = metric(confusion);
    result["trainings"].push_back(row);
  }
  result["recall"] = json::object();
  const auto recall = recalls(all);
  for (size_t c = 0; c < classes.size(); ++c) result["recall"][classes[c]] = finite(recall[c]);
  result["recall_intervals"] = recall_intervals(speakers, classes, seed);
  result["calibration"] = calibration_of(predictions);
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
  const std::pair<const char*, const char*> names[] = {{"uar", "UAR"}, {"war", "WAR"}, {"macro_f1", "macro F1"}};
  const size_t folds = metrics.at("folds").size();
  for (const auto& [key, title] : names) {
    const json& m = metrics.at(key);
    text += fmt::format("{:<9} {:.3f}", title, m.at("mean").get<double>());
    if (folds > 1) text += fmt::format(" ± {:.3f} over {} folds", m.at("std").get<double>(), folds);
    if (!m.at("low").is_null())
      text += fmt::format("   95 % interval over speakers {:.3f} to {:.3f}", m.at("low").get<double>(),
                          m.at("high").get<double>());
    text += '\n';
  }
  if (metrics.contains("calibration"))
    text += fmt::format("{:<9} {:.3f}   calibration error of the predicted class\n", "ECE",
                        metrics.at("calibration").at("ece").get<double>());
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
