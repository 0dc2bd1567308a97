// SPDX-License-Identifier: Apache-2.0
// loralens import: converts a Whisper model of another format to a Hugging Face folder.
#include "base/error.h"
#include "base/output.h"
#include "checkpoint/ctranslate2.h"
#include "checkpoint/torch_import.h"
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
                                     "Converts a Whisper model to a Hugging Face folder with safetensors. Sources: "
                                     "CTranslate2's model.bin\n(float16 or float32), OpenAI's whisper.pt, and folders "
                                     "with pytorch_model.bin. Pickles of PyTorch are read\nwithout running their code."
                                     "\n\nExamples:\n"
                                     "  loralens import model.bin --to whisper-base\n"
                                     "  loralens import base.pt --to whisper-base");
  command
      ->add_option("source", arguments->source,
                   "model.bin or its folder, OpenAI's file (*.pt), or a folder with pytorch_model.bin")
      ->required();
  command->add_option("--to", arguments->to, "folder to write")->required();
  command->add_flag("--force", arguments->force, "replace the folder if loralens wrote it");
  command->callback([arguments] {
    if (arguments->force) check_inputs_stay(arguments->to, {arguments->source});
    OutputFolder out(arguments->to, arguments->force, complaint_about_folder);
    const bool ctranslate2 = std::filesystem::exists(Path(arguments->source) / "model.bin");
    if (!ctranslate2 && is_torch_model(arguments->source))
      import_torch(arguments->source, out.path());
    else
      import_ctranslate2(arguments->source, out.path());
    out.commit();
    fmt::print("{}\n", arguments->to);
  });
}

}  // namespace loralens
