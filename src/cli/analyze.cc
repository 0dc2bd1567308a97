// loralens analyze: what the adaptation of a run did, layer by layer.
#include <torch/csrc/api/include/torch/version.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "analysis/parts.h"
#include "analysis/runner.h"
#include "base/error.h"
#include "base/output.h"
#include "base/profile.h"
#include "base/progress.h"
#include "cli/clips.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/machine.h"
#include "cli/material.h"
#include "cli/numbers.h"
#include "cli/own_files.h"
#include "cli/reads.h"
#include "report/page.h"
#include "report/tables.h"
#include "training/compare.h"
#include "training/run.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr Part all_parts[] = {Part::fit, Part::development, Part::test, Part::sample};

// The published code draws ten training clips a class for these.
constexpr std::string_view gradient_analyses[] = {"spectrum", "alignment", "gradients", "embedding"};

bool takes_gradient_clips(std::string_view name) {
  return std::find(std::begin(gradient_analyses), std::end(gradient_analyses), name) != std::end(gradient_analyses);
}

Setting setting_of(const AnalyzeArguments& a, const Material& m) {
  const EmotionModel& model = m.adapted.front();
  Setting setting;
  setting.paper = a.protocol == "paper";
  setting.seed = a.seed;
  setting.clips = &m.clips;
  setting.classes = model.classes;
  setting.labels = m.labels;
  setting.layers = m.base.encoder.config.layers;
  setting.width = m.base.encoder.config.width;
  setting.folds = std::ssize(m.folds);
  setting.runs = std::ssize(a.runs);
  setting.model_folders = m.folders;
  for (const auto& [place, adapter] : model.adapted.adapters) setting.adapted.push_back(place);
  return setting;
}

// Runs these analyses over all folds. listed: the clips of --clips (or of --gradient-clips, in `strict`).
std::vector<NamedFindings> analyse(const AnalyzeArguments& a, const Material& m, const Setting& setting,
                                   const std::vector<AnalysisEntry>& entries, const PartOptions& options,
                                   std::set<int64_t>& used) {
  std::vector<std::unique_ptr<Analysis>> analyses;
  std::vector<Analysis*> pointers;
  for (const AnalysisEntry& entry : entries) {
    analyses.push_back(entry.make(setting));
    pointers.push_back(analyses.back().get());
  }
  AnalysisRunner runner(setting, pointers);
  SourceOptions source;
  source.input = m.adapted.front().input;
  source.threads = thread_count(a.machine);
  for (size_t f = 0; f < m.folds.size(); ++f) {
    const Parts parts = choose_parts(m.folds[f], m.labels, options);
    if (parts.test.empty()) continue;
    used.insert(parts.test.begin(), parts.test.end());
    const FoldSubjects fold{static_cast<int64_t>(f),
                            make_subject(Role::adapted, m.adapted[f]),
                            make_subject(Role::frozen, m.frozen[f]),
                            make_subject(Role::untrained, m.untrained ? *m.untrained
                                                                      : untrained_like(m.adapted[f], m.base, a.seed)),
                            parts.fit,
                            parts.development,
                            parts.test,
                            parts.sample};
    Progress progress(fmt::format("fold {}/{}", f + 1, m.folds.size()), std::max<int64_t>(runner.clips_in(fold), 1));
    runner.run(fold, m.base.encoder, source, [&](int64_t done) { progress.step(done); });
  }
  std::vector<NamedFindings> findings;
  const Timed time(Phase::analyses);
  for (size_t i = 0; i < entries.size(); ++i) findings.push_back({std::string(entries[i].name), analyses[i]->finish()});
  return findings;
}

std::vector<AnalysisEntry> chosen_analyses(const std::string& only) {
  const auto names = split(only);
  std::vector<AnalysisEntry> chosen;
  for (const AnalysisEntry& entry : analyses())
    if (names.empty() || std::find(names.begin(), names.end(), entry.name) != names.end()) chosen.push_back(entry);
  if (!names.empty() && chosen.size() != std::set(names.begin(), names.end()).size()) {
    std::string known;
    for (const AnalysisEntry& entry : analyses()) known += fmt::format(" {}", entry.name);
    throw UsageError(fmt::format("--only {}: choose among{}", only, known));
  }
  return chosen;
}

