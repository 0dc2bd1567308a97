// SPDX-License-Identifier: Apache-2.0
#include "study/compared_models.h"

#include <ATen/ops/equal.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/progress.h"
#include "base/shell.h"
#include "corpus/groups.h"
#include "results/run_folder.h"
#include "study/run_clips.h"
#include "training/inputs.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// Error if the run's tables have clips, labels or speakers other than those in its recordings.csv.
void check_unchanged(const Path& run, const Clips& clips) {
  if (!fs::exists(run / "recordings.csv")) return;
  std::map<std::string, TrainedClip> trained;
  for (auto& clip : read_recordings(run / "recordings.csv")) trained[clip.id] = std::move(clip);
  const auto compare = [&](const Clip& clip, const char* what, const std::string& was, const std::string& is) {
    if (was != is)
      fail(
          "the {} of the clip {} was '{}' when {} was trained and is '{}' now: restore the table as it was, or name "
          "the table with --corpus",
          what, clip.id, was, run.string(), is);
  };
  for (const Clip& clip : clips.clips) {
    const auto found = trained.find(clip.id);
    if (found == trained.end())
      fail("the clip {} was not there when {} was trained: name the table with --corpus", clip.id, run.string());
    compare(clip, "label", found->second.label, clip.label);
    compare(clip, "speaker", found->second.speaker, clip.speaker);
  }
}

Clips clips_of(const ComparisonRequest& a, const Path& run, const std::vector<std::string>& classes) {
  const auto corpora = a.corpora.empty() ? recorded_flag(run, "corpus") : a.corpora;
  if (corpora.empty()) fail("{} does not name its corpus: give the table with --corpus", run.string());
  if (a.corpora.empty())
    for (const std::string& table : corpora)
      if (!fs::exists(table))
        fail("{}: its table of clips {} is not there any more: name it where it is now with --corpus", run.string(),
             table);
  Clips clips = clips_of_classes(corpora, a.labels.empty() ? recorded_value(run, "labels") : a.labels, classes,
                                 a.corpora.empty() ? skipped_clips(run) : std::set<std::string>());
  if (a.corpora.empty() && a.labels.empty()) check_unchanged(run, clips);
  return clips;
}

// The folds of one of the run's trainings. If the clips are not those of the run's folds.csv, or if it has none (a
// corpus must then be given), every clip is a test clip.
std::vector<Fold> folds_of(const ComparisonRequest& a, const std::string& name, const Clips& clips) {
  const Path run = run_of(name), csv = run / "folds.csv";
  const size_t models = model_folders(name).size() / training_folders(name).size();
  std::vector<Fold> folds;
  if (!fs::exists(csv) && a.corpora.empty())
    fail(
        "{} has no folds.csv, so it is unknown which clips are test clips: copy the whole run, or name a table of "
        "other clips with --corpus",
        run.string());
  if (fs::exists(csv)) {
    try {
      folds = read_folds(csv, clips);
    } catch (const Error& error) {
      if (a.corpora.empty()) throw;
      log_line(fmt::format("{} is not the corpus of the run's folds: all its clips are test clips",
                           fmt::join(a.corpora, ", ")));
    }
  }
  if (folds.empty()) return std::vector<Fold>(models, Fold{{}, {}, all_clips(clips)});
  if (run == Path(name) || training_seed(name)) {
    if (folds.size() != models) fail("{} has {} models and {} folds: it is no whole run", name, models, folds.size());
    return folds;
  }
  if (const auto number = fold_number(name); number && *number < std::ssize(folds)) return {folds[*number]};
  fail("{} is no fold of {}: name the run, or one of its folds", name, run.string());
}

// The value of --folds that repeats the folds of a run, as a word of a command line.
std::string folds_flag(const Path& run) { return shell_word(fmt::format("file:{}", (run / "folds.csv").string())); }

// The recorded flags that change the training of a fold, except the seed; empty for a run of an older version.
std::map<std::string, std::string> recorded_flags(const Path& run) {
  std::map<std::string, std::string> flags;
  const Path file = run / "inputs.json";
  if (!fs::exists(file)) return flags;
  const nlohmann::json inputs = read_json_object(file);
  const JsonObject recorded(JsonObject(inputs, file.string()).at("flags"), file.string());
  const std::set<std::string> others = {"seed", "seeds", "final", "watch", "allow-leaks", "preset"};
  for (const auto& [name, value] : inputs.at("flags").items())
    if (!others.contains(name)) flags[name] = recorded.text(name.c_str());
  return flags;
}

