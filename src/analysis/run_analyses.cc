// SPDX-License-Identifier: Apache-2.0
#include "analysis/run_analyses.h"

#include <algorithm>
#include <set>

#include "analysis/parts.h"
#include "analysis/runner.h"
#include "base/error.h"
#include "base/profile.h"
#include "base/progress.h"

namespace loralens {
namespace {

FoldSubjects subjects_of(const ComparedModels& models, size_t fold, const Setting& setting, Parts parts) {
  const EmotionModel& adapted = models.adapted[fold];
  return {static_cast<int64_t>(fold),
          make_subject(Role::adapted, adapted),
          make_subject(Role::frozen, models.frozen[fold]),
          make_subject(Role::untrained,
                       models.untrained ? *models.untrained : untrained_like(adapted, models.base, setting.seed)),
          std::move(parts.fit),
          std::move(parts.development),
          std::move(parts.test),
          std::move(parts.sample)};
}

// Runs these analyses over all folds and adds the test clips to `used`.
std::vector<NamedFindings> run_over_folds(const ComparedModels& models, const Setting& setting,
                                          const std::vector<AnalysisEntry>& entries, const PartOptions& options,
                                          int64_t threads, std::set<int64_t>& used) {
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
    used.insert(parts.test.begin(), parts.test.end());
    const FoldSubjects fold = subjects_of(models, f, setting, std::move(parts));
    Progress progress(fmt::format("fold {}/{}", f + 1, models.folds.size()),
                      std::max<int64_t>(runner.clips_in(fold), 1));
    runner.run(fold, models.base.encoder, source, [&](int64_t done) { progress.step(done); });
  }
  std::vector<NamedFindings> findings;
  const Timed time(Phase::analyses);
  for (size_t i = 0; i < entries.size(); ++i) findings.push_back({std::string(entries[i].name), analyses[i]->finish()});
  return findings;
}

// Sets each row's seed and fold: model k of several runs is fold k % folds of run k / folds.
void name_runs(const ComparedModels& models, std::vector<NamedFindings>& findings) {
  const auto folds = static_cast<int64_t>(models.folds_of_a_run);
  for (auto& found : findings)
    for (Row& row : found.findings.rows)
      if (row.fold) {
        row.seed = models.seeds[static_cast<size_t>(*row.fold / folds)];
        row.fold = *row.fold % folds;
      }
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
  setting.folds = std::ssize(models.folds);
  setting.runs = setting.folds / static_cast<int64_t>(models.folds_of_a_run);
  setting.model_folders = models.folders;
  for (const auto& [place, adapter] : model.adapted.adapters) setting.adapted.push_back(place);
  return setting;
}

AnalysesResult run_analyses(const ComparedModels& models, const Setting& setting, const AnalysesRequest& request) {
  PartOptions options{.training_clips = setting.protocol.training_clips,
                      .seed = setting.seed,
                      .fit_clips = setting.fit_clips,
                      .listed = request.clips,
                      .listed_sample = request.gradient_clips};
  AnalysesResult result;
  std::set<int64_t> used;
  const auto run = [&](const std::vector<AnalysisEntry>& entries) {
    if (entries.empty()) return;
    for (auto& found : run_over_folds(models, setting, entries, options, request.threads, used))
      result.findings.push_back(std::move(found));
  };
  if (setting.protocol.training_clips == TrainingClips::sample || request.gradient_clips.empty()) {
    run(request.analyses);
  } else {  // both lists name test clips
    std::vector<AnalysisEntry> plain, gradient;
    for (const AnalysisEntry& entry : request.analyses) (entry.gradient_clips ? gradient : plain).push_back(entry);
    run(plain);
    options.listed = request.gradient_clips;
    run(gradient);
  }
  if (setting.runs > 1) name_runs(models, result.findings);
  result.unused = std::ranges::count_if(options.listed, [&](int64_t clip) { return !used.contains(clip); });
  if (used.empty()) fail("none of the listed clips is a test clip of the run");
  if (!options.listed.empty() && request.gradient_clips.empty())
    std::ranges::copy_if(options.listed, std::back_inserter(result.clips),
                         [&](int64_t clip) { return used.contains(clip); });
  else
    result.clips.assign(used.begin(), used.end());
  return result;
}

bool looks_at(const Analysis& analysis, Role role) {
  return std::ranges::any_of(all_parts, [&](Part part) { return analysis.wants(part, role); });
}

}  // namespace loralens
