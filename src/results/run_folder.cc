// SPDX-License-Identifier: Apache-2.0
// Reads the folder of a run: which folds it has, and whether they are complete and belong to one run.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "base/formats/csv_scan.h"
#include "results/run_folder.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// The ids of the test clips of each fold of a folds.csv.
using TestParts = std::map<int64_t, std::set<std::string>>;

TestParts test_parts(const Path& csv) {
  TestParts parts;
  scan_folds(csv, [&](const std::string& id, int64_t fold, const std::string& part) {
    auto& ids = parts[fold];
    if (part == "test") ids.insert(id);
  });
  if (parts.empty()) fail("{}: there are no folds below the header", csv.string());
  return parts;
}

// The number after `prefix` in a name; nullopt for another name.
template <typename T>
std::optional<T> number_after(std::string_view prefix, const std::string& name) {
  T number{};
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

// The number in a folder's name fold-00, fold-01, ...
std::optional<int64_t> number_in(const std::string& name) {
  const auto number = number_after<int64_t>("fold-", name);
  return number >= 0 && name == fold_name(*number) ? number : std::nullopt;
}

// The numbers of the existing folders fold-00, fold-01, ...; other names, such as fold-00.bak, are ignored.
std::set<int64_t> folds_in(const Path& run) {
  std::set<int64_t> numbers;
  if (!fs::is_directory(run)) return numbers;
  for (const auto& entry : fs::directory_iterator(run))
    if (const auto number = number_in(entry.path().filename().string()); number && entry.is_directory())
      numbers.insert(*number);
  return numbers;
}

// The folds that folds.csv and metrics.json list; empty without both files. Error if they differ.
std::set<int64_t> folds_told_of(const Path& run) {
  std::set<int64_t> folds;
  if (fs::exists(run / "folds.csv"))
    for (const auto& [fold, ids] : test_parts(run / "folds.csv")) folds.insert(fold);
  if (!fs::exists(run / "metrics.json")) return folds;
  const nlohmann::json metrics = read_metrics(run / "metrics.json");
  std::set<int64_t> scored;
  for (const auto& fold : metrics.at("folds")) scored.insert(fold.at("fold").get<int64_t>());
  if (folds.empty() || folds == scored) return scored;
  std::vector<int64_t> differ;
  std::ranges::set_symmetric_difference(folds, scored, std::back_inserter(differ));
  fail("{}: folds.csv and metrics.json do not have the same folds: {} is in one of them alone; the run is not whole",
       run.string(), fold_name(differ.front()));
}

// The folders of a training's folds. Error unless their numbers are `expected` (if empty: all numbers from 0 to the
// last).
std::vector<Path> fold_folders(const Path& training, std::set<int64_t> expected) {
  const auto there = folds_in(training);
  if (expected.empty())
    for (int64_t fold = 0; !there.empty() && fold <= *there.rbegin(); ++fold) expected.insert(fold);
  std::vector<Path> folders;
  for (const int64_t fold : expected) {
    if (fold != std::ssize(folders))
      fail("{} has no {}: its folds must count from 0 without gaps", training.string(), fold_name(std::ssize(folders)));
    folders.push_back(training / fold_name(fold));
    if (!there.contains(fold))
      fail("{} has no {}: {} of its {} folds are there; copy the whole run, or train it again", training.string(),
           fold_name(fold), there.size(), std::max(expected.size(), there.size()));
    if (!is_model_folder(folders.back()))
      fail(
          "{} holds no model (no adapter_config.json and no config.json that loralens wrote): copy the whole run, or "
          "train it again",
          folders.back().string());
  }
  for (const int64_t fold : there)
    if (!expected.contains(fold))
      fail("{} has a {}, which is no fold of its folds.csv or metrics.json: remove it", training.string(),
           fold_name(fold));
  return folders;
}

std::string input_text(const InputOptions& input) {
  return fmt::format("{}, a tail of {} s, long clips {}", input.padded ? "padded" : "speech", input.tail,
                     input.cut ? "cut" : "in windows");
}

// Text with the method, the scales of low-rank updates, and names and shapes of all parameters, to compare models.
std::string trained_text(const EmotionModel& model) {
  std::string text = model.options.method;
  for (const auto& [place, adapter] : model.adapted.adapters.linear)
    if (const auto factors = adapter->factors()) text += fmt::format(" {}", factors->scale);
  for (const Parameter& p : model.parameters())
    text += fmt::format(" {}[{}]", p.name, fmt::join(p.tensor.sizes(), ","));
  return text;
}

}  // namespace

void scan_folds(const Path& csv, const std::function<void(const std::string&, int64_t, const std::string&)>& row) {
  size_t id = 0, fold = 0, part = 0;
  scan_csv(csv, [&](size_t line, std::vector<std::string>& cells) {
    const auto place = [&](const char* column) {
      const auto found = std::find(cells.begin(), cells.end(), column);
      if (found == cells.end()) fail("{}: a table of folds has the columns id,fold,part", csv.string());
      return static_cast<size_t>(found - cells.begin());
    };
    if (line == 1) {
      id = place("id"), fold = place("fold"), part = place("part");
      return;
    }
    int64_t number = -1;
    const std::string& text = cells[fold];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 0)
      fail("{}, row {}: '{}' is no number of a fold: they count from 0", csv.string(), line, text);
    row(cells[id], number, cells[part]);
  });
}

