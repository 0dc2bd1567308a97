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

struct AnalyzeArguments {
  std::vector<std::string> runs, corpora;
  std::string against, labels, model, classes, only, protocol = "strict", clips, gradient_clips, untrained, out;
  uint64_t seed = 42;
  InputOptions input;
  MachineOptions machine;
  bool force = false;
};

// The published code draws ten training clips a class for these.
constexpr std::string_view gradient_analyses[] = {"spectrum", "alignment", "gradients", "embedding"};

bool takes_gradient_clips(std::string_view name) {
  return std::find(std::begin(gradient_analyses), std::end(gradient_analyses), name) != std::end(gradient_analyses);
}

// What is read from disk: the run, whom it is compared with, the corpus and its folds.
struct Material {
  Path run;  // the first run's folder with config.toml and folds.csv, which may be above the model's own
  std::vector<Path> folders;  // a model's each: the first run's folds, the second's, ...
  Base base;
  std::vector<EmotionModel> adapted, frozen;
  std::optional<EmotionModel> untrained;
  Clips clips;
  std::vector<int64_t> labels;
  std::vector<Fold> folds;  // of each model
  size_t folds_of_a_run = 0;
};

Clips clips_of(const AnalyzeArguments& a, const Path& run, const std::vector<std::string>& classes) {
  const Path config = run / "config.toml";
  const bool known = fs::exists(config);
  const auto of_run = [&](const char* key) { return known ? config_texts(config, key) : std::vector<std::string>{}; };
  const auto corpora = a.corpora.empty() ? of_run("corpus") : a.corpora;
  if (corpora.empty()) fail("{} does not name its corpus: give the table with --corpus", run.string());
  const auto labels = a.labels.empty() ? of_run("labels") : std::vector<std::string>{a.labels};
  return clips_of_classes(corpora, labels.empty() ? "" : labels.front(), classes);
}

// The folds that the models were trained in; for a corpus that is not the run's, or a model of which nothing is known,
// every clip is a test clip.
std::vector<Fold> folds_of(const AnalyzeArguments& a, const std::string& name, const Clips& clips) {
  const Path run = run_of(name), csv = run / "folds.csv";
  const size_t models = model_folders(name).size();
  std::vector<Fold> folds;
  if (fs::exists(csv)) {
    try {
      folds = read_folds(csv, clips);
    } catch (const Error& error) {
      if (a.corpora.empty()) throw;
      log_line(fmt::format("{} is not the corpus of the run's folds: all its clips are test clips",
                           fmt::join(a.corpora, ", ")));
    }
  }
  if (folds.empty()) {
    std::vector<int64_t> all(clips.clips.size());
    std::iota(all.begin(), all.end(), int64_t{0});
    return std::vector<Fold>(models, Fold{{}, {}, all});
  }
  if (run == Path(name) || folds.size() == models) {
    if (folds.size() != models) fail("{} has {} models and {} folds: it is no whole run", name, models, folds.size());
    return folds;
  }
  for (size_t f = 0; f < folds.size(); ++f)
    if (fs::absolute(name).lexically_normal().filename() == fold_name(static_cast<int64_t>(f))) return {folds[f]};
  fail("{} is no fold of {}: name the run, or one of its folds", name, run.string());
}

bool same_places(const EmotionModel& a, const EmotionModel& b) {
  return std::ranges::equal(a.adapted.adapters, b.adapted.adapters, {}, [](const auto& x) { return x.first; },
                            [](const auto& x) { return x.first; });
}

// The models of a further run, which was trained as the first one, on the same folds, with another seed.
void add_run(const AnalyzeArguments& a, const std::string& name, Material& m) {
  const std::string& first = a.runs.front();
  const EmotionModel like = m.adapted.front();
  const auto folds = folds_of(a, name, m.clips);
  if (!std::ranges::equal(folds, std::span(m.folds).first(m.folds_of_a_run), {}, &Fold::test, &Fold::test))
    fail("{} was tested on other clips than {}: train the runs of other seeds with --folds file:{}", name, first,
         (m.run / "folds.csv").string());
  for (const Path& folder : model_folders(name)) {
    m.adapted.push_back(load_model(folder, m.base, {like.classes, a.input}));
    m.folders.push_back(folder);
    const EmotionModel& model = m.adapted.back();
    if (model.classes != like.classes || model.input.padded != like.input.padded ||
        model.options.method != like.options.method || !same_places(model, like))
      fail("{} is no repetition of {}: classes, input, method and adapted modules must be the same (loralens report "
           "compares different runs)", folder.string(), first);
  }
  m.folds.insert(m.folds.end(), folds.begin(), folds.end());
}