// How the scores of two runs differ; null unless both tested the same clips in the same folds.
json difference_of(const Path& run, const Path& against, const std::vector<std::string>& classes) {
  for (const Path& folder : {run, against})
    for (const char* file : {"predictions.csv", "metrics.json"})
      if (!fs::exists(folder / file)) return nullptr;
  const Scores a = read_scores(run), b = read_scores(against);
  if (a.metrics.at("classes") != classes || b.metrics.at("classes") != classes) return nullptr;
  return same_clips(a.predictions, b.predictions)
             ? compare_results(a.predictions, b.predictions, std::ssize(classes), /*seed=*/42)
             : json();
}

// seen: how many clips of another corpus trained the first run.
json about(const AnalyzeArguments& a, const Material& m, size_t clips, int64_t seen) {
  const EmotionModel& model = m.adapted.front();
  std::set<std::string> speakers, corpora;
  for (const Clip& clip : m.clips.clips) {
    speakers.insert(clip.speaker);
    corpora.insert(clip.corpus);
  }
  std::vector<std::string> runs;
  for (const auto& run : a.runs) runs.push_back(fs::absolute(run).lexically_normal().string());
  json result = {{"run", fmt::format("{}", fmt::join(runs, ", "))},
                 {"base", model.base},
                 {"method", model.options.method},
                 {"corpus", corpora},
                 {"folds", m.folds_of_a_run},
                 {"clips", clips},
                 {"speakers", speakers.size()},
                 {"against", a.against.empty() ? "the same head, adapter off" : a.against},
                 {"untrained", a.untrained.empty() ? fmt::format("A, B and head N(0, 0.02), seed {}", a.seed) : a.untrained},
                 {"precision", m.base.precision.compute == c10::ScalarType::Float ? "fp32" : "16 bit products"},
                 {"device", m.base.encoder.device().str()},
                 {"versions", {{"loralens", LORALENS_VERSION}, {"libtorch", TORCH_VERSION}}}};
  if (seen > 0) result["trained_clips"] = seen;
  const Path metrics = m.run / "metrics.json";
  if (a.runs.size() == 1 && fs::exists(metrics)) result["metrics"] = read_metrics(metrics);
  if (a.runs.size() == 1 && !a.against.empty()) {
    const json difference = difference_of(m.run, run_of(a.against), model.classes);
    if (!difference.is_null()) result["comparison"] = difference;
  }
  return result;
}

// In the table, a model of several runs is told by its fold and the seed that its run was trained with.
void name_runs(const AnalyzeArguments& a, const Material& m, std::vector<NamedFindings>& findings) {
  std::vector<std::optional<uint64_t>> seeds;
  for (const auto& run : a.runs) {
    const Path config = run_of(run) / "config.toml";
    const auto texts = fs::exists(config) ? config_texts(config, "seed") : std::vector<std::string>{};
    seeds.push_back(texts.empty() ? std::nullopt : parse_number<uint64_t>(texts.front()));
    if (!texts.empty() && !seeds.back()) fail("{}: the seed '{}' is no whole number", config.string(), texts.front());
  }
  const auto folds = static_cast<int64_t>(m.folds_of_a_run);
  for (auto& found : findings)
    for (Row& row : found.findings.rows)
      if (row.fold) {
        row.seed = seeds[static_cast<size_t>(*row.fold / folds)];
        row.fold = *row.fold % folds;
      }
}