std::string fold_name(int64_t number) { return fmt::format("fold-{:02}", number); }

std::optional<int64_t> fold_number(const Path& folder) {
  return number_in(fs::weakly_canonical(folder).filename().string());
}

Path training_folder(const Path& run, uint64_t first, uint64_t seed) {
  return seed == first ? run : run / fmt::format("seed-{}", seed);
}

std::optional<uint64_t> training_seed(const Path& folder) {
  return number_after<uint64_t>("seed-", fs::weakly_canonical(folder).filename().string());
}

std::vector<Path> training_folders(const Path& run) {
  std::map<uint64_t, Path> others;
  if (fs::is_directory(run) && !is_model_folder(run))
    for (const auto& entry : fs::directory_iterator(run))
      if (const auto seed = training_seed(entry.path()); seed && entry.is_directory()) others[*seed] = entry.path();
  std::vector<Path> folders = {run};
  for (const auto& [seed, folder] : others) folders.push_back(folder);
  if (!fs::exists(run / "metrics.json")) return folders;
  const nlohmann::json metrics = read_metrics(run / "metrics.json");
  const auto trainings = metrics.find("trainings");
  if (trainings == metrics.end()) return folders;
  for (size_t t = 1; t < trainings->size(); ++t)
    if (const auto seed = trainings->at(t).at("seed").get<uint64_t>(); others.erase(seed) == 0)
      fail("{} has no seed-{}, a training of its metrics.json: copy the whole run, or train it again", run.string(),
           seed);
  if (!others.empty()) fail("{} is no training of the run's metrics.json: remove it", others.begin()->second.string());
  return folders;
}

std::vector<Path> model_folders(const Path& run) {
  if (is_model_folder(run)) return {run};
  if (folds_in(run).empty())
    fail(
        "{} is neither a run (no fold-00) nor a model folder (no adapter_config.json and no config.json "
        "that loralens wrote or that is a classifier's){}",
        run.string(), adapter_below(run));
  const auto expected = folds_told_of(run);
  std::vector<Path> folders;
  for (const Path& training : training_folders(run))
    for (Path& folder : fold_folders(training, expected)) folders.push_back(std::move(folder));
  return folders;
}

bool same_input(const InputOptions& a, const InputOptions& b) {
  return a.padded == b.padded && a.cut == b.cut && (a.padded || a.tail == b.tail);
}

void check_alike(const std::vector<EmotionModel>& models, const std::vector<Path>& folders) {
  for (size_t m = 1; m < models.size(); ++m) {
    const EmotionModel &first = models.front(), &model = models[m];
    const std::string pair =
        fmt::format("{} is no fold of the same run as {}", folders[m].string(), folders[0].string());
    if (model.classes != first.classes)
      fail("{}: its classes are {}, and not {}", pair, fmt::join(model.classes, ", "), fmt::join(first.classes, ", "));
    if (!same_input(model.input, first.input))
      fail("{}: its input is {}, and not {}", pair, input_text(model.input), input_text(first.input));
    if (model.options.method != first.options.method)
      fail("{}: its method is {}, and not {}", pair, model.options.method, first.options.method);
    if (trained_text(model) != trained_text(first))
      fail("{}: its adapters or its head are on other modules, of another rank or of another scale", pair);
  }
}

void check_whole(const Path& run, const Scores& scores) {
  if (!fs::exists(run / "folds.csv")) return;  // an evaluation
  using Training = std::optional<uint64_t>;
  std::map<std::pair<Training, int64_t>, std::map<std::string, const Prediction*>> rows;
  for (const Prediction& p : scores.predictions) rows[{p.seed, p.fold}][p.id] = &p;
  const auto seeds = seeds_of(scores.predictions);
  const auto in_training = [&](Training seed) {
    return seeds.size() > 1 && seed ? fmt::format(" of the training with seed {}", *seed) : "";
  };
  for (const auto& [fold, ids] : test_parts(run / "folds.csv"))
    for (const Training seed : seeds) {
      const auto& tested = rows[{seed, fold}];
      for (const std::string& id : ids)
        if (!tested.contains(id))
          fail("{}: '{}' is a test clip of fold {} in folds.csv and is not in predictions.csv{}", run.string(), id,
               fold, in_training(seed));
      for (const auto& [id, row] : tested)
        if (!ids.contains(id))
          fail("{}: '{}' is in fold {} of predictions.csv{} and is no test clip of it in folds.csv", run.string(), id,
               fold, in_training(seed));
    }
  for (const Path& folder : model_folders(run)) {
    const Path csv = folder / "predictions.csv";
    if (!fs::exists(csv)) continue;
    const Training of_folder = training_seed(folder.parent_path());
    for (const Prediction& p : read_predictions(csv, scores.metrics.at("classes"))) {
      const Training seed = of_folder ? of_folder : seeds.front();
      const auto& tested = rows[{seed, p.fold}];
      const auto row = tested.find(p.id);
      if (p.seed != seed || folder.filename() != fold_name(p.fold) || row == tested.end() ||
          row->second->label != p.label || row->second->probabilities != p.probabilities)
        fail(
            "{}: '{}' has another fold, label or probabilities than in the run's predictions.csv: the fold is of "
            "another run",
            csv.string(), p.id);
    }
  }
}

}  // namespace loralens