// Logs the first flag in which a run differs from the one that it repeats.
void tell_of_other_flags(const Path& first, const Path& run) {
  const auto before = recorded_flags(first), now = recorded_flags(run);
  const auto value = [](const auto& flags, const std::string& name) {
    const auto found = flags.find(name);
    return found == flags.end() ? std::string("not set") : found->second;
  };
  if (before.empty() || now.empty()) return;
  for (const auto* flags : {&before, &now})
    for (const auto& [name, unused] : *flags)
      if (value(before, name) != value(now, name)) {
        log_line(fmt::format(
            "{} is no repetition of {}, as --{} was {} there and is {} here: means and intervals mix the two",
            run.string(), first.string(), name, value(before, name), value(now, name)));
        return;
      }
}

// Adds the models of a further run: a repetition of the first one on the same folds with another random seed.
void add_run(const ComparisonRequest& a, const std::string& name, const InputOptions& bare_input, ComparedModels& m) {
  const std::string& first = a.runs.front();
  const EmotionModel like = m.adapted.front();
  const auto folds = folds_of(a, name, m.clips);
  if (!std::ranges::equal(folds, std::span(m.folds).first(m.folds_of_a_run), {}, &Fold::test, &Fold::test))
    fail("{} was tested on other clips than {}: train the runs of other seeds with --folds {}", name, first,
         folds_flag(m.run));
  const auto folders = model_folders(name);
  std::vector<EmotionModel> models;
  for (size_t f = 0; f < folders.size(); ++f) {
    models.push_back(load_model(folders[f], m.base, {like.classes, bare_input, HeadUse::if_any}));
    const EmotionModel& model = models.back();
    if (model.classes != like.classes || !same_input(model.input, like.input) ||
        model.no_head.empty() != like.no_head.empty() || model.options.method != like.options.method ||
        !same_places(model.adapted.adapters, like.adapted.adapters))
      fail(
          "{} is no repetition of {}: classes, input, method and adapted modules must be the same (loralens report "
          "compares different runs)",
          folders[f].string(), first);
  }
  check_alike(models, folders);
  tell_of_other_flags(m.run, run_of(name));
  m.folders.insert(m.folders.end(), folders.begin(), folders.end());
  m.adapted.insert(m.adapted.end(), models.begin(), models.end());
  while (m.folds.size() < m.adapted.size()) m.folds.insert(m.folds.end(), folds.begin(), folds.end());
}

// The folds of the run or fold `against`, if its folds.csv lists these clips; else empty, and `reason` says why.
std::vector<Fold> folds_against(const std::string& against, const Clips& clips, std::string& reason) {
  const Path run = run_of(against), csv = run / "folds.csv";
  if (!fs::exists(csv)) {
    reason = fmt::format("{} has no folds.csv", run.string());
    return {};
  }
  try {
    auto folds = read_folds(csv, clips);
    if (run == Path(against) || training_seed(against)) return folds;
    if (const auto number = fold_number(against); number && *number < std::ssize(folds)) return {folds[*number]};
    reason = fmt::format("{} is no fold", against);
  } catch (const Error& error) {  // other clips, or a damaged table
    reason = error.what();
  }
  return {};
}

// Which run or model fits as --against, for error messages.
std::string fitting_against(const ComparisonRequest& a, const ComparedModels& m) {
  if (!m.own_folds) return "give a run that was trained on other clips, or other clips with --corpus";
  const std::string run = fmt::format("a run that was trained with --folds {}", folds_flag(m.run));
  const auto number = fold_number(a.runs.front());
  return m.run != Path(a.runs.front()) && number ? fmt::format("give {} of {}", fold_name(*number), run)
                                                 : fmt::format("give {}", run);
}

// Error if the models of --against were trained on clips on which they are compared. Where the models are compared on
// the folds of their training, equal test clips are enough, and a whole run must have them. In all other cases the
// recordings decide (clips_trained_on).
void check_against(const ComparisonRequest& a, ComparedModels& m, bool one) {
  const std::string& first = a.runs.front();
  const auto folds = std::span(m.folds).first(m.folds_of_a_run);
  if (m.own_folds) {
    std::string reason;
    const auto theirs = folds_against(a.against, m.clips, reason);
    const auto [own, other] = std::ranges::mismatch(folds, theirs, {}, &Fold::test, &Fold::test);
    if (own == folds.end() && other == theirs.end()) return;
    if (!one && theirs.empty())
      fail("--against {}: it is unknown whether it was trained on test clips of {} ({}): {}", a.against, first, reason,
           fitting_against(a, m));
    if (!one)
      fail("--against {} was tested on other clips than {} in fold {}: {}", a.against, first, own - folds.begin(),
           fitting_against(a, m));
  }
  std::set<int64_t> tested;
  for (const Fold& fold : a.first_fold ? folds.first(1) : folds) tested.insert(fold.test.begin(), fold.test.end());
  Clips clips = m.clips;
  clips.clips.clear();
  for (const int64_t clip : tested) clips.clips.push_back(m.clips.clips[clip]);
  const auto seen = clips_trained_on(a.against, clips, a.threads);
  m.against_known = seen.has_value();
  if (seen.value_or(0) == 0) return;
  fail("--against {}: it was trained on {} of the {} clips on which the models are compared: {}", a.against, *seen,
       tested.size(), fitting_against(a, m));
}

