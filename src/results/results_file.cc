// SPDX-License-Identifier: Apache-2.0
// Reads predictions.csv and metrics.json, checks every value, and checks that the two files agree.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>

#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/json.h"
#include "results/results.h"
#include "results/run_folder.h"
#include "statistics/calibration.h"
#include "statistics/intervals/pooled_scores.h"
#include "statistics/nulls/calibrated.h"

namespace loralens {
namespace {

using nlohmann::json;

template <typename T>
T number_in(const std::string& text, const std::string& where) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) fail("{}: '{}' is no number", where, text);
  return value;
}

// Indices of the columns of predictions.csv.
struct Columns {
  size_t id, fold, speaker, label, predicted;
  std::vector<size_t> probabilities;  // C, in the order of the classes
  std::optional<size_t> seed;
};

Columns columns_of(const Table& table, const std::vector<std::string>& classes, const std::string& name) {
  const auto place = [&](const std::string& column) {
    const int found = table.column(column);
    if (found < 0)
      fail("{}: not a table of predictions of the classes {}: the column '{}' is missing", name,
           fmt::join(classes, ", "), column);
    return static_cast<size_t>(found);
  };
  Columns columns{place("id"), place("fold"), place("speaker"), place("label"), place("predicted"), {}, {}};
  std::set<std::string> known = {"id", "fold", "speaker", "label", "predicted", "seed"};
  if (const int found = table.column("seed"); found >= 0) columns.seed = static_cast<size_t>(found);
  for (const std::string& c : classes) {
    columns.probabilities.push_back(place("p_" + c));
    known.insert("p_" + c);
  }
  for (const std::string& column : table.header)
    if (!known.contains(column))
      fail("{}: not a table of predictions of the classes {}: it has the column '{}'", name, fmt::join(classes, ", "),
           column);
  return columns;
}

constexpr std::pair<const char*, Score> scores[] = {
    {"uar", Score::uar}, {"war", Score::war}, {"macro_f1", Score::macro_f1}};

constexpr double rounding = 1e-6;  // largest rounding error of a probability with six digits

// The probabilities of a row. Error unless each is in [0, 1] and they add up to 1.
std::vector<double> probabilities_of(const std::vector<std::string>& row, const Columns& columns,
                                     const std::vector<std::string>& classes, const std::string& where) {
  std::vector<double> probabilities;
  double sum = 0;
  for (size_t c = 0; c < classes.size(); ++c) {
    const std::string& cell = row[columns.probabilities[c]];
    const std::string column = fmt::format("{}, column p_{}", where, classes[c]);
    const double p = number_in<double>(cell, column);
    if (!(p >= 0 && p <= 1)) fail("{}: '{}' is no probability", column, cell);
    probabilities.push_back(p);
    sum += p;
  }
  if (!(std::abs(sum - 1) <= 1e-5 + rounding * static_cast<double>(classes.size())))
    fail("{}: the probabilities add up to {:.6g} instead of 1", where, sum);
  return probabilities;
}

bool is_score(const json& value) { return value.is_number() && value >= 0 && value <= 1; }

// Whether an entry uar, war or macro_f1 is valid: mean, pooled, low and high in [0, 1]; low and high, which enclose
// pooled, both numbers or both null. Older files lack pooled.
bool is_summary(const json& score) {
  const json &low = score.at("low"), &high = score.at("high");
  bool interval = is_score(low) && is_score(high) && low.get<double>() <= high.get<double>();
  if (score.contains("pooled")) {
    const json& pooled = score.at("pooled");
    if (!is_score(pooled)) return false;
    interval = interval && low <= pooled && pooled <= high;
  }
  return is_score(score.at("mean")) && (interval || (low.is_null() && high.is_null())) &&
         (score.at("std").is_null() || (score.at("std").is_number() && score.at("std") >= 0));
}

// Describes the first fault of "trainings", which older files lack; "" if there is none.
std::string fault_of_trainings(const json& metrics) {
  std::set<json> seeds;
  for (const json& training : metrics.value("trainings", json::array())) {
    const json& seed = training.at("seed");
    if (!seed.is_number_unsigned() && !seed.is_null()) return "a training has no seed";
    if (!seeds.insert(seed).second) return "a training is there twice";
    for (const char* key : {"uar", "war", "macro_f1"})
      if (!is_score(training.at(key))) return fmt::format("\"{}\" of a training is no score", key);
  }
  return seeds.size() > 1 && seeds.contains(json()) ? "a training has no seed" : "";
}

