// SPDX-License-Identifier: Apache-2.0
// loralens fetch: a Whisper checkpoint from the Hugging Face hub.
#include <cstdio>

#include "base/error.h"
#include "cli/commands.h"
#include "hub/hub.h"

namespace loralens {

void add_fetch(CLI::App& app) {
  struct Arguments {
    std::string model, to;
    bool force = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand(
      "fetch",
      "Downloads a Whisper checkpoint and prints the folder it is in. What is there already is checked by\n"
      "its size and, where the hub gives one, its SHA-256, and fetched again if it is damaged.\n\n"
      "Example: loralens fetch base");
  command
      ->add_option("model", arguments->model, "tiny base small medium large-v2 large-v3 (+ .en), or a Hugging Face id")
      ->required();
  command->add_option("--to", arguments->to, "folder to put the files in, instead of the Hugging Face cache");
  command->add_flag("--force", arguments->force, "fetch every file again, and into --to though a model is there");
  command->callback([arguments] {
    FetchOptions options;
    if (!arguments->to.empty()) options.to = arguments->to;
    options.force = arguments->force;
    fmt::print("{}\n", fetch_model(arguments->model, options).string());
  });
}

}  // namespace loralens