bool same_tensors(const std::vector<Parameter>& first, const std::vector<Parameter>& second) {
  return std::ranges::equal(
      first, second, [](const at::Tensor& a, const at::Tensor& b) { return at::equal(a, b); }, &Parameter::tensor,
      &Parameter::tensor);
}

// The models of --against; without --against the analysed models without their adapters. Sets m.against_known.
std::vector<EmotionModel> frozen_models(const ComparisonRequest& a, ComparedModels& m) {
  std::vector<EmotionModel> models;
  if (a.against.empty()) {  // the same heads on the base encoder without adapters
    for (const EmotionModel& model : m.adapted) {
      models.push_back(model);
      models.back().adapted = Adapted{m.base.encoder, {}, {}, false};
    }
    return models;
  }
  const auto folders = model_folders(a.against);
  for (const Path& folder : folders)
    models.push_back(load_model(folder, m.base, {m.adapted.front().classes, m.adapted.front().input}));
  check_alike(models, folders);
  const size_t folds = m.folds_of_a_run, trainings = training_folders(a.against).size();
  const bool one = models.size() == 1;
  if (one) models.resize(folds, models.front());
  if (models.size() != folds * trainings)
    fail("--against {} has {} folds, {} has {}: {}", a.against, models.size() / trainings, a.runs.front(), folds,
         m.own_folds ? fitting_against(a, m) : "give a run of as many folds, or one of its models");
  for (const EmotionModel& model : models) {
    if (model.classes != m.adapted.front().classes)
      fail("--against {} has other classes than {}", a.against, a.runs.front());
    if (!same_input(model.input, m.adapted.front().input))
      fail(
          "--against {} was trained on another input than {} (--input, --tail or the protocol's windows): compare runs "
          "of the same input",
          a.against, a.runs.front());
  }
  if (trainings > 1 && models.size() != m.adapted.size())
    fail("--against {} has {} trainings, {} has {}: give a run of as many, or of one", a.against, trainings,
         fmt::join(a.runs, ", "), m.adapted.size() / folds);
  check_against(a, m, one);
  for (size_t f = 0; f < models.size(); ++f)
    if (same_tensors(models[f].parameters(), m.adapted[f].parameters()))
      fail("--against {} is the analysed {} or a copy of it: give a run of the frozen encoder, or leave the flag out",
           a.against, m.folders[f].string());
  while (models.size() < m.adapted.size()) models.push_back(models[models.size() - folds]);
  return models;
}

// Error for a training that is given twice or as a copy: the first models of two trainings have equal parameters.
void check_distinct(const ComparedModels& m) {
  const size_t folds = m.folds_of_a_run;
  const auto name = [&](size_t training) {
    const Path& folder = m.folders[training * folds];
    return (fold_number(folder) ? folder.parent_path() : folder).string();
  };
  for (size_t i = 1; i < m.adapted.size() / folds; ++i)
    for (size_t j = 0; j < i; ++j)
      if (same_tensors(m.adapted[i * folds].parameters(), m.adapted[j * folds].parameters()))
        fail("{} and {} are the same training: give runs of different seeds", name(j), name(i));
}

// Analyses compare states layer by layer up to the last one, so a head that reads a lower layer is replaced by the head
// that was fitted to the last layer.
void use_last_layer_head(EmotionModel& model) {
  if (model.last_layer_head) model.head = *std::exchange(model.last_layer_head, std::nullopt);
}

