// SPDX-License-Identifier: Apache-2.0
#include "cli/train/arguments.h"

#include "base/error.h"
#include "base/progress.h"
#include "cli/config.h"
#include "cli/train/module_flags.h"
#include "corpus/labels.h"
#include "training/presets.h"

namespace loralens {

void resolve(CLI::App& command, TrainArguments& a, const GivenFlags& given) {
  const Protocol& protocol = a.run.protocol = protocol_named(a.protocol);
  if (command.get_option("--preset")->count() == 0) a.preset = protocol.preset;
  if (a.from.given()) {
    a.from.read(command, given.anywhere);
    a.run.adapter = a.from.options(command, a.adapter, given.command_line);
  }
  apply_preset(command, preset_named(a.preset, a.adapter.method()));
  if (!a.from.given()) a.run.adapter = a.adapter.options(command, given.command_line);
  a.run.source.input.cut = protocol.cut;
  a.run.same_start = a.run.same_start || protocol.same_start;
  a.run.source.cache_bytes = a.cache_megabytes << 20;
  a.run.source.threads = thread_count(a.machine);
  if (a.select == "auto") a.select = protocol.selection;
  a.run.train.selection = a.select == "test"          ? Selection::test
                          : a.select == "development" ? Selection::development
                                                      : Selection::last;
  a.run.head = a.head.options(a.run.adapter.method, protocol, a.run.train.selection, given.command_line);
  if (a.from.given()) a.run.head.logistic = false;
  a.folds.seed = a.run.train.seed;
  try {
    a.run.train.validate();
  } catch (const Error& error) {
    throw_usage("{}", error.what());
  }
  if (a.base_precision == "int8" &&
      method_named(a.run.adapter.method).encoder_training(a.run.adapter) != EncoderTraining::none)
    throw_usage("--base-precision int8 is for weights that are not trained: leave it out with --method {}",
                a.run.adapter.method);
}

void check_recompute(const RunOptions& run) {
  if (run.train.recompute && run.head.weighted_layer_sum)
    throw_usage("--recompute saves nothing with a weighted layer sum ({}), whose head reads every layer: leave it out",
                run.start ? "the head of --from" : "--weighted-layer-sum");
}

void tell_of_unused(const GivenFlags& given, const TrainArguments& a) {
  const auto tell = [&](bool unused, const std::string& because, const std::vector<std::string>& flags) {
    std::vector<std::string> names;
    for (const std::string& flag : flags)
      if (unused && given.command_line.contains(flag)) names.push_back(flag);
    if (!names.empty()) log_line(fmt::format("without effect with {}: {}", because, fmt::join(names, ", ")));
  };
  const TrainOptions& o = a.run.train;
  const std::string method = "--method " + a.run.adapter.method;
  const bool frozen = method_named(a.run.adapter.method).leaves_encoder();
  std::vector<std::string> foreign = foreign_flags(a.run.adapter.method);
  std::erase_if(foreign, [&](const std::string& name) { return !given.anywhere.contains("--" + name); });
  if (!foreign.empty())
    log_line(fmt::format("without effect with {}, from the configuration file: {}", method, fmt::join(foreign, ", ")));
  const bool logistic = a.run.head.logistic;
  tell(frozen, method, {"--learning-rate", "--watch"});
  tell(!a.run.adapter.target_pattern.empty(), "--target-pattern", {"--targets"});
  tell(a.run.source.input.padded, "--input padded", {"--tail"});
  tell(o.specialize == "none", "--specialize none", {"--specialize-weight"});
  tell(logistic, "--read-out logistic", HeadFlags::unused_by_logistic());
  if (logistic) return;
  tell(frozen && !o.augment.active(), method, {"--position-dropout"});
  tell(o.batch_frames > 0, "--batch-frames", {"--batch"});
  tell(o.selection == Selection::last, "--select last", {"--patience"});
  tell(o.augment.time_masks == 0, "--time-masks 0", {"--time-share"});
  tell(o.augment.mel_masks == 0, "--mel-masks 0", {"--mel-width"});
}

std::string config_of(const CLI::App& command, const TrainArguments& a, const Clips& clips) {
  std::vector<std::string> left_out = foreign_flags(a.run.adapter.method);
  for (std::string& flag : a.from.replaced_flags(classes_of(clips))) left_out.push_back(std::move(flag));
  for (const char* flag : {"output", "resume", "merge", "fold", "first-seed", "jobs", "force", "dry-run", "profile"})
    left_out.emplace_back(flag);
  return resolved_config(command, left_out);
}

}  // namespace loralens
