#include "cli/clips.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "corpus/labels.h"

namespace loralens {

Clips clips_of_classes(const std::string& corpus, const std::string& labels, const std::vector<std::string>& classes) {
  Clips clips = read_clips(corpus);
  if (!labels.empty()) apply_labels(clips, label_map_of(labels));
  std::map<std::string, int64_t> other;
  std::erase_if(clips.clips, [&](const Clip& clip) {
    if (std::find(classes.begin(), classes.end(), clip.label) != classes.end()) return false;
    ++other[clip.label];
    return true;
  });
  for (const auto& [label, count] : other)
    log_line(fmt::format("left out: {} clips labelled {}, which is no class of the run", count, label));
  if (clips.clips.empty())
    fail("{}: no clip has a label among {}: map them with --labels", corpus, fmt::join(classes, " "));
  if (const std::string missing = check_files(clips); !missing.empty()) fail("{}", missing);
  return clips;
}

}  // namespace loralens
