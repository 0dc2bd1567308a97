#include "cli/clips.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "base/text.h"
#include "classifier/model.h"
#include "cli/config.h"
#include "corpus/folds.h"
#include "corpus/join.h"
#include "corpus/labels.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

// The same for the same stretch of audio, whatever a table calls it.
std::string audio_of(const Clip& clip) { return fs::weakly_canonical(clip.path).string() + segment_suffix(clip); }

// A label that is a class in another spelling is not left out as one that is no class.
void check_classes(const Clips& clips, const std::vector<std::string>& classes) {
  std::map<std::string, std::string> spellings;
  for (const std::string& name : classes) spellings.emplace(folded_name(name), name);
  for (const Clip& clip : clips.clips) {
    const auto meant = spellings.find(folded_name(clip.label));
    if (meant != spellings.end() && std::ranges::find(classes, clip.label) == classes.end())
      fail("{}: the label '{}' is the run's class '{}' in another spelling: write it so in the table, or map it with "
           "--labels", clip.id, shown(clip.label), meant->second);
  }
}

}  // namespace

CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description) {
  return command.add_option("--corpus", tables, description)->allow_extra_args(false)->default_str("");
}

std::string scheme_error(const std::string& scheme) {
  try {
    check_scheme(scheme);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

Clips clips_of_classes(const std::vector<std::string>& corpora, const std::string& labels,
                       const std::vector<std::string>& classes) {
  Clips clips = read_corpora(corpora, label_map_of(labels.empty() ? "*" : labels));
  check_classes(clips, classes);
  std::map<std::string, int64_t> other;
  std::erase_if(clips.clips, [&](const Clip& clip) {
    if (std::find(classes.begin(), classes.end(), clip.label) != classes.end()) return false;
    ++other[clip.label];
    return true;
  });
  for (const auto& [label, count] : other)
    log_line(fmt::format("left out: {} clips labelled {}, which is no class of the run", count, label));
  if (clips.clips.empty())
    fail("{}: no clip has a label among {}: map them with --labels", fmt::join(corpora, ", "), fmt::join(classes, " "));
  if (const std::string missing = check_files(clips); !missing.empty()) fail("{}", missing);
  return clips;
}

Path run_of(const Path& folder) {
  if (fs::exists(folder / "folds.csv")) return folder;
  const Path above = fs::absolute(folder).lexically_normal().parent_path();
  return is_model_folder(folder) && fs::exists(above / "folds.csv") ? above : folder;
}

int64_t clips_trained_on(const Path& run, const Clips& clips) {
  const Path config = run / "config.toml";
  if (!fs::exists(config)) return 0;
  std::set<std::string> trained;
  for (const std::string& table : config_texts(config, "corpus")) {
    if (!fs::exists(table)) {
      log_line(fmt::format("{}, on which {} was trained, is gone: nobody can tell whether these clips are of it", table,
                           run.string()));
      continue;
    }
    for (const Clip& clip : read_clips(table).clips) trained.insert(audio_of(clip));
  }
  return std::count_if(clips.clips.begin(), clips.clips.end(),
                       [&](const Clip& clip) { return trained.contains(audio_of(clip)); });
}

}  // namespace loralens
