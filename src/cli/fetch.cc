// SPDX-License-Identifier: Apache-2.0
// loralens fetch: downloads a Whisper checkpoint from the Hugging Face hub.
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
      "Downloads a Whisper checkpoint and prints its folder. Existing files are checked by their size and, if\n"
      "the hub gives one, their SHA-256, and downloaded again if they are damaged.\n\n"
      "Example: loralens fetch base");
  command
      ->add_option("model", arguments->model, "tiny base small medium large-v2 large-v3 (+ .en), or a Hugging Face id")
      ->required();
  command->add_option("--to", arguments->to, "folder for the files, instead of the Hugging Face cache");
  command->add_flag("--force", arguments->force,
                    "download every file again; with --to also into a folder that holds a model");
  command->callback([arguments] {
    FetchOptions options;
    if (!arguments->to.empty()) options.to = arguments->to;
    options.force = arguments->force;
    fmt::print("{}\n", fetch_model(arguments->model, options).string());
  });
}

}  // namespace loralens