// Takes out the analyses that add up matrices of A and B over models, where these differ in shape.
void leave_out_unequal(const Material& m, std::vector<AnalysisEntry>& entries) {
  const std::string difference = factor_difference(m);
  if (difference.empty()) return;
  std::string names;
  std::erase_if(entries, [&](const AnalysisEntry& entry) {
    if (entry.equal_factors) names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
    return entry.equal_factors;
  });
  if (names.empty()) return;
  if (entries.empty()) fail("{} cannot be made of runs whose adapters differ in shape: {}", names, difference);
  log_line(fmt::format("left out: {}, which needs adapters of equal shapes: {}", names, difference));
}

// How many clips of --corpus trained the first run, where they are not the clips of its own folds.
int64_t trained_clips(const AnalyzeArguments& a, const Material& m) {
  if (!m.folds.front().train.empty()) return 0;
  const int64_t seen = clips_trained_on(a.runs.front(), m.clips, thread_count(a.machine));
  if (seen > 0)
    log_line(fmt::format("{} of these {} clips trained {}: what is shown of them is of training clips", seen,
                         m.clips.clips.size(), a.runs.front()));
  return seen;
}

// Tells of a list or a model that none of the chosen analyses looks at.
void tell_of_unused(const AnalyzeArguments& a, const Setting& setting, const std::vector<AnalysisEntry>& entries) {
  const auto gradient = std::ranges::count_if(entries, takes_gradient_clips, &AnalysisEntry::name);
  if (!a.gradient_clips.empty() && gradient == 0)
    log_line(fmt::format("without effect: --gradient-clips, which only {} take", fmt::join(gradient_analyses, ", ")));
  if (!a.clips.empty() && !a.gradient_clips.empty() && !setting.paper && gradient == std::ssize(entries))
    log_line("without effect: --clips, as all chosen analyses take --gradient-clips instead");
  const auto looks = [&](const AnalysisEntry& entry) {
    const auto analysis = entry.make(setting);
    return std::ranges::any_of(all_parts, [&](Part part) { return analysis->wants(part, Role::untrained); });
  };
  if (!a.untrained.empty() && std::ranges::none_of(entries, looks))
    log_line("without effect: --untrained, as none of the chosen analyses looks at an untrained model");
}

void analyze(const CLI::App& command, AnalyzeArguments& a) {
  auto entries = chosen_analyses(a.only);
  if (a.machine.precision == "auto") a.machine.precision = "fp32";
  if (a.protocol == "paper" && a.runs.size() > 1)
    throw UsageError("--protocol paper: the published analyses are of one fold of one run");
  if (a.force) check_inputs_stay(a.out, paths_of_flags(command));
  OutputFolder out(a.out, a.force, complaint_about_folder);
  const Material m = load_material(command, a);
  check_inputs_stay(a.out, paths_of(m.clips, m.base.name));
  const Setting setting = setting_of(a, m);
  leave_out_unequal(m, entries);
  tell_of_unused(a, setting, entries);
  const int64_t seen = a.corpora.empty() ? 0 : trained_clips(a, m);
  PartOptions options{.paper = setting.paper, .seed = a.seed, .fit_clips = setting.fit_clips};
  if (!a.clips.empty()) options.listed = read_clip_list(a.clips, m.clips);
  std::vector<int64_t> gradient_clips;
  if (!a.gradient_clips.empty()) gradient_clips = read_clip_list(a.gradient_clips, m.clips);
  options.listed_sample = gradient_clips;
  log_line(fmt::format("{} of {} folds, {}, {}", entries.size() == 1 ? std::string(entries[0].name) : "analyses",
                       m.folds.size(), m.base.name, a.protocol));

  std::set<int64_t> used;
  std::vector<NamedFindings> findings;
  if (setting.paper || gradient_clips.empty()) {
    findings = analyse(a, m, setting, entries, options, used);
  } else {  // in `strict` both lists name test clips
    std::vector<AnalysisEntry> plain, gradient;
    for (const AnalysisEntry& entry : entries) (takes_gradient_clips(entry.name) ? gradient : plain).push_back(entry);
    if (!plain.empty()) findings = analyse(a, m, setting, plain, options, used);
    options.listed = gradient_clips;
    if (!gradient.empty())
      for (auto& found : analyse(a, m, setting, gradient, options, used)) findings.push_back(std::move(found));
  }
  if (a.runs.size() > 1) name_runs(a, m, findings);
  const auto listed = std::ranges::count_if(options.listed, [&](int64_t clip) { return !used.contains(clip); });
  if (listed > 0) log_line(fmt::format("left out: {} of the listed clips are test clips of no fold", listed));
  if (used.empty()) fail("none of the listed clips is a test clip of the run");
  for (const NamedFindings& found : findings)
    for (const std::string& note : found.findings.notes) log_line(fmt::format("{}: {}", found.name, note));

  std::string list;
  if (!options.listed.empty() && gradient_clips.empty())
    for (const int64_t clip : options.listed)
      list += used.contains(clip) ? m.clips.clips[static_cast<size_t>(clip)].id + "\n" : "";
  else
    for (const int64_t clip : used) list += m.clips.clips[static_cast<size_t>(clip)].id + "\n";
  write_file(out.path() / "clips.txt", list);
  write_findings(out.path(), a.protocol, a.seed, findings, m.clips, setting.classes, about(a, m, used.size(), seen));
  write_page(out.path());
  out.commit();
  fmt::print("{}\n", (Path(a.out) / "report.html").string());
}

}  // namespace

