// SPDX-License-Identifier: Apache-2.0
// loralens analyze: interpretability analyses of a run's adapted encoder, layer by layer.
#include <torch/csrc/api/include/torch/version.h>

#include <algorithm>
#include <optional>
#include <set>

#include "analysis/parts.h"
#include "analysis/run_analyses.h"
#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/analyze.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/machine.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "report/page.h"
#include "report/write_findings.h"
#include "results/compare.h"
#include "study/compared_models.h"
#include "study/run_clips.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct AnalyzeArguments {
  std::vector<std::string> runs, corpora;
  std::string against, labels, model, classes, only, protocol{strict_protocol.name}, clips, gradient_clips,
      reference_clips, untrained, out;
  uint64_t seed = 42;
  InputOptions input;
  MachineOptions machine;
  bool force = false;
};

std::vector<AnalysisEntry> chosen_analyses(const std::string& only, const Protocol& protocol) {
  const auto names = split(only);
  std::vector<AnalysisEntry> chosen;
  for (const AnalysisEntry& entry : analyses())
    if (names.empty() ? !entry.by_name && (entry.in_paper || !protocol.as_published)
                      : std::find(names.begin(), names.end(), entry.name) != names.end())
      chosen.push_back(entry);
  if (!names.empty() && chosen.size() != std::set(names.begin(), names.end()).size()) {
    std::string known;
    for (const AnalysisEntry& entry : analyses()) known += fmt::format(" {}", entry.name);
    throw UsageError(fmt::format("--only {}: choose among{}", only, known));
  }
  return chosen;
}

// Whether the list of --clips leaves out a test clip.
bool leaves_out_test_clips(const ComparedModels& m, const std::vector<int64_t>& list) {
  if (list.empty()) return false;
  const std::set<int64_t> listed(list.begin(), list.end());
  return std::ranges::any_of(m.folds, [&](const Fold& fold) {
    return std::ranges::any_of(fold.test, [&](int64_t clip) { return !listed.contains(clip); });
  });
}

// Adds the scores of the run on its own test clips and their difference from those of --against. list: the clips of
// --clips.
void add_scores(const AnalyzeArguments& a, const ComparedModels& m, const std::vector<int64_t>& list, json& about) {
  const Path file = m.run / "metrics.json";
  if (a.runs.size() > 1 || !m.own_folds || !fs::exists(file)) return;
  const json metrics = read_metrics(file);
  const bool given = !a.corpora.empty() || !a.labels.empty();
  if (given && !unchanged_since_training(m.run, m.clips, thread_count(a.machine))) {
    log_line(
        fmt::format("left out: the scores of {}, because these clips have other labels, speakers or audio than its "
                    "test clips: `loralens evaluate {}` prints them",
                    m.run.string(), shell_word(m.run.string())));
    return;
  }
  const size_t trainings = metrics.contains("trainings") ? metrics.at("trainings").size() : 1;
  const bool all_models = trainings * metrics.at("folds").size() == m.adapted.size();
  if (!all_models || leaves_out_test_clips(m, list)) about["part_of_run"] = true;
  about["metrics"] = metrics;
  if (a.against.empty()) return;
  const json difference = difference_of_runs(m.run, run_of(a.against), m.adapted.front().classes);
  if (!difference.is_null()) about["comparison"] = difference;
}

// list: the clips of --clips.
json about(const AnalyzeArguments& a, const ComparedModels& m, const AnalysesResult& analysed,
           const SeenInTraining& seen, const std::vector<int64_t>& list) {
  const EmotionModel& model = m.adapted.front();
  std::set<std::string> speakers, corpora;
  for (const int64_t clip : analysed.clips) {
    speakers.insert(m.clips.clips[clip].speaker);
    corpora.insert(m.clips.clips[clip].corpus);
  }
  std::vector<std::string> runs;
  for (const auto& run : a.runs) runs.push_back(fs::absolute(run).lexically_normal().string());
  json result = {{"run", fmt::format("{}", fmt::join(runs, ", "))},
                 {"base", model.base},
                 {"method", model.options.method},
                 {"corpus", corpora},
                 {"folds", analysed.folds},
                 {"clips", analysed.clips.size()},
                 {"speakers", speakers.size()},
                 {"precision", m.base.precision.compute == c10::ScalarType::Float ? "fp32" : "16 bit products"},
                 {"device", m.base.encoder.device().str()},
                 {"versions", {{"loralens", LORALENS_VERSION}, {"libtorch", TORCH_VERSION}}}};
  if (!m.frozen.empty()) {
    result["against"] = a.against.empty() ? "the same head, adapter off" : a.against;
    result["untrained"] = a.untrained.empty() ? fmt::format("A, B and head N(0, 0.02), seed {}", a.seed) : a.untrained;
  }
  if (seen.clips != 0) result["trained_clips"] = seen.clips ? json(*seen.clips) : json();
  if (seen.speakers > 0) result["trained_speakers"] = seen.speakers;
  if (!m.against_known) result["against_trained_clips"] = nullptr;
  add_scores(a, m, list, result);
  return result;
}

