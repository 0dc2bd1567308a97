// SPDX-License-Identifier: Apache-2.0
#include "cli/own_files.h"

#include <fnmatch.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "analysis/analyses.h"
#include "base/error.h"
#include "base/new_file.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr const char* page_text = "loralens-theme";  // localStorage key of the theme, which every page contains

// Contents of one command's output folder. Patterns are fnmatch's with FNM_PATHNAME and FNM_EXTMATCH, for paths
// relative to the folder.
struct Kind {
  std::vector<std::string> needed;  // files that it always contains
  std::string told_by, text;        // one of these files, and a text in it that other programs do not write
  std::vector<std::string> others;  // patterns of other files that it may have
  std::string absent = {};          // a text that the file `told_by` must not contain
};

std::vector<Kind> kinds() {
  const std::string model = "@(fold-+([0-9])|final)?(.partial)", seed = "seed-+([0-9])";
  const std::string of_model =
      "/@(config.json|adapter_config.json|adapter_model.safetensors|head.safetensors|model.safetensors|"
      "initial.safetensors|checkpoint.safetensors|history.csv|watch.csv|predictions.csv|preprocessor_config.json|"
      "README.md)";
  const std::vector<std::string> of_run = {
      "@(config.toml|folds.csv|metrics.json|predictions.csv|inputs.json|recordings.csv|from.csv|skipped.csv|.lock)",
      "report.html",
      model,
      model + of_model,
      seed,
      seed + "/" + model,
      seed + "/" + model + of_model};
  std::string names;
  for (const AnalysisEntry& entry : analyses()) names += (names.empty() ? "" : "|") + std::string(entry.name);
  return {
      {{"config.toml", "folds.csv", "metrics.json", "predictions.csv"}, "metrics.json", "\"uar\"", of_run},
      {{".lock"}, ".lock", "loralens", of_run},  // interrupted run
      {{"config.toml", "folds.csv", "inputs.json"}, "inputs.json", "\"recordings_sha256\"", of_run},  // part of a run
      {{"metrics.json", "predictions.csv"}, "metrics.json", "\"uar\"", {"report.html"}},
      {{"summary.json", "clips.txt"},
       "summary.json",
       "\"analyses\"",
       {"report.html", "claims.csv", "@(tables|arrays|figures)", "tables/@(" + names + ").csv",
        "arrays/@(" + names + ").npz", "figures/*.vl.json"}},
      {{"README.md", "clips.csv"},
       "README.md",
       "# Synthetic emotional speech",
       {"audio", "audio/synthetic-*", "audio/synthetic-*/synthetic-*_*.wav"}},
      {{"embed.json"}, "embed.json", "loralens embed", {"part-+([0-9]).@(npz|csv)", ".lock"}},
      // An imported model. In folders that transformers wrote, config.json names transformers_version.
      {{"config.json", "model.safetensors", "preprocessor_config.json"},
       "config.json",
       "WhisperForConditionalGeneration",
       {"tokenizer.json", "generation_config.json"},
       "transformers_version"},
      {{"config.json", "model.safetensors"},  // imported from pytorch_model.bin
       "model.safetensors",
       R"("written_by":"loralens")",
       {"preprocessor_config.json", "tokenizer.json", "generation_config.json"}}};
}

bool holds(const Path& file, const std::string& text) {
  std::error_code ignored;
  if (!fs::is_regular_file(fs::symlink_status(file, ignored))) return false;
  if (file.extension() != ".safetensors") return read_file(file).find(text) != std::string::npos;
  std::string start(1000, '\0');  // the metadata is at the beginning of the header
  std::ifstream(file, std::ios::binary).read(start.data(), std::ssize(start));
  return start.find(text) != std::string::npos;
}

bool matches(const std::string& name, const Kind& kind) {
  const auto fits = [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME | FNM_EXTMATCH) == 0;
  };
  return std::ranges::find(kind.needed, name) != kind.needed.end() || std::ranges::any_of(kind.others, fits);
}

// The first file or folder that does not belong to this kind of folder; "" if there is none.
std::string stranger_in(const Path& folder, const Kind& kind) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).generic_string();
    const std::string written = without_temporary_ending(name);  // a temporary file of a killed command
    const fs::file_status status = entry.symlink_status();
    const bool known = fs::is_directory(status) || fs::is_regular_file(status);
    if (!known || !matches(written.empty() ? name : written, kind)) return name;
    if (name == "report.html" && !holds(entry.path(), page_text)) return name;
  }
  return "";
}

std::string complaint_about_file(const Path& file, const std::vector<std::string>& texts, const std::string& what) {
  const bool own = std::ranges::all_of(texts, [&](const auto& text) { return holds(file, text); });
  return own ? "" : fmt::format("it is not {}", what);
}

}  // namespace

std::string complaint_about_folder(const Path& folder) {
  if (fs::is_empty(folder)) return "";
  std::string stranger;
  for (const Kind& kind : kinds()) {
    const bool whole = std::ranges::all_of(kind.needed, [&](const auto& name) { return fs::exists(folder / name); });
    if (!whole || !holds(folder / kind.told_by, kind.text)) continue;
    if (!kind.absent.empty() && holds(folder / kind.told_by, kind.absent)) continue;
    const std::string found = stranger_in(folder, kind);
    if (found.empty()) return "";
    if (stranger.empty()) stranger = found;
  }
  if (stranger.empty()) return "loralens did not write it";
  return fmt::format("loralens did not write {} in it", stranger);
}

std::string complaint_about_table(const Path& file) {
  std::string text = read_file(file);
  const bool own = text.starts_with("path,label,speaker") && text.find_first_of(",\r\n", 18) == 18;
  return own ? "" : "it is not a table of clips that `loralens corpus` wrote";
}

std::string complaint_about_audit(const Path& file) {
  return complaint_about_file(file, {"\"scheme\": ", "\"table\": "}, "an output of `loralens audit`");
}

std::string complaint_about_embeddings(const Path& file) {
  std::string start(41, '\0');
  std::ifstream(file, std::ios::binary).read(start.data(), std::ssize(start));
  const bool own = start.starts_with("PK\x03\x04") && start.ends_with("seconds.npy");  // the first array
  return own ? "" : "it is not an output of `loralens embed`";
}

std::string complaint_about_page(const Path& file) {
  return complaint_about_file(file, {page_text}, "a page that `loralens report` wrote");
}

std::string complaint_about_profile(const Path& file) {
  return complaint_about_file(file, {"\"peak_operations_per_second\": "}, "a profile");
}

}  // namespace loralens