// Describes the first fault of metrics.json; "" if it is valid. Throws json::exception for a missing key or wrong type.
std::string fault_of(const json& metrics) {
  const auto classes = metrics.at("classes").get<std::vector<std::string>>();
  if (classes.empty()) return "it has no classes";
  if (std::set(classes.begin(), classes.end()).size() != classes.size()) return "a class is named twice";
  for (const char* key : {"uar", "war", "macro_f1"})
    if (!is_summary(metrics.at(key))) return fmt::format("\"{}\" is no score", key);
  const json& confusion = metrics.at("confusion");
  if (confusion.size() != classes.size()) return "\"confusion\" does not have a row for each class";
  for (const json& row : confusion) {
    if (!row.is_array() || row.size() != classes.size()) return "\"confusion\" does not have a column for each class";
    for (const json& count : row)
      if (!count.is_number_integer() || count < 0) return "\"confusion\" holds values that are not counts";
  }
  if (metrics.at("recall").size() != classes.size()) return "\"recall\" does not have one value for each class";
  for (const std::string& c : classes)
    if (const json& recall = metrics.at("recall").at(c); !recall.is_null() && !is_score(recall))
      return fmt::format("the recall of {} is no score", c);
  if (auto fault = fault_of_trainings(metrics); !fault.empty()) return fault;
  std::set<int64_t> folds;
  for (const json& fold : metrics.at("folds")) {
    if (!fold.at("fold").is_number_integer() || fold.at("fold") < 0) return "a fold has no number";
    if (!folds.insert(fold.at("fold").get<int64_t>()).second) return "a fold is there twice";
    for (const char* key : {"uar", "war", "macro_f1"})
      if (!is_score(fold.at(key))) return fmt::format("\"{}\" of fold {} is no score", key, fold.at("fold").dump());
  }
  return folds.empty() ? "it has no folds" : "";
}

// Checks the values of metrics.json that can be recomputed from the predictions.
class Agreement {
 public:
  Agreement(const json& metrics, std::span<const Prediction> predictions, const std::string& folder)
      : metrics_(metrics), predictions_(predictions), folder_(folder) {}

  void check() const {
    const auto classes = metrics_.at("classes").get<std::vector<std::string>>();
    const int64_t count = std::ssize(classes);
    Confusion all(count);
    const auto folds = by_fold(predictions_, count);
    std::set<std::string_view> ids;
    for (const Prediction& p : predictions_) {
      all.add(p.truth, p.predicted);
      ids.insert(p.id);
    }
    check_same_folds(folds);
    if (metrics_.contains("predictions")) equal("predictions", metrics_.at("predictions"), predictions_.size());
    equal("clips", metrics_.at("clips"), ids.size());
    for (int64_t t = 0; t < count; ++t)
      for (int64_t p = 0; p < count; ++p)
        equal(fmt::format("clips of {} taken for {}", classes[t], classes[p]), metrics_.at("confusion").at(t).at(p),
              all.at(t, p));
    check_folds(folds);
    check_pooled();
    if (metrics_.contains("trainings")) check_trainings();
    if (metrics_.contains("calibration")) check_calibration();
  }

 private:
  template <typename T>
  void equal(const std::string& what, const json& stated, T found) const {
    if (!stated.is_number() || stated.get<double>() != static_cast<double>(found))
      disagree(what, stated.dump(), fmt::format("{}", found));
  }
  void near(const std::string& what, const json& stated, double found) const {
    if (!stated.is_number() || !(std::abs(stated.get<double>() - found) <= 1e-9))
      disagree(what, stated.dump(), fmt::format("{:.6g}", found));
  }
  [[noreturn]] void disagree(const std::string& what, const std::string& stated, const std::string& found) const {
    fail(
        "{}: metrics.json and predictions.csv are not of one run, or one of them is cut or changed: {} {} by "
        "metrics.json, {} by predictions.csv",
        folder_, what, stated, found);
  }

  void check_same_folds(const std::map<int64_t, std::vector<Confusion>>& folds) const {
    std::set<int64_t> scored;
    for (const json& fold : metrics_.at("folds")) scored.insert(fold.at("fold").get<int64_t>());
    for (const int64_t fold : scored)
      if (!folds.contains(fold))
        fail("{}: metrics.json has {}, of which predictions.csv has no row: the run is not whole", folder_,
             fold_name(fold));
    for (const auto& [fold, trainings] : folds)
      if (!scored.contains(fold))
        fail("{}: predictions.csv has {}, which is not in metrics.json: the run is not whole", folder_,
             fold_name(fold));
  }

  void check_folds(const std::map<int64_t, std::vector<Confusion>>& folds) const {
    for (const auto& [key, score] : scores) {
      std::vector<double> values;
      for (const json& fold : metrics_.at("folds")) {
        const auto number = fold.at("fold").get<int64_t>();
        values.push_back(mean_score(folds.at(number), score));
        near(fmt::format("{} of fold {}", key, number), fold.at(key), values.back());
      }
      near(key, metrics_.at(key).at("mean"), summarise(values, 0).mean);
    }
  }