// Removes the analyses that average over models' A and B if the shapes of A and B differ between models.
void leave_out_unequal(const ComparedModels& m, std::vector<AnalysisEntry>& entries) {
  const std::string difference = factor_difference(m);
  if (difference.empty()) return;
  std::string names;
  std::erase_if(entries, [&](const AnalysisEntry& entry) {
    if (entry.equal_factors) names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
    return entry.equal_factors;
  });
  if (names.empty()) return;
  if (entries.empty()) fail("{} cannot be made from runs whose adapters differ in shape: {}", names, difference);
  log_line(fmt::format("left out: {}, which needs adapters of equal shapes: {}", names, difference));
}

// Removes the analyses that need an emotion head if the models have none.
void leave_out_headless(const ComparedModels& m, std::vector<AnalysisEntry>& entries) {
  const std::string& why = m.adapted.front().no_head;
  if (why.empty()) return;
  std::string names;
  std::erase_if(entries, [&](const AnalysisEntry& entry) {
    if (entry.needs_head) names += fmt::format("{}, ", entry.name);
    return entry.needs_head;
  });
  const std::string run = m.folders.front().string();
  if (entries.empty())
    fail("{}: {}: without a head there is no {}; choose contribution, spectrum, alignment or embedding with --only",
         run, why, names.substr(0, names.size() - 2));
  log_line(fmt::format("{}: {}: left out: {}gradients of the loss", run, why, names));
}

// Removes the analyses that compare with the frozen model if there is none.
void leave_out_comparisons(const ComparedModels& m, std::vector<AnalysisEntry>& entries) {
  if (!m.frozen.empty()) return;
  std::string names;
  std::erase_if(entries, [&](const AnalysisEntry& entry) {
    if (entry.needs_frozen) names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
    return entry.needs_frozen;
  });
  const std::string why =
      fmt::format("{} is a whole classifier, which does not name the model that it was trained from (--model names it)",
                  m.folders.front().string());
  if (entries.empty()) fail("{}: without that model there is no {}", why, names);
  log_line(fmt::format("{}: it is analysed alone{}{}", why, names.empty() ? "" : ", without ", names));
}

// The largest number of --corpus clips that trained a run: 0 if the clips are those of the runs' own folds, nullopt if
// it is unknown of one run and none trained the others. If none did, the largest number of speakers who trained a run.
SeenInTraining seen_by_any(const AnalyzeArguments& a, const ComparedModels& m) {
  SeenInTraining most{.clips = 0};
  if (m.own_folds) return most;
  bool known = true;
  for (const std::string& run : a.runs) {
    const SeenInTraining seen = seen_in_training(run, m.clips, thread_count(a.machine));
    known = known && seen.clips;
    most.clips = std::max(*most.clips, seen.clips.value_or(0));
    most.speakers = std::max(most.speakers, seen.speakers);
    if (seen.clips.value_or(0) > 0)
      log_line(fmt::format("{} was trained on {} of these {} clips: their results are results on training clips", run,
                           *seen.clips, m.clips.clips.size()));
  }
  if (most.clips > 0) most.speakers = 0;
  if (most.clips == 0 && !known) most.clips.reset();
  return most;
}