std::vector<EmotionModel> frozen_models(const AnalyzeArguments& a, const Material& m) {
  std::vector<EmotionModel> models;
  if (a.against.empty()) {  // the same heads, adapters off
    for (const EmotionModel& model : m.adapted) {
      models.push_back(model);
      models.back().adapted = Adapted{m.base.encoder, {}, {}, false};
    }
    return models;
  }
  for (const Path& folder : model_folders(a.against))
    models.push_back(load_model(folder, m.base, {m.adapted.front().classes, a.input}));
  const size_t folds = m.folds_of_a_run;
  const bool one = models.size() == 1;
  if (one) models.resize(folds, models.front());
  if (models.size() != folds)
    fail("--against {} has {} folds, {} has {}: train both on the same folds", a.against, models.size(), a.runs.front(),
         folds);
  for (const EmotionModel& model : models) {
    if (model.classes != m.adapted.front().classes)
      fail("--against {} knows other classes than {}", a.against, a.runs.front());
    if (model.input.padded != m.adapted.front().input.padded)
      fail("--against {} hears padded input and {} does not, or the reverse: compare runs of the same --input", a.against,
           a.runs.front());
  }
  const Path theirs = run_of(a.against) / "folds.csv", ours = m.run / "folds.csv";
  if (!one && fs::exists(theirs) && fs::exists(ours) && fs::exists(m.run / "config.toml")) {
    const auto other = read_folds(theirs, m.clips);
    for (size_t f = 0; f < std::min(other.size(), folds); ++f)
      if (other[f].test != m.folds[f].test)
        fail("--against {} was tested on other clips than {} in fold {}: train both on the same folds", a.against,
             a.runs.front(), f);
  }
  while (models.size() < m.adapted.size()) models.push_back(models[models.size() - folds]);
  return models;
}

Material load(const AnalyzeArguments& a) {
  Material m;
  const std::string& first = a.runs.front();
  m.run = run_of(first);
  LoadedRun loaded = load_run(first, a.model, split(a.classes), a.input, a.machine, /*folds=*/true);
  m.folders = model_folders(first);
  m.base = std::move(loaded.base);
  m.adapted = std::move(loaded.models);
  m.clips = clips_of(a, m.run, m.adapted.front().classes);
  m.labels = class_numbers(m.clips, m.adapted.front().classes);
  m.folds = folds_of(a, first, m.clips);
  m.folds_of_a_run = m.folds.size();
  for (size_t i = 1; i < a.runs.size(); ++i) add_run(a, a.runs[i], m);
  m.frozen = frozen_models(a, m);
  if (!a.untrained.empty())
    m.untrained = load_model(a.untrained, m.base, {m.adapted.front().classes, m.adapted.front().input});
  if (a.protocol == "paper") {  // the published analyses are of the first fold
    m.folders.resize(1);
    m.adapted.resize(1, m.adapted.front());
    m.frozen.resize(1, m.frozen.front());
    m.folds.resize(1);
    m.folds_of_a_run = 1;
  }
  return m;
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
  const Path first = run / "predictions.csv", second = against / "predictions.csv";
  if (!fs::exists(first) || !fs::exists(second)) return nullptr;
  const auto a = read_predictions(first, classes), b = read_predictions(second, classes);
  return same_clips(a, b) ? compare_results(a, b, std::ssize(classes), /*seed=*/42) : json();
}

json about(const AnalyzeArguments& a, const Material& m, size_t clips) {
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

void analyze(const CLI::App& command, AnalyzeArguments& a) {
  const auto entries = chosen_analyses(a.only);
  if (a.machine.precision == "auto") a.machine.precision = "fp32";
  if (a.protocol == "paper" && a.runs.size() > 1)
    throw UsageError("--protocol paper: the published analyses are of one fold of one run");
  if (a.force) check_inputs_stay(a.out, paths_of_flags(command));
  OutputFolder out(a.out, a.force, complaint_about_folder);
  const Material m = load(a);
  check_inputs_stay(a.out, paths_of(m.clips, m.base.name));
  const Setting setting = setting_of(a, m);
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
  if (used.empty()) fail("none of the listed clips is a test clip of the run");
  for (const NamedFindings& found : findings)
    for (const std::string& note : found.findings.notes) log_line(fmt::format("{}: {}", found.name, note));

  std::string list;
  if (!options.listed.empty() && gradient_clips.empty())
    for (const int64_t clip : options.listed) list += m.clips.clips[static_cast<size_t>(clip)].id + "\n";
  else
    for (const int64_t clip : used) list += m.clips.clips[static_cast<size_t>(clip)].id + "\n";
  write_file(out.path() / "clips.txt", list);
  write_findings(out.path(), a.protocol, a.seed, findings, m.clips, setting.classes, about(a, m, used.size()));
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
