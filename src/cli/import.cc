// SPDX-License-Identifier: Apache-2.0
// loralens import: converts a CTranslate2 model to a Hugging Face folder.
#include "base/error.h"
#include "base/output.h"
#include "checkpoint/ctranslate2.h"
#include "cli/commands.h"
#include "cli/own_files.h"

namespace loralens {

void add_import(CLI::App& app) {
  struct Arguments {
    std::string source, to;
    bool force = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("import",
                                     "Converts a Whisper model of CTranslate2 (float16 or float32) to a Hugging Face "
                                     "folder.\n\nExample: loralens import model.bin --to whisper-base");
  command->add_option("source", arguments->source, "folder with model.bin, or that file")->required();
  command->add_option("--to", arguments->to, "folder to write")->required();
  command->add_flag("--force", arguments->force, "replace the folder if loralens wrote it");
  command->callback([arguments] {
    if (arguments->force) check_inputs_stay(arguments->to, {arguments->source});
    OutputFolder out(arguments->to, arguments->force, complaint_about_folder);
    import_ctranslate2(arguments->source, out.path());
    out.commit();
    fmt::print("{}\n", arguments->to);
  });
}

}  // namespace loralens