// Whether the analysis uses the clips of --gradient-clips, or, for gradient_clips false, those of --clips.
bool takes(const AnalyzeArguments& a, const Setting& setting, const AnalysisEntry& entry, bool gradient_clips) {
  const auto analysis = entry.make(setting);
  if (setting.protocol.training_clips == TrainingClips::sample)
    return looks_at(*analysis, gradient_clips ? Part::sample : Part::test);
  return looks_at(*analysis, Part::test) && gradient_clips == (entry.gradient_clips && !a.gradient_clips.empty());
}

// Logs the flags --gradient-clips, --clips and --untrained if none of the chosen analyses uses them.
void tell_of_unused(const AnalyzeArguments& a, const Setting& setting, const std::vector<AnalysisEntry>& entries) {
  const auto unused = [&](bool gradient_clips) {
    return std::ranges::none_of(entries, [&](const auto& entry) { return takes(a, setting, entry, gradient_clips); });
  };
  if (!a.gradient_clips.empty() && unused(true)) {
    std::string names;
    for (const AnalysisEntry& entry : analyses())
      if (takes(a, setting, entry, true)) names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
    log_line(fmt::format("without effect: --gradient-clips, which only {} use", names));
  }
  const auto reference = [&](const AnalysisEntry& entry) { return looks_at(*entry.make(setting), Part::reference); };
  if (!a.reference_clips.empty() && std::ranges::none_of(entries, reference))
    log_line("without effect: --reference-clips, which only difference-lens uses");
  if (!a.clips.empty() && unused(false))
    log_line("without effect: --clips, as none of the chosen analyses uses these clips");
  const auto looks = [&](const AnalysisEntry& entry) { return looks_at(*entry.make(setting), Role::untrained); };
  if (!a.untrained.empty() && std::ranges::none_of(entries, looks))
    log_line("without effect: --untrained, as none of the chosen analyses uses an untrained model");
}

ComparisonRequest comparison_of(const AnalyzeArguments& a) {
  return {a.runs,
          a.against,
          a.corpora,
          a.labels,
          a.untrained,
          /*first_fold=*/protocol_named(a.protocol).one_fold,
          thread_count(a.machine)};
}

void analyze(const CLI::App& command, AnalyzeArguments& a) {
  if (a.machine.precision == "auto") a.machine.precision = "fp32";
  const Protocol& protocol = protocol_named(a.protocol);
  auto entries = chosen_analyses(a.only, protocol);
  if (protocol.one_fold && a.runs.size() > 1)
    throw UsageError(fmt::format("--protocol {}: the published analyses use one fold of one run", a.protocol));
  if (a.force) check_inputs_stay(a.out, paths_of_flags(command));
  OutputFolder out(a.out, a.force, complaint_about_folder);
  OpenedRun first = open_run_of(command,
                                {.run = a.runs.front(),
                                 .model = a.model,
                                 .classes = split(a.classes),
                                 .bare_input = a.input,
                                 .head = HeadUse::if_any},
                                a.machine);
  const ComparedModels m = open_compared(comparison_of(a), std::move(first), a.input);
  check_inputs_stay(a.out, paths_of(m.clips, m.base.name));
  const Setting setting = setting_of(m, protocol, a.seed);
  leave_out_headless(m, entries);
  leave_out_comparisons(m, entries);
  leave_out_unequal(m, entries);
  tell_of_unused(a, setting, entries);
  const SeenInTraining seen = seen_by_any(a, m);
  AnalysesRequest request{.analyses = entries, .threads = thread_count(a.machine)};
  if (!a.clips.empty()) request.clips = read_clip_list(a.clips, m.clips);
  if (!a.gradient_clips.empty()) request.gradient_clips = read_clip_list(a.gradient_clips, m.clips);
  if (!a.reference_clips.empty()) request.reference = read_reference_clips(a.reference_clips);
  log_line(fmt::format("{} of {} folds, {}, {}", entries.size() == 1 ? std::string(entries[0].name) : "analyses",
                       m.folds.size(), m.base.name, a.protocol));
  const AnalysesResult result = run_analyses(m, setting, request);
  if (result.unused > 0)
    log_line(fmt::format("left out: {} of the listed clips are test clips of no fold", result.unused));
  for (const NamedFindings& found : result.findings)
    for (const std::string& note : found.findings.notes) log_line(fmt::format("{}: {}", found.name, note));

  std::string list;
  for (const int64_t clip : result.clips) list += m.clips.clips[clip].id + "\n";
  write_file(out.path() / "clips.txt", list);
  write_findings(out.path(), a.protocol, a.seed, result.findings, m.clips, setting.classes,
                 about(a, m, result, seen, request.clips));
  write_page(out.path());
  out.commit();
  fmt::print("{}\n", (Path(a.out) / "report.html").string());
}