  void check_trainings() const {
    const auto trainings = speakers_of_trainings(predictions_, std::ssize(metrics_.at("classes")));
    const auto seeds = seeds_of(predictions_);
    const json& stated = metrics_.at("trainings");
    equal("trainings", stated.size(), trainings.size());
    for (size_t t = 0; t < trainings.size(); ++t) {
      const json& of_training = stated.at(t);
      if (of_training.at("seed") != (seeds[t] ? json(*seeds[t]) : json()))
        disagree(fmt::format("seed of training {}", t), of_training.at("seed").dump(),
                 seeds[t] ? std::to_string(*seeds[t]) : "none");
      for (const auto& [key, score] : scores)
        near(fmt::format("{} of training {}", key, t), of_training.at(key), score_of(score, pooled(trainings[t])));
    }
  }

  // Files of older versions lack the pooled scores, the Brier score and the log-loss.
  void check_pooled() const {
    const auto trainings = speakers_of_trainings(predictions_, std::ssize(metrics_.at("classes")));
    for (const auto& [key, score] : scores)
      if (metrics_.at(key).contains("pooled"))
        near(fmt::format("{} of all clips together", key), metrics_.at(key).at("pooled"),
             pooled_score(trainings, score));
  }

  void check_calibration() const {
    std::vector<double> confidence;
    std::vector<bool> right;
    double brier = 0, loss = 0;
    for (const Prediction& p : predictions_) {
      confidence.push_back(p.probabilities[p.predicted]);
      right.push_back(p.predicted == p.truth);
      brier += brier_score(p.probabilities, p.truth) / static_cast<double>(predictions_.size());
      loss += log_loss(p.probabilities, p.truth) / static_cast<double>(predictions_.size());
    }
    const json& stated = metrics_.at("calibration");
    near("calibration error", stated.at("ece"), calibration(confidence, right).ece);
    if (!stated.contains("brier")) return;
    near("Brier score", stated.at("brier"), brier);
    if (std::isfinite(loss)) near("log-loss", stated.at("log_loss"), loss);
  }

  const json& metrics_;
  std::span<const Prediction> predictions_;
  std::string folder_;
};

}  // namespace

std::vector<Prediction> read_predictions(const Path& csv, const std::vector<std::string>& classes) {
  const Table table = read_csv(csv);
  const Columns columns = columns_of(table, classes, csv.string());
  const auto number_of = [&](const std::string& label, const std::string& where) {
    const auto found = std::find(classes.begin(), classes.end(), label);
    if (found == classes.end()) fail("{}: there is no class '{}'", where, label);
    return found - classes.begin();
  };
  std::vector<Prediction> predictions;
  std::set<std::tuple<std::optional<uint64_t>, int64_t, std::string>> seen;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const std::string where = fmt::format("{}, row {}", csv.string(), i + 2);
    Prediction p{row[columns.id], row[columns.speaker], row[columns.label], 0, 0, 0, {}, {}};
    if (p.id.empty()) fail("{}, column id: it is empty", where);
    p.fold = number_in<int64_t>(row[columns.fold], where + ", column fold");
    if (p.fold < 0) fail("{}, column fold: '{}' is no number of a fold: they count from 0", where, row[columns.fold]);
    if (columns.seed && !row[*columns.seed].empty())
      p.seed = number_in<uint64_t>(row[*columns.seed], where + ", column seed");
    if (!seen.emplace(p.seed, p.fold, p.id).second) fail("{}: '{}' is in fold {} twice", where, p.id, p.fold);
    p.truth = number_of(p.label, where + ", column label");
    p.predicted = number_of(row[columns.predicted], where + ", column predicted");
    p.probabilities = probabilities_of(row, columns, classes, where);
    const double best = *std::max_element(p.probabilities.begin(), p.probabilities.end());
    if (p.probabilities[p.predicted] < best - rounding)
      fail("{}, column predicted: '{}' is not the most probable class", where, row[columns.predicted]);
    predictions.push_back(std::move(p));
  }
  if (predictions.empty()) fail("{}: there are no predictions below the header", csv.string());
  return predictions;
}

json read_metrics(const Path& file) {
  json metrics = read_json_object(file);
  try {
    if (const std::string fault = fault_of(metrics); !fault.empty())
      fail("{}: not the scores of a run: {}", file.string(), fault);
    describe_metrics(metrics);
  } catch (const json::exception&) {
    fail("{}: not the scores of a run", file.string());
  }
  return metrics;
}

void check_agreement(const json& metrics, std::span<const Prediction> predictions, const std::string& folder) {
  try {
    Agreement(metrics, predictions, folder).check();
  } catch (const json::exception&) {
    fail("{}: metrics.json does not hold the complete scores of a run", folder);
  }
}

Scores read_scores(const Path& folder) {
  Scores scores{read_metrics(folder / "metrics.json"), {}};
  scores.predictions = read_predictions(folder / "predictions.csv", scores.metrics.at("classes"));
  check_agreement(scores.metrics, scores.predictions, folder.string());
  check_whole(folder, scores);
  return scores;
}

}  // namespace loralens
