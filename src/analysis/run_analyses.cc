// SPDX-License-Identifier: Apache-2.0
#include "analysis/run_analyses.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "analysis/parts.h"
#include "analysis/runner.h"
#include "analysis/words/interval_words.h"
#include "base/error.h"
#include "base/profile.h"
#include "base/progress.h"
#include "base/random.h"
#include "results/run_folder.h"

namespace loralens {
namespace {

// The numbers of the clips that the setting's table has beyond those of the models: the reference clips.
std::vector<int64_t> reference_clips(const ComparedModels& models, const Setting& setting) {
  std::vector<int64_t> numbers(setting.clips->clips.size() - models.clips.clips.size());
  std::iota(numbers.begin(), numbers.end(), std::ssize(models.clips.clips));
  return numbers;
}

FoldSubjects subjects_of(const ComparedModels& models, size_t fold, const Setting& setting, Parts parts) {
  const EmotionModel& adapted = models.adapted[fold];
  // The untrained models of different folds are different random draws: the values of one shared draw would say little
  // about other draws.
  const uint64_t start =
      setting.protocol.same_start ? setting.seed : hash_of(setting.seed, hash_of("untrained of fold"), fold);
  FoldSubjects subjects{.fold = static_cast<int64_t>(fold),
                        .adapted = make_subject(Role::adapted, adapted),
                        .fit = std::move(parts.fit),
                        .test = std::move(parts.test),
                        .sample = std::move(parts.sample),
                        .reference = reference_clips(models, setting)};
  if (!setting.compared) return subjects;
  subjects.frozen = make_subject(Role::frozen, models.frozen[fold]);
  subjects.untrained =
      make_subject(Role::untrained, models.untrained ? *models.untrained : untrained_like(adapted, models.base, start));
  return subjects;
}

// Runs these analyses over all folds. Adds the clips that were measured (not those that only serve to fit) to `used`,
// and the folds that have a test clip to `folds`.
std::vector<NamedFindings> run_over_folds(const ComparedModels& models, const Setting& setting,
                                          const std::vector<AnalysisEntry>& entries, const PartOptions& options,
                                          int64_t threads, std::set<int64_t>& used, std::set<size_t>& folds) {
  std::vector<std::unique_ptr<Analysis>> analyses;
  std::vector<Analysis*> pointers;
  for (const AnalysisEntry& entry : entries) {
    analyses.push_back(entry.make(setting));
    pointers.push_back(analyses.back().get());
  }
  AnalysisRunner runner(setting, pointers);
  SourceOptions source;
  source.input = models.adapted.front().input;
  source.threads = threads;
  for (size_t f = 0; f < models.folds.size(); ++f) {
    Parts parts = choose_parts(models.folds[f], models.labels, options);
    if (parts.test.empty()) continue;
    folds.insert(f % models.folds_of_a_run);
    for (const auto& [part, clips] : {std::pair{Part::test, &parts.test}, {Part::sample, &parts.sample}})
      if (std::ranges::any_of(pointers, [&](const Analysis* analysis) { return looks_at(*analysis, part); }))
        used.insert(clips->begin(), clips->end());
    const FoldSubjects fold = subjects_of(models, f, setting, std::move(parts));
    Progress progress(fmt::format("fold {}/{}", f + 1, models.folds.size()),
                      std::max<int64_t>(runner.clips_in(fold), 1));
    runner.run(fold, models.base.encoder, source, [&](int64_t done) { progress.step(done); });
  }
  std::vector<NamedFindings> findings;
  const Timed time(Phase::analyses);
  for (size_t i = 0; i < entries.size(); ++i) {
    findings.push_back({std::string(entries[i].name), analyses[i]->finish(), std::string(name_of(entries[i].chapter))});
    Findings& found = findings.back().findings;
    for (std::string& note : notes_on_intervals(setting, found.rows)) found.notes.push_back(std::move(note));
  }
  return findings;
}

// Sets each row's seed and fold. Model k belongs to run k / folds; its fold is the number in its folder's name, or k %
// folds if the name has none.
void name_rows(const ComparedModels& models, uint64_t seed, std::vector<NamedFindings>& findings) {
  for (auto& found : findings)
    for (Row& row : found.findings.rows) {
      row.seed = seed;
      if (!row.fold) continue;
      const size_t model = *row.fold, folds = models.folds_of_a_run;
      if (!models.seeds.empty()) row.seed = models.seeds[model / folds];
      row.fold = fold_number(models.folders[model]).value_or(static_cast<int64_t>(model % folds));
    }
}

// Adds to `unused` the clips of a list that are test clips of no fold. Error if none is a test clip. flag: the list's.
void check_list(const char* flag, const std::vector<int64_t>& list, const ComparedModels& models,
                std::set<int64_t>& unused) {
  std::set<int64_t> others(list.begin(), list.end());
  for (const Fold& fold : models.folds)
    for (const int64_t clip : fold.test) others.erase(clip);
  if (!list.empty() && others.size() == list.size())
    fail("{}: none of the {} listed clips is a test clip of {}: list clips of the test parts", flag, list.size(),
         models.run.string());
  unused.insert(others.begin(), others.end());
}

// The used clips: those in the lists first, in their order, then the others, ascending.
std::vector<int64_t> in_order(std::set<int64_t> used, const AnalysesRequest& request) {
  std::vector<int64_t> clips;
  for (const auto& list : {request.clips, request.gradient_clips})
    for (const int64_t clip : list)
      if (used.erase(clip) > 0) clips.push_back(clip);
  clips.insert(clips.end(), used.begin(), used.end());
  return clips;
}

}  // namespace

Setting setting_of(const ComparedModels& models, const Protocol& protocol, uint64_t seed) {
  const EmotionModel& model = models.adapted.front();
  Setting setting;
  setting.protocol = protocol;
  setting.seed = seed;
  setting.clips = &models.clips;
  setting.classes = model.classes;
  setting.labels = models.labels;
  setting.layers = models.base.encoder.config.layers;
  setting.width = models.base.encoder.config.width;
  setting.has_head = model.no_head.empty();
  setting.compared = !models.frozen.empty();
  setting.folds = std::ssize(models.folds);
  setting.runs = setting.folds / static_cast<int64_t>(models.folds_of_a_run);
  setting.model_folders = models.folders;
  setting.base = &models.base.encoder;
  setting.models = models.adapted;
  for (const auto& [place, adapter] : model.adapted.adapters.linear) setting.adapted.push_back(place);
  for (const auto& [site, adapter] : model.adapted.adapters.sites()) setting.adapted_sites.push_back(site);
  return setting;
}

AnalysesResult run_analyses(const ComparedModels& models, const Setting& setting, const AnalysesRequest& request) {
  Setting extended = setting;  // with the reference clips at the end of the table
  Clips clips = models.clips;
  clips.clips.insert(clips.clips.end(), request.reference.begin(), request.reference.end());
  extended.clips = &clips;
  extended.labels.resize(clips.clips.size());
  PartOptions options{.training_clips = setting.protocol.training_clips,
                      .seed = setting.seed,
                      .fit_clips = setting.fit_clips,
                      .listed = request.clips,
                      .listed_sample = request.gradient_clips};
  AnalysesResult result;
  std::set<int64_t> used, unused;
  std::set<size_t> folds;
  const auto run = [&](const std::vector<AnalysisEntry>& entries) {
    if (entries.empty()) return;
    for (auto& found : run_over_folds(models, extended, entries, options, request.threads, used, folds))
      result.findings.push_back(std::move(found));
  };
  if (setting.protocol.training_clips == TrainingClips::sample) {
    run(request.analyses);
  } else {  // both lists name test clips
    std::vector<AnalysisEntry> plain, gradient;
    for (const AnalysisEntry& entry : request.analyses)
      (entry.gradient_clips && !request.gradient_clips.empty() ? gradient : plain).push_back(entry);
    if (!plain.empty()) check_list("--clips", request.clips, models, unused);
    if (!gradient.empty()) check_list("--gradient-clips", request.gradient_clips, models, unused);
    run(plain);
    options.listed = request.gradient_clips;
    run(gradient);
  }
  name_rows(models, setting.seed, result.findings);
  result.unused = std::ssize(unused);
  result.folds = std::ssize(folds);
  result.clips = in_order(std::move(used), request);
  return result;
}

bool looks_at(const Analysis& analysis, Role role) {
  return std::ranges::any_of(all_parts, [&](Part part) { return analysis.wants(part, role); });
}

bool looks_at(const Analysis& analysis, Part part) {
  return std::ranges::any_of(all_roles, [&](Role role) { return analysis.wants(part, role); });
}

}  // namespace loralens