// Logs two trainings with the same seed: their initial values and order of clips are the same.
void tell_of_same_seeds(const ComparedModels& m) {
  for (size_t i = 1; i < m.seeds.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (m.seeds[i] && m.seeds[i] == m.seeds[j]) {
        log_line(fmt::format(
            "{} and {} were trained with the same seed {}: intervals leave out part of the variation "
            "between trainings",
            m.folders[j * m.folds_of_a_run].string(), m.folders[i * m.folds_of_a_run].string(), *m.seeds[i]));
        return;
      }
}

// Loads the model of --untrained. Error if it is trained: every model that loralens saves is, and so is a bare PEFT
// folder whose adapters equal those of an analysed model.
EmotionModel untrained_model(const ComparisonRequest& a, const ComparedModels& m) {
  const EmotionModel& like = m.adapted.front();
  const char* advice = "give a PEFT folder that was saved before its training, or leave the flag out";
  if (const Path config = Path(a.untrained) / "config.json";
      fs::exists(config) && read_json_object(config).contains("loralens"))
    fail("--untrained {} is a model that loralens trained: {}", a.untrained, advice);
  const HeadUse head = like.no_head.empty() ? HeadUse::needed : HeadUse::none;
  EmotionModel untrained = load_model(a.untrained, m.base, {like.classes, like.input, head});
  const auto& adapters = untrained.adapted.parameters;
  for (size_t f = 0; f < m.adapted.size() && !adapters.empty(); ++f)
    if (same_tensors(adapters, m.adapted[f].adapted.parameters))
      fail("--untrained {} has the trained adapters of {}: {}", a.untrained, m.folders[f].string(), advice);
  use_last_layer_head(untrained);
  return untrained;
}

// Sets the classes of models without a head: the labels of the clips.
void use_labels_as_classes(ComparedModels& m) {
  std::set<std::string> labels;
  for (const Clip& clip : m.clips.clips) labels.insert(clip.label);
  for (EmotionModel& model : m.adapted) model.classes.assign(labels.begin(), labels.end());
}

}  // namespace

ComparedModels open_compared(const ComparisonRequest& a, OpenedRun first_run, const InputOptions& bare_input) {
  ComparedModels m;
  const std::string& first = a.runs.front();
  if (first_run.base_unknown && !(a.against.empty() && a.untrained.empty() && a.runs.size() == 1))
    fail(
        "{} is a whole classifier, which does not name the model that it was trained from: give that with --model to "
        "compare them",
        first);
  m.run = run_of(first);
  m.folders = std::move(first_run.folders);
  m.base = std::move(first_run.base);
  m.adapted = std::move(first_run.models);
  m.clips = clips_of(a, m.run, m.adapted.front().classes);
  if (m.adapted.front().classes.empty()) use_labels_as_classes(m);
  m.labels = class_numbers(m.clips, m.adapted.front().classes);
  m.folds = folds_of(a, first, m.clips);
  const std::vector<Fold> folds = m.folds;
  m.folds_of_a_run = folds.size();
  m.own_folds = !folds.front().train.empty();
  while (m.folds.size() < m.adapted.size()) m.folds.insert(m.folds.end(), folds.begin(), folds.end());
  for (size_t i = 1; i < a.runs.size(); ++i) add_run(a, a.runs[i], bare_input, m);
  if (m.folds.size() > folds.size())
    for (size_t f = 0; f < m.folders.size(); f += folds.size()) m.seeds.push_back(seed_of_model(m.folders[f]));
  check_distinct(m);
  tell_of_same_seeds(m);
  if (!first_run.base_unknown) m.frozen = frozen_models(a, m);
  for (auto* models : {&m.adapted, &m.frozen})
    for (EmotionModel& model : *models) use_last_layer_head(model);
  if (!a.untrained.empty()) m.untrained = untrained_model(a, m);
  if (a.first_fold) {
    m.folders.resize(1);
    m.adapted.resize(1, m.adapted.front());
    if (!m.frozen.empty()) m.frozen.resize(1, m.frozen.front());
    m.folds.resize(1);
    m.folds_of_a_run = 1;
  }
  return m;
}

std::string factor_difference(const ComparedModels& m) {
  std::map<std::string, at::IntArrayRef> shapes;  // of the first model's adapter parameters
  for (const Parameter& p : m.adapted.front().adapted.parameters)
    if (p.role != ParameterRole::encoder) shapes.emplace(p.name, p.tensor.sizes());
  const auto text = [](at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); };
  for (size_t f = 1; f < m.adapted.size(); ++f)
    for (const Parameter& p : m.adapted[f].adapted.parameters)
      if (const auto first = shapes.find(p.name); first != shapes.end() && first->second != p.tensor.sizes())
        return fmt::format("{} is {} in {} and {} in {}", p.name, text(first->second), m.folders[0].string(),
                           text(p.tensor.sizes()), m.folders[f].string());
  return "";
}

}  // namespace loralens
