// SPDX-License-Identifier: Apache-2.0
#include "fuzz/kinds.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "cli/commands.h"
#include "fuzz/bytes.h"
#include "fuzz/structure.h"

namespace loralens::fuzz {
namespace {

namespace fs = std::filesystem;

Words command(std::string_view text) {
  Words words = {"-q"};
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Parses commands, one per line. % stands for the flags of all commands that compute.
std::vector<Words> commands(const std::string& lines) {
  std::vector<Words> all;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    if (const size_t flags = line.find('%'); flags != std::string::npos)
      line.replace(flags, 1, "--threads 1 --precision fp32");
    if (line.find_first_not_of(' ') != std::string::npos) all.push_back(command(line));
  }
  return all;
}

const std::string train =
    "train --folds speaker:2 --select last --epochs 1 --head-epochs 1 --batch 4 --rank 2 --projection 8 -o out % ";

std::vector<Kind> all_kinds() {
  return {
      {"base",
       6,
       {"base/model.safetensors"},
       commands("predict adapter audio/0.wav --model base %\n"
                "predict adapter audio/0.wav --model base --threads 1 --precision bf16\n"
                "evaluate adapter --model base --classes anger,sadness --corpus tiny.csv %\n" +
                train + "--model base --corpus tiny.csv")},
      {"base-config",
       6,
       {"base/config.json"},
       commands("predict adapter audio/0.wav --model base %\ntranscribe base audio/0.wav %\n"
                "embed base audio/0.wav --layer all -o out %")},
      {"decoder",
       6,
       {"base/model.safetensors", "base/generation_config.json", "base/tokenizer.json"},
       commands("transcribe base audio/0.wav audio/3.wav#0.05-0.25 %\n"
                "transcribe base audio/0.wav --language de --adapter run %\n"
                "transcribe base audio/0.wav --threads 1 --precision bf16")},
      {"index", 4, {"sharded/model.safetensors.index.json"}, commands("predict adapter audio/0.wav --model sharded %")},
      {"shard", 3, {"sharded"}, commands("predict adapter audio/0.wav --model sharded %")},
      {"adapter",
       6,
       {"adapter/adapter_model.safetensors"},
       commands("predict adapter audio/0.wav --model base %\n"
                "evaluate adapter --model base --classes anger,sadness --corpus tiny.csv %\n"
                "analyze adapter --model base --classes anger,sadness --corpus tiny.csv --only contribution -o out %")},
      {"pickled", 6, {"pickled/adapter_model.bin"}, commands("predict pickled audio/0.wav --model base %")},
      {"openai", 4, {"pickled/openai.pt"}, commands("import pickled/openai.pt --to out")},
      {"adapter-config", 6, {"adapter/adapter_config.json"}, commands("predict adapter audio/0.wav --model base %")},
      {"run",
       8,
       {"run", "weighted"},
       commands("predict run audio/0.wav audio/3.wav#0.05-0.25 %\n"
                "predict weighted audio/0.wav %\n"
                "evaluate run --corpus tiny.csv -o out %\n"
                "analyze run --only contribution -o out %")},
      {"model-config",
       5,
       {"run/fold-01/config.json", "run/final/config.json"},
       commands("predict run audio/0.wav %\nevaluate run --corpus tiny.csv --json %")},
      {"head",
       4,
       {"frozen/fold-00", "weighted/fold-00/head.safetensors", "full/fold-00"},
       commands("predict frozen audio/0.wav %\npredict weighted audio/0.wav %\npredict full audio/0.wav %")},
      {"resume", 8, {"unfinished.partial"}, commands("train --resume unfinished")},
      {"clips",
       8,
       {"clips.csv"},
       commands("corpus table clips.csv -o out.csv\n"
                "audit clips.csv --folds speaker:2 --no-development -o out.json --threads 1\n"
                "audit clips.csv --no-audio --folds random:2 --no-development -o out.json --threads 1\n"
                "evaluate run --corpus clips.csv -o out %\n" +
                train + "--model base --corpus clips.csv")},
      {"table",
       5,
       {"table.tsv", "table.jsonl"},
       commands("corpus table table.tsv --path-column file --label-column emotion --speaker-column who -o out.csv\n"
                "corpus table table.jsonl -o out.csv")},
      {"folds",
       5,
       {"folds.csv"},
       commands("audit clips.csv --folds folds.csv -o out.json --threads 1\n"
                "train --select last --epochs 1 --head-epochs 1 --rank 2 --folds file:folds.csv --model base --corpus "
                "clips.csv -o out %")},
      {"labels",
       3,
       {"labels.txt"},
       commands("corpus table clips.csv --labels labels.txt -o out.csv\n"
                "audit clips.csv --labels labels.txt --no-audio -o out.json --threads 1\n"
                "evaluate run --corpus tiny.csv --labels labels.txt --json %")},
      {"list", 3, {"list.txt"}, commands("predict run - %\nanalyze run --clips list.txt --only contribution -o out %")},
      {"toml", 5, {"train.toml"}, commands("train --config train.toml -o out")},
      {"study", 4, {"study.toml"}, commands("study study.toml -o out --list")},
      {"folders",
       5,
       {"database/db.yaml", "database/db.emotion.csv", "dataset/metadata.jsonl", "dataset/README.md"},
       commands("corpus audformat database -o out.csv\ncorpus datasets dataset -o out.csv")},
      {"audio",
       24,
       {"formats"},
       commands("predict run {} %\npredict run {}#0.05-0.15 %\npredict run {} audio/0.wav %\n"
                "audit {}.csv -o out.json --threads 1\nevaluate run --corpus {}.csv --json %")},
      {"results",
       8,
       {"run", "evaluation", "frozen"},
       commands("report run -o page.html\nreport run evaluation frozen -o page.html\nevaluate run -o out\nevaluate run "
                "--json\n"
                "analyze run --against frozen --only dynamics,contribution -o out %")},
      {"analysis", 4, {"analysis"}, commands("report analysis -o page.html")},
      {"ctranslate2",
       3,
       {"ct2/model.bin", "ct2/tokenizer.json", "ct2/config.json"},
       commands("import ct2 --to out\nimport ct2/model.bin --to out")},
      {"arguments",
       6,
       {},
       commands(
           train + "--model base --corpus tiny.csv\n" +
           "predict run audio/0.wav %\ntranscribe base audio/0.wav %\nevaluate run --corpus tiny.csv %\n"
           "analyze run --only contribution -o out %\naudit clips.csv --folds speaker:2 --no-development -o out.json\n"
           "corpus table clips.csv -o out.csv\nreport run -o page.html\nsynth --voices 1 --sentences 1 -o out")},
  };
}

// Replaces the file by nothing, a folder, a dangling or circular link, a pipe without writer, an endless or empty
// device, or another file.
void replace_file(const Path& file, const Path& donor, Random& random) {
  fs::remove(file);
  switch (random.below(8)) {
    case 0: return;
    case 1: fs::create_directory(file); return;
    case 2: fs::create_symlink("nowhere", file); return;
    case 3: fs::create_symlink(file.filename(), file); return;
    case 4: ::mkfifo(file.c_str(), 0600); return;
    case 5: fs::create_symlink("/dev/zero", file); return;
    case 6: fs::create_symlink("/dev/null", file); return;
    default: fs::copy_file(donor, file);
  }
}

bool has_structure(const Path& file) {
  static const std::string known[] = {".safetensors", ".json", ".jsonl", ".csv", ".tsv", ".toml", ".txt"};
  return std::find(std::begin(known), std::end(known), file.extension()) != std::end(known);
}

void mutate_json_lines(std::string& text, Random& random) {
  std::string out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (random.below(6) == 0) mutate_json(line, random);
    out += line + "\n";
  }
  text = out;
}

void mutate_structure(const Path& file, std::string& bytes, Random& random) {
  const std::string extension = file.extension();
  if (extension == ".safetensors") return mutate_safetensors(bytes, random);
  if (extension == ".json") return mutate_json(bytes, random);
  if (extension == ".jsonl") return mutate_json_lines(bytes, random);
  if (extension == ".csv" || extension == ".tsv") return mutate_table(bytes, random, extension == ".csv" ? ',' : '\t');
  mutate_lines(bytes, random);
}

// Options that are not damaged: larger values ask for more work or threads, or the options name outputs or devices.
constexpr std::string_view left_alone[] = {"--epochs",    "--head-epochs", "--threads", "--voices",
                                           "--sentences", "--output",      "--force",   "--profile",
                                           "--device",    "--help",        "--resume",  "--to"};

}  // namespace

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = all_kinds();
  return all;
}

