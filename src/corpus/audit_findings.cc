#include "corpus/audit_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace loralens {

using nlohmann::json;

namespace {

void add(json& findings, const char* severity, const std::string& kind, const std::string& message) {
  findings.push_back({{"severity", severity}, {"kind", kind}, {"message", message}});
}

// In how many folds a kind of overlap occurs between which parts, with the first example.
void add_overlaps(json& findings, const json& folds, const char* kind, const char* severity, const char* what) {
  for (const auto& pair : part_pairs) {
    const auto name = pair_name(pair);
    int64_t in_folds = 0, most = 0;
    std::string where;
    for (const auto& fold : folds) {
      const json& shared = fold["shared"].value(kind, json::object());
      if (!shared.contains(name)) continue;
      ++in_folds;
      most = std::max(most, shared[name]["count"].get<int64_t>());
      if (where.empty()) {
        const json& example = shared[name]["examples"][0];
        where = fmt::format("fold {}: {}", fold["fold"].get<int64_t>(),
                            example.is_array() ? example[0].get<std::string>() + " and " + example[1].get<std::string>()
                                               : example.get<std::string>());
      }
    }
    if (in_folds > 0)
      add(findings, severity, kind, fmt::format("{} in {} of {} of {} folds, up to {} ({})", what, name, in_folds, folds.size(), most, where));
  }
}

void add_missing_classes(json& findings, const json& folds) {
  for (const auto& fold : folds)
    for (const char* part : part_names) {
      std::vector<std::string> missing;
      const json& summary = fold["parts"][part];
      for (const auto& [name, of_class] : summary["classes"].items())
        if (of_class["clips"] == 0) missing.push_back(name);
      if (summary["clips"] > 0 && !missing.empty())
        add(findings, "remark", "missing_class",
            fmt::format("fold {}: the {} part has no clip of {}", fold["fold"].get<int64_t>(), part, fmt::join(missing, ", ")));
    }
}

// A list of the audio's section, if it has entries.
void add_list(json& findings, const json& audio, const char* kind, const char* severity, const char* what) {
  const json& list = audio[kind];
  if (list.empty()) return;
  const json& first = list[0];
  const json clips = first.is_array() ? first : first.contains("clips") ? first["clips"] : json{first["id"]};
  std::string example = first.contains("error") ? first["error"].get<std::string>()
                                                : fmt::format("{}", fmt::join(clips.get<std::vector<std::string>>(), " and "));
  add(findings, severity, kind, fmt::format("{} {} ({}{})", list.size(), what, example, list.size() > 1 ? ", ..." : ""));
}

}  // namespace

std::string pair_name(const std::array<int, 2>& pair) {
  return fmt::format("{}-{}", part_names[static_cast<size_t>(pair[0])], part_names[static_cast<size_t>(pair[1])]);
}

json findings_of(const json& audit) {
  json findings = json::array();
  const json& folds = audit["folds"];
  if (const auto unknown = audit["clips"]["unknown_speakers"].get<int64_t>(); unknown > 0)
    add(findings, "error", "unknown_speakers",
        fmt::format("{} clips name no speaker, so nobody can tell whether it is in training and test", unknown));
  add_overlaps(findings, folds, "speakers", "error", "speakers");
  add_overlaps(findings, folds, "identical_audio", "error", "pairs of identical clips");
  add_overlaps(findings, folds, "near_identical_audio", "error", "pairs of the same recording, changed a little,");
  add_overlaps(findings, folds, "overlapping_segments", "error", "pairs of overlapping segments");
  if (audit.contains("audio")) add_list(findings, audit["audio"], "unreadable", "error", "clips cannot be read");
  add_overlaps(findings, folds, "texts", "remark", "sentences");
  add_overlaps(findings, folds, "files", "remark", "files");
  add_missing_classes(findings, folds);
  if (!audit.contains("audio")) return findings;
  const json& audio = audit["audio"];
  add_list(findings, audio, "identical", "remark", "groups of identical clips");
  add_list(findings, audio, "near_identical", "remark", "pairs of the same recording, changed a little");
  add_list(findings, audio, "label_conflicts", "remark", "times the same recording under several labels");
  add_list(findings, audio, "clipped", "remark", "clips with more than 0.1 % of their values cut off at full scale");
  add_list(findings, audio, "silent", "remark", "clips with more than 80 % below -60 dB");
  add_list(findings, audio, "offset", "remark", "clips with a mean beyond 1 % of full scale");
  add_list(findings, audio, "long", "remark", "clips over 30 s, which are heard in several windows");
  if (audio["rates"].size() > 1)
    add(findings, "remark", "rates", "several sample rates: a class or speaker of one rate can be told by it");
  return findings;
}

}  // namespace loralens
