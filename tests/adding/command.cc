// SPDX-License-Identifier: Apache-2.0
// A toy command, loralens toy FILE: prints the length of an audio file.
#include <fmt/format.h>

#include <memory>

#include "audio/decode.h"
#include "cli/commands.h"

namespace loralens {

void add_toy(CLI::App& app) {
  auto file = std::make_shared<std::string>();
  auto* command = app.add_subcommand("toy", "Prints the length of an audio file in seconds.");
  command->add_option("file", *file, "audio file")->required();
  command->callback([file] { fmt::print("{}\n", audio_seconds(*file)); });
}

}  // namespace loralens