std::vector<std::string> files_of(const Kind& kind, const Path& inputs) {
  std::vector<std::string> files;
  for (const std::string& name : kind.files) {
    if (!fs::is_directory(inputs / name)) {
      files.push_back(name);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(inputs / name)) {
      const std::string file = entry.path().lexically_relative(inputs);
      const bool other = file.ends_with(".html") || (kind.name == "audio" && file.ends_with(".csv"));
      if (entry.is_regular_file() && !other) files.push_back(file);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void damage(const Path& file, const Path& donor, Random& random) {
  if (random.below(50) == 0) return replace_file(file, donor, random);
  std::string bytes = read_file(file);
  if (has_structure(file) && random.below(3))
    mutate_structure(file, bytes, random);
  else
    mutate_bytes(bytes, random, read_file(donor));
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

void damage(Words& command, Random& random) {
  CLI::App app;
  add_corpus(app);
  add_audit(app);
  add_synth(app);
  add_train(app);
  add_evaluate(app);
  add_predict(app);
  add_transcribe(app);
  add_embed(app);
  add_analyze(app);
  add_report(app);
  const CLI::App* of = app.get_subcommand(command[1]);
  if (command[1] == "corpus") of = of->get_subcommand(command[2]);
  for (uint64_t i = 0, count = 1 + random.below(3); i < count; ++i) {
    const CLI::Option* option = pick(of->get_options(), random);
    const auto names = option->get_lnames();
    const std::string name = names.empty() ? "" : "--" + names[0];
    if (name.empty() || std::find(std::begin(left_alone), std::end(left_alone), name) != std::end(left_alone)) continue;
    const bool flag = option->get_items_expected_max() == 0;
    if (const auto given = std::find(command.begin(), command.end(), name);
        given != command.end())  // a flag given twice is a different error
      command.erase(given, given + (flag ? 1 : 2));
    command.push_back(flag ? name : name + "=" + (random.below(3) ? odd_number(random) : odd_text(random)));
    std::string& word = command.back();
    word = word.substr(0, word.find('\0'));
  }
}

Words with_file(const Words& command, const std::string& file) {
  Words words = command;
  for (std::string& word : words)
    if (const size_t at = word.find("{}"); at != std::string::npos) word.replace(at, 2, file);
  return words;
}

}  // namespace loralens::fuzz