// Adds the subcommand `analyze` with its flags to `app`; the caller sets the callback that runs it.
CLI::App* add_analyze_command(CLI::App& app, const std::shared_ptr<AnalyzeArguments>& a) {
  std::string names;
  std::vector<std::string_view> by_name;
  for (const AnalysisEntry& entry : analyses()) {
    names += fmt::format("\n  {:<19} {}", entry.name, entry.summary);
    if (entry.by_name) by_name.push_back(entry.name);
  }
  auto* command = app.add_subcommand(
      "analyze",
      "Analyses the effect of adaptation inside the encoder, layer by layer: tables, figures and a report that\n"
      "opens in a browser. The adapted model is compared with the frozen and with an untrained model.\n\n"
      "Analyses:" +
          names +
          "\n\n"
          "Examples:\n"
          "  loralens analyze run -o analysis\n"
          "  loralens analyze run --against frozen-run --only contribution,logit-lens -o analysis\n"
          "  loralens analyze run seed-2 seed-3 -o analysis\n"
          "  loralens analyze run --protocol paper --clips list.txt -o as-published");
  command->option_defaults()->always_capture_default();
  command
      ->add_option("run", a->runs,
                   "a run of `loralens train`, one of its folds, or a PEFT folder; several: runs with different\n"
                   "seeds on the same folds, for means and intervals over all runs")
      ->required();
  command->add_option("-o,--output", a->out, "folder for tables, arrays, figures and report.html")->required();
  command->add_option("--against", a->against,
                      "frozen run on the same folds to compare with; default: the same models without adapters");
  command->add_option("--only", a->only,
                      fmt::format("list of analyses, such as contribution,logit-lens; if not given: all but {},\n"
                                  "or those of the paper (--protocol paper)",
                                  fmt::join(by_name, ", ")));
  command
      ->add_option("--protocol", a->protocol,
                   "strict; paper: like the published code, defects included, first fold only")
      ->check(CLI::IsMember(protocol_names()));
  add_corpus_option(*command, a->corpora, "table of clips, if not the run's own; may be given several times");
  command->add_option("--labels", a->labels, "map of the corpus's labels: four, seven, or a list such as ang=anger");
  command->add_option("--clips", a->clips, "file that lists the clips to analyse, one path per line as in the table")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--gradient-clips", a->gradient_clips,
                   "file that lists the clips for spectrum, alignment, gradients and embedding")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--reference-clips", a->reference_clips,
                   "file that lists audio files of other speech for difference-lens, one path per line")
      ->check(CLI::ExistingFile);
  command->add_option("--untrained", a->untrained,
                      "PEFT folder of an adapter saved before its training, used as the untrained model");
  command->add_option("--model", a->model, "base model, if the run names none");
  command->add_option("--classes", a->classes, "class names of a bare PEFT folder, in order");
  add_number(*command, "--seed", a->seed, {0, INT64_MAX}, "random seed of baselines, null distributions and samples");
  command->add_flag("--force", a->force, "replace the output folder if loralens wrote it");
  add_input_options(*command, a->input);
  add_machine_options(*command, a->machine, /*gradients=*/true);
  return command;
}

}  // namespace

void add_analyze(CLI::App& app) {
  auto a = std::make_shared<AnalyzeArguments>();
  CLI::App* command = add_analyze_command(app, a);
  command->callback([a, command] { analyze(*command, *a); });
}

void check_analysis_flags(const std::vector<std::string>& flags) {
  auto a = std::make_shared<AnalyzeArguments>();
  CLI::App app;
  add_analyze_command(app, a);
  std::vector<std::string> words = {"analyze", "run", "-o", "analysis"};
  words.insert(words.end(), flags.begin(), flags.end());
  app.parse(std::vector(words.rbegin(), words.rend()));  // CLI11 expects them in reverse order
  chosen_analyses(a->only, protocol_named(a->protocol));
}

}  // namespace loralens
