// SPDX-License-Identifier: Apache-2.0
#include "cli/train/from_flag.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "cli/config.h"
#include "cli/train/module_flags.h"
#include "results/run_folder.h"
#include "study/single_model.h"
#include "study/start_adapter.h"

namespace loralens {

void FromFlag::add(CLI::App& command) {
  command
      .add_option("--from", name_,
                  "start from this adapter, which gives method, modules and ranks: a model of a run (run/fold-00, "
                  "run/final) or a PEFT folder")
      ->transform([](const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); });
}

void FromFlag::read(CLI::App& command, const std::set<std::string>& given) {
  folder_ = single_model("--from", name_);
  saved_ = saved_model(folder_);
  given_ = given;
  const std::string& method = saved_.options.method;
  std::map<std::string, std::string> values = {{"method", method}};
  if (const std::string base = base_name_of(folder_); !base.empty()) values["model"] = base;
  if (method_named(method).leaves_encoder()) values["read-out"] = "gradient";
  if (saved_.int8_base) values["base-precision"] = "int8";
  apply_preset(command, values);
  if (const auto asked = command.get_option("--method")->as<std::string>(); asked != method)
    throw_usage("--method {}: the adapter of --from has the method {}: leave --method out", asked, method);
  if (command.get_option("--read-out")->as<std::string>() == "logistic")
    throw_usage("--read-out logistic fits a new head, so it cannot start from an adapter: leave it out with --from");
}

AdapterOptions FromFlag::options(CLI::App& command, const AdapterFlags& flags,
                                 const std::set<std::string>& given) const {
  const AdapterOptions asked = flags.options(command, given);
  AdapterOptions options = saved_.options;
  for (const MethodOption& option : method_named(options.method).options())
    if (!option.in_files && given_.contains("--" + option.name)) option.set(options.own, option.text(asked.own));
  return options;
}

std::vector<std::string> FromFlag::replaced_flags(const std::vector<std::string>& classes) const {
  if (!given()) return {};
  const Method& method = method_named(saved_.options.method);
  std::set<std::string> names = option_names(method);
  for (const MethodOption& option : method.options())
    if (!option.in_files) names.erase(option.name);
  if (keeps_head(classes)) names.insert({"projection", "weighted-layer-sum"});
  return {names.begin(), names.end()};
}

void FromFlag::open(CLI::App& command, const AdapterFlags& flags, const Base& base,
                    const std::vector<std::string>& classes, RunOptions& run) const {
  flags.check_same(command, given_, saved_.options, base.encoder.config);
  run.adapter = method_named(run.adapter.method).in_classifier(base.encoder.config, run.adapter);
  run.start = open_start(folder_, base, classes);
  if (!saved_.bare && !same_input(run.start->model.input, run.source.input))
    log_line(fmt::format("the input options (--input, --tail, clips over 30 s) differ from those of {}", name_));
  if (!keeps_head(classes)) return;
  const Head& head = run.start->model.head;
  const int64_t projection = head.projector.weight.size(0);
  if (given_.contains("--projection") && run.head.projection != projection)
    throw_usage("--projection {}: the head of --from has {}: leave --projection out", run.head.projection, projection);
  if (given_.contains("--weighted-layer-sum") && run.head.weighted_layer_sum != head.layer_weights.defined())
    throw_usage("--weighted-layer-sum: the head of --from has {} weighted layer sum: leave the flag out",
                head.layer_weights.defined() ? "a" : "no");
  run.head.projection = projection;
  run.head.weighted_layer_sum = head.layer_weights.defined();
}

void FromFlag::check_leaks(const Clips& clips, const std::vector<Fold>& folds, const std::vector<Recording>& recordings,
                           bool allow_leaks, RunOptions& run) const {
  if (!given()) return;
  const StartRecord& record = run.start->record;
  const auto trained = trained_among(record.clips, recordings);
  if (const std::string leak = start_leak(record, clips, folds, trained); !leak.empty()) {
    if (!allow_leaks)
      fail(
          "--from {}: {}: start from an adapter that was trained on other clips and speakers, take these out of the "
          "table, or allow it with --allow-leaks",
          name_, leak);
    log_line(fmt::format("--from {}: {}: their scores are no test", name_, leak));
  } else if (const auto names = known_speakers(record, clips, held_out(folds), /*same_corpus=*/false); !names.empty()) {
    log_line(fmt::format(
        "--from {}: {} speakers of test and development parts have names of speakers of another corpus who trained it "
        "({}): if they are the same people, the scores are no test",
        name_, names.size(), first_of(names)));
  }
  std::set<int64_t> tested;
  for (const Fold& fold : folds) tested.insert(fold.test.begin(), fold.test.end());
  run.test_clips_of_start = std::ranges::count_if(trained, [&](int64_t clip) { return tested.contains(clip); });
  run.test_speakers_of_start =
      std::ssize(known_speakers(record, clips, {tested.begin(), tested.end()}, /*same_corpus=*/true));
}

}  // namespace loralens
