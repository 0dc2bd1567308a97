// SPDX-License-Identifier: Apache-2.0
#include "cli/train/head_flags.h"

#include "adapter/method.h"
#include "base/error.h"
#include "cli/numbers.h"
#include "cli/train/module_flags.h"

namespace loralens {

void HeadFlags::add(CLI::App& command) {
  const char* group = "Adapter";
  command
      .add_option("--read-out", read_out_,
                  "head of --method frozen: logistic (regression on the best layer) or gradient (trained as with other "
                  "methods); auto: the protocol's")
      ->check(CLI::IsMember({"auto", "logistic", "gradient"}))
      ->group(group);
  add_number(command, "--projection", head_.projection, projections, "width of the head's projector")->group(group);
  command
      .add_flag("--weighted-layer-sum", head_.weighted_layer_sum,
                "the head reads a learned weighted mean of all layers")
      ->group(group);
}

HeadOptions HeadFlags::options(const std::string& method, const Protocol& protocol, Selection selection,
                               const std::set<std::string>& given) const {
  HeadOptions options = head_;
  const std::string_view read_out = read_out_ == "auto" ? protocol.read_out : read_out_;
  options.logistic = read_out == "logistic" && method_named(method).leaves_encoder();
  if (read_out_ == "logistic" && !options.logistic && given.contains("--read-out"))
    throw_usage("--read-out logistic is for an encoder that is not trained: choose --method frozen");
  if (options.logistic && selection == Selection::test)
    throw_usage("--read-out logistic is not chosen on the test part: choose another --select, or --read-out gradient");
  return options;
}

std::vector<std::string> HeadFlags::unused_by_logistic() {
  return {"--projection",      "--weighted-layer-sum", "--epochs",        "--head-epochs",        "--batch",
          "--batch-frames",    "--by-length",          "--accumulate",    "--head-learning-rate", "--schedule",
          "--warmup",          "--weight-decay",       "--clip-norm",     "--position-dropout",   "--average",
          "--label-smoothing", "--patience",           "--time-masks",    "--time-share",         "--mel-masks",
          "--mel-width",       "--layer-decay",        "--orthogonality", "--nuclear-norm",       "--soft-labels"};
}

}  // namespace loralens
