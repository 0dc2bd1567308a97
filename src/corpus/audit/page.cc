// SPDX-License-Identifier: Apache-2.0
// Formats an audit as a page of text for the terminal.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/progress.h"
#include "corpus/audit/audit.h"
#include "corpus/audit/findings.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr size_t most_folds = 20, most_remarks = 12;  // most lines of each

int64_t number(const json& value) { return value.get<int64_t>(); }

std::string table_text(const json& clips) {
  std::string text = fmt::format("{} clips of {} files", number(clips["clips"]), number(clips["files"]));
  text += fmt::format(", {} speakers, {} sentences", number(clips["speakers"]), number(clips["texts"]));
  if (clips.contains("seconds")) text += fmt::format(", {} of audio", duration_text(clips["seconds"].get<double>()));
  text += "\nclasses:";
  for (const auto& [name, of_class] : clips["classes"].items())
    text += fmt::format(" {} {}", name, number(of_class["clips"]));
  return text + "\n";
}

// "12-15": the numbers of clips of the rarest and of the most frequent class.
std::string range_of_classes(const json& part) {
  int64_t least = std::numeric_limits<int64_t>::max(), most = 0;
  for (const auto& [name, of_class] : part["classes"].items()) {
    least = std::min(least, number(of_class["clips"]));
    most = std::max(most, number(of_class["clips"]));
  }
  return fmt::format("{}-{}", least, most);
}

// One line per fold, with clips, speakers, clips of the rarest and the most frequent class, and length of each part.
std::string folds_text(const json& folds) {
  if (folds.empty()) return "";
  std::string text = fmt::format("\n{:<6}", "fold");
  for (const char* part : part_names) text += fmt::format("{:<37}", part);
  text += fmt::format("unused\n{:<6}", "");
  for (size_t part = 0; part < part_names.size(); ++part)
    text += fmt::format("{:<7}{:<9}{:<11}{:<10}", "clips", "speakers", "a class", "length");
  text += '\n';
  for (size_t f = 0; f < std::min(folds.size(), most_folds); ++f) {
    text += fmt::format("{:<6}", f);
    for (const char* name : part_names) {
      const json& part = folds[f]["parts"][name];
      text +=
          fmt::format("{:<7}{:<9}{:<11}{:<10}", number(part["clips"]), number(part["speakers"]), range_of_classes(part),
                      part.contains("seconds") ? duration_text(part["seconds"].get<double>()) : "-");
    }
    text += fmt::format("{}\n", number(folds[f]["unused"]));
  }
  if (folds.size() > most_folds) text += fmt::format("and {} more folds\n", folds.size() - most_folds);
  return text;
}

std::string audio_text(const json& audio) {
  const int64_t examined = number(audio["examined"]), unreadable = std::ssize(audio["unreadable"]);
  std::string text = fmt::format("\naudio: {} of {} clips read", examined - unreadable, examined);
  if (!audio["seconds"].is_null())
    text += fmt::format(", {:.1f} to {:.1f} s, median {:.1f} s", audio["seconds"]["shortest"].get<double>(),
                        audio["seconds"]["longest"].get<double>(), audio["seconds"]["median"].get<double>());
  for (const auto& [rate, count] : audio["rates"].items()) text += fmt::format("; {} at {} Hz", number(count), rate);
  for (const auto& [channels, count] : audio["channels"].items())
    if (channels != "1") text += fmt::format("; {} of {} channels", number(count), channels);
  return text + "\n";
}

std::string findings_text(const json& findings, const char* severity, const char* title, size_t most) {
  std::string text;
  size_t count = 0;
  for (const auto& finding : findings) {
    if (finding["severity"] != severity) continue;
    if (++count <= most) text += fmt::format("  - {}\n", finding["message"].get<std::string>());
  }
  if (count == 0) return "";
  if (count > most) text += fmt::format("  - and {} more\n", count - most);
  return fmt::format("\n{}:\n{}", title, text);
}

}  // namespace

std::string describe_audit(const json& audit) {
  std::string text = table_text(audit["clips"]) + folds_text(audit["folds"]);
  if (audit.contains("audio")) text += audio_text(audit["audio"]);
  const json& findings = audit["findings"];
  const auto errors = findings_text(findings, "error", "errors, which train refuses", findings.size());
  text += errors.empty() ? "\nno errors\n" : errors;
  return text + findings_text(findings, "remark", "remarks", most_remarks);
}

}  // namespace loralens
