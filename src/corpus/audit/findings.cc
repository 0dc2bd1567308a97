// SPDX-License-Identifier: Apache-2.0
#include "corpus/audit/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace loralens {

using nlohmann::json;

namespace {

void add(json& findings, const char* severity, const std::string& kind, const std::string& message) {
  findings.push_back({{"severity", severity}, {"kind", kind}, {"message", message}});
}

// An example as text: "a and b" for a pair of clips; a single value unchanged.
std::string words_of(const json& example) {
  return example.is_array() ? fmt::format("{}", fmt::join(example.get<std::vector<std::string>>(), " and "))
                            : example.get<std::string>();
}

// Adds a finding for one kind of overlap: in how many folds it occurs and between which parts, with the first example.
// what: the subject and verb of its sentence, such as "speakers are".
void add_overlaps(json& findings, const json& folds, const char* kind, const char* severity, const char* what) {
  int64_t in_folds = 0;
  std::vector<std::string> sides;
  std::string first;
  for (const auto& fold : folds) {
    const json shared = fold["shared"].value(kind, json::object());
    in_folds += !shared.empty();
    for (const auto& [name, entry] : shared.items()) {
      if (std::find(sides.begin(), sides.end(), name) == sides.end()) sides.push_back(name);
      if (first.empty())
        first = fmt::format("in fold {} {} of {}, such as {}", fold["fold"].get<int64_t>(),
                            entry["count"].get<int64_t>(), name, words_of(entry["examples"][0]));
    }
  }
  if (in_folds > 0)
    add(findings, severity, kind,
        fmt::format("{} in two parts of {} of {} folds ({}): {}", what, in_folds, folds.size(), fmt::join(sides, ", "),
                    first));
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
            fmt::format("fold {}: the {} part has no clip of {}", fold["fold"].get<int64_t>(), part,
                        fmt::join(missing, ", ")));
    }
}

// Adds a finding for a list in the section audio, if it is not empty. what: its sentence, such as
// "clip{} cannot be read", where {} stands for the plural s.
void add_list(json& findings, const json& audio, const char* kind, const char* severity, const char* what) {
  const json& list = audio[kind];
  if (list.empty()) return;
  const json& first = list[0];
  const json clips = first.is_array() ? first : first.contains("clips") ? first["clips"] : json::array({first["id"]});
  std::string example = words_of(first.contains("error") ? first["error"] : clips);
  if (first.contains("reason")) example += ": " + first["reason"].get<std::string>();
  add(findings, severity, kind,
      fmt::format("{} {} ({}{})", list.size(), fmt::format(fmt::runtime(what), list.size() == 1 ? "" : "s"), example,
                  list.size() > 1 ? ", ..." : ""));
}

}  // namespace

std::string pair_name(const std::array<int, 2>& pair) {
  return fmt::format("{}-{}", part_names[pair[0]], part_names[pair[1]]);
}

json findings_of(const json& audit) {
  json findings = json::array();
  const json& folds = audit["folds"];
  if (const auto unknown = audit["clips"]["unknown_speakers"].get<int64_t>(); unknown > 0)
    add(findings, "error", "unknown_speakers",
        fmt::format("{} no speaker, so a speaker may be both in training and in test without being found",
                    unknown == 1 ? "1 clip names" : fmt::format("{} clips name", unknown)));
  for (const json& pair : audit["clips"]["spellings"]) add(findings, "error", "spellings", pair.get<std::string>());
  add_overlaps(findings, folds, "speakers", "error", "speakers are");
  add_overlaps(findings, folds, "identical_audio", "error", "identical clips are");
  add_overlaps(findings, folds, "near_identical_audio", "error", "clips that are one recording, changed a little, are");
  add_overlaps(findings, folds, "overlapping_segments", "error", "overlapping segments of a file are");
  if (audit.contains("audio")) add_list(findings, audit["audio"], "unreadable", "error", "clip{} cannot be read");
  add_overlaps(findings, folds, "texts", "remark", "sentences are");
  add_overlaps(findings, folds, "files", "remark", "segments of one file are");
  add_missing_classes(findings, folds);
  if (!audit.contains("audio")) return findings;
  const json& audio = audit["audio"];
  add_list(findings, audio, "identical", "remark", "group{} of identical clips");
  add_list(findings, audio, "near_identical", "remark", "pair{} of clips that are one recording, changed a little");
  add_list(findings, audio, "label_conflicts", "remark", "recording{} under several labels");
  add_list(findings, audio, "clipped", "remark", "clip{} with more than 0.1 % of their values cut off at full scale");
  add_list(findings, audio, "silent", "remark", "clip{} with more than 80 % below -60 dB");
  add_list(findings, audio, "soundless", "remark", "clip{} without sound");
  add_list(findings, audio, "offset", "remark", "clip{} with a mean beyond 1 % of full scale");
  add_list(findings, audio, "long", "remark", "clip{} over 30 s, heard in several windows");
  if (audio["rates"].size() > 1)
    add(findings, "remark", "rates", "several sample rates: a model may recognise a class or speaker by its rate");
  return findings;
}

}  // namespace loralens