void add_analyze(CLI::App& app) {
  auto a = std::make_shared<AnalyzeArguments>();
  std::string names;
  for (const AnalysisEntry& entry : analyses()) names += fmt::format("\n  {:<13} {}", entry.name, entry.summary);
  auto* command = app.add_subcommand(
      "analyze",
      "Shows what the adaptation did inside the encoder, layer by layer: tables, figures and a report that opens\n"
      "in a browser. The adapted model is compared with the frozen and with an untrained one.\n\n"
      "Analyses:" + names + "\n\n"
      "Examples:\n"
      "  loralens analyze run -o analysis\n"
      "  loralens analyze run --against frozen-run --only contribution,logit-lens -o analysis\n"
      "  loralens analyze run seed-2 seed-3 -o analysis\n"
      "  loralens analyze run --protocol paper --clips list.txt -o as-published");
  command->option_defaults()->always_capture_default();
  command->add_option("run", a->runs, "a run of `loralens train`, one of its folds, or a PEFT folder; several: runs of other\n"
                      "seeds on the same folds, for means and intervals over them all")->required();
  command->add_option("-o,--output", a->out, "folder for tables, arrays, figures and report.html")->required();
  command->add_option("--against", a->against, "a run of the frozen encoder on the same folds; if not given: the adapter off");
  command->add_option("--only", a->only, "analyses, such as contribution,logit-lens; if not given: all");
  command->add_option("--protocol", a->protocol, "strict; paper: as the published code does, first fold, defects included")
      ->check(CLI::IsMember({"strict", "paper"}));
  add_corpus_option(*command, a->corpora, "table of clips, where it is not the run's own; may be given several times");
  command->add_option("--labels", a->labels, "map of the corpus's labels: four, seven, or a list such as ang=anger");
  command->add_option("--clips", a->clips, "list of clips to analyse, one path a line as in the table")->check(CLI::ExistingFile);
  command->add_option("--gradient-clips", a->gradient_clips, "list of clips for spectrum, alignment, gradients and embedding")
      ->check(CLI::ExistingFile);
  command->add_option("--untrained", a->untrained, "PEFT folder that serves as the untrained model");
  command->add_option("--model", a->model, "base model, where the run names none");
  command->add_option("--classes", a->classes, "names of a bare PEFT folder's classes, in order");
  add_number(*command, "--seed", a->seed, {0, INT64_MAX}, "of random baselines and of which clips are drawn");
  command->add_flag("--force", a->force, "replace the output folder if loralens wrote it");
  add_input_options(*command, a->input);
  add_machine_options(*command, a->machine, /*gradients=*/true);
  command->callback([a, command] { analyze(*command, *a); });
}

}  // namespace loralens
