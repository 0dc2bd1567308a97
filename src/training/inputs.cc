// SPDX-License-Identifier: Apache-2.0
#include "training/inputs.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

using nlohmann::json;

struct Field {
  const char* name;
  std::string TrainedClip::* value;
};
// The text columns of recordings.csv; the column fingerprint follows them.
constexpr Field fields[] = {{"id", &TrainedClip::id},           {"label", &TrainedClip::label},
                            {"speaker", &TrainedClip::speaker}, {"corpus", &TrainedClip::corpus},
                            {"gender", &TrainedClip::gender},   {"intensity", &TrainedClip::intensity},
                            {"text", &TrainedClip::text},       {"sha256", &TrainedClip::sha256}};

std::string hexadecimal(const Fingerprint& words) {
  std::string text;
  text.reserve(8 * words.size());
  for (const uint32_t word : words) fmt::format_to(std::back_inserter(text), "{:08x}", word);
  return text;
}

Fingerprint words_of(const std::string& text, const std::string& where) {
  Fingerprint words(text.size() / 8);
  for (size_t i = 0; i < words.size(); ++i) {
    const char *begin = text.data() + 8 * i, *end = begin + 8;
    if (std::from_chars(begin, end, words[i], 16).ptr != end) fail("{}: not a fingerprint", where);
  }
  if (text.size() % 8 != 0) fail("{}: not a fingerprint", where);
  return words;
}

std::string sha256_of(std::string_view bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

// The text of inputs.json. Text that is not UTF-8, such as a path, gets replacement characters.
std::string text_of(const TrainingInputs& inputs, const std::string& recordings) {
  json value = {{"version", inputs.version},     {"flags", inputs.flags},
                {"sources", inputs.sources},     {"base_sha256", inputs.base_sha256},
                {"precision", inputs.precision}, {"classes", inputs.classes},
                {"folds", inputs.folds},         {"recordings_sha256", sha256_of(recordings)}};
  if (!inputs.soft_labels_sha256.empty()) value["soft_labels_sha256"] = inputs.soft_labels_sha256;
  if (inputs.start) value["from"] = {{"clips", inputs.start->clips.size()}, {"complete", inputs.start->complete}};
  return value.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

TrainingInputs parsed(const json& value) {
  using Texts = std::map<std::string, std::string>;
  return {.version = value.at("version").get<std::string>(),
          .flags = value.at("flags").get<Texts>(),
          .sources = value.at("sources").get<Texts>(),
          .base_sha256 = value.at("base_sha256").get<std::string>(),
          .precision = value.at("precision").get<std::string>(),
          .classes = value.at("classes").get<std::vector<std::string>>(),
          .folds = value.at("folds").get<std::vector<std::string>>(),
          .soft_labels_sha256 = value.value("soft_labels_sha256", "")};
}

// " (--labels was 'four', is 'seven')"; "" if the flag's value is the same.
std::string source_change(const TrainingInputs& before, const TrainingInputs& now, const std::string& flag) {
  const auto value = [&](const TrainingInputs& inputs) {
    const auto found = inputs.sources.find(flag);
    return found == inputs.sources.end() ? std::string() : found->second;
  };
  const std::string was = value(before), is = value(now);
  return was == is ? "" : fmt::format(" (--{} was '{}', is '{}')", flag, was, is);
}

std::string flag_difference(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  for (const std::string& name : names) {
    const auto was = before.find(name), is = now.find(name);
    if (was == before.end()) return fmt::format("--{} was not set, is '{}'", name, is->second);
    if (is == now.end()) return fmt::format("--{} was '{}', is not set", name, was->second);
    if (was->second != is->second) return fmt::format("--{} was '{}', is '{}'", name, was->second, is->second);
  }
  return "";
}

std::string clip_difference(const TrainingInputs& before, const TrainingInputs& now) {
  std::set<std::string> was, is;
  for (const TrainedClip& clip : before.clips) was.insert(clip.id);
  for (const TrainedClip& clip : now.clips) is.insert(clip.id);
  const std::string source = source_change(before, now, "corpus") + source_change(before, now, "labels");
  for (const TrainedClip& clip : before.clips)
    if (!is.contains(clip.id)) return fmt::format("the clip {} is missing{}", clip.id, source);
  for (const TrainedClip& clip : now.clips)
    if (!was.contains(clip.id)) return fmt::format("the clip {} is new{}", clip.id, source);
  for (size_t i = 0; i < before.clips.size(); ++i) {
    const TrainedClip &a = before.clips[i], &b = now.clips[i];
    if (a.id != b.id)
      return fmt::format("the clips are in another order: clip {} was {}, is {}{}", i + 1, a.id, b.id, source);
    for (const auto& [name, value] : fields) {
      if (a.*value == b.*value) continue;
      if (value == &TrainedClip::sha256) {
        if (!b.sha256.empty()) return fmt::format("the audio of the clip {} has changed", a.id);
      } else {
        return fmt::format("the {} of the clip {} was '{}', is '{}'{}", name, a.id, a.*value, b.*value, source);
      }
    }
  }
  return "";
}

std::string_view part_named(char letter) {
  return letter == 't' ? "train" : letter == 'd' ? "development" : letter == 'e' ? "test" : "unused";
}

std::string fold_difference(const TrainingInputs& before, const TrainingInputs& now) {
  const std::string source = source_change(before, now, "folds");
  if (before.folds.size() != now.folds.size())
    return fmt::format("there were {} folds, there are {}{}", before.folds.size(), now.folds.size(), source);
  for (size_t f = 0; f < before.folds.size(); ++f)
    for (size_t i = 0; i < now.clips.size(); ++i)
      if (const char was = before.folds[f][i], is = now.folds[f][i]; was != is)
        return fmt::format("the folds differ: the clip {} was in fold {} in the part {}, is in {}{}", now.clips[i].id,
                           f, part_named(was), part_named(is), source);
  return "";
}

}  // namespace

std::string format_recordings(const Clips& clips, const std::vector<Recording>& recordings) {
  std::vector<TrainedClip> trained;
  for (size_t i = 0; i < clips.clips.size(); ++i) {
    const Clip& c = clips.clips[i];
    trained.push_back({c.id, c.label, c.speaker, c.corpus, c.gender, c.intensity, c.text, recordings.at(i).digest,
                       recordings.at(i).fingerprint});
  }
  return format_recordings(trained);
}

std::string format_recordings(const std::vector<TrainedClip>& clips) {
  std::vector<std::string> header;
  for (const auto& [name, value] : fields) header.emplace_back(name);
  header.emplace_back("fingerprint");
  std::string text = format_csv_row(header);
  for (const TrainedClip& clip : clips) {
    std::vector<std::string> cells;
    for (const auto& [name, value] : fields) cells.push_back(clip.*value);
    cells.push_back(hexadecimal(clip.fingerprint));
    text += format_csv_row(cells);
  }
  return text;
}

std::vector<TrainedClip> read_recordings(const Path& csv) {
  const Table table = read_csv(csv);
  const auto place = [&](const char* column) -> size_t {
    const int found = table.column(column);
    if (found < 0)
      fail("{}: not the table of recordings that training writes: the column '{}' is missing", csv.string(), column);
    return found;
  };
  std::vector<size_t> places;
  for (const auto& [name, value] : fields) places.push_back(place(name));
  const size_t fingerprint = place("fingerprint");
  std::vector<TrainedClip> clips;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    TrainedClip& clip = clips.emplace_back();
    for (size_t f = 0; f < std::size(fields); ++f) clip.*fields[f].value = table.rows[i][places[f]];
    const std::string where = fmt::format("{}, row {}", csv.string(), i + 2);
    if (clip.sha256.size() != 64 || clip.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
      fail("{}, column sha256: '{}' is not a SHA-256", where, clip.sha256);
    clip.fingerprint = words_of(table.rows[i][fingerprint], where + ", column fingerprint");
  }
  return clips;
}

std::string digest_of(const TrainingInputs& inputs) {
  TrainingInputs contents = inputs;
  contents.sources.clear();
  std::string clips;
  for (const TrainedClip& clip : inputs.clips)
    for (const auto& [name, value] : fields) clips += clip.*value + '\0';
  return sha256_of(text_of(contents, clips));
}

std::vector<std::string> fold_letters(const std::vector<Fold>& folds, size_t clips) {
  std::vector<std::string> letters;
  for (const Fold& fold : folds) {
    std::string& text = letters.emplace_back(clips, 'u');
    for (const auto& [letter, part] :
         {std::pair{'t', &fold.train}, std::pair{'d', &fold.development}, std::pair{'e', &fold.test}})
      for (const int64_t clip : *part) text[clip] = letter;
  }
  return letters;
}

void write_inputs(const Path& folder, const TrainingInputs& inputs, const std::string& recordings) {
  write_file(folder / "recordings.csv", recordings);
  if (inputs.start) write_file(folder / "from.csv", format_recordings(inputs.start->clips));
  write_file(folder / "inputs.json", text_of(inputs, recordings));
}

TrainingInputs read_inputs(const Path& folder, const std::string& run) {
  const Path file = folder / "inputs.json", table = folder / "recordings.csv";
  const auto refuse = [&](const std::string& why) {
    fail(
        "{}: {}, so it is unknown whether a resumed training would have the same clips, folds and flags: start it "
        "again with --force",
        run, why);
  };
  for (const Path& path : {file, table})
    if (!std::filesystem::exists(path))
      refuse(fmt::format("{} is missing (an older version did not write it)", path.string()));
  json value;
  try {
    value = read_json_object(file);
  } catch (const Error&) {
    refuse(fmt::format("{} is damaged", file.string()));
  }
  TrainingInputs inputs;
  try {
    inputs = parsed(value);
    if (value.at("recordings_sha256").get<std::string>() != sha256_of(read_file(table)))
      refuse(fmt::format("{} was changed or cut", table.string()));
  } catch (const json::exception&) {
    refuse(fmt::format("{} is damaged", file.string()));
  }
  inputs.clips = read_recordings(table);
  for (const std::string& letters : inputs.folds)
    if (letters.size() != inputs.clips.size()) refuse(fmt::format("{} is damaged", file.string()));
  return inputs;
}

std::optional<StartRecord> read_start(const Path& folder) {
  const Path file = folder / "inputs.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const json value = read_json_object(file);
  const JsonObject inputs(value, file.string());
  if (!inputs.has("from")) return std::nullopt;
  const JsonObject recorded(inputs.at("from"), file.string() + ": \"from\"");
  StartRecord start{.clips = read_recordings(folder / "from.csv"), .complete = recorded.truth("complete", false)};
  if (const auto count = recorded.whole("clips", {0, int64_t{1} << 40}); std::ssize(start.clips) != count)
    fail("{} has {} clips, inputs.json says {}: copy the whole run", (folder / "from.csv").string(), start.clips.size(),
         count);
  return start;
}

std::string difference_of(const TrainingInputs& before, const TrainingInputs& changed) {
  TrainingInputs now = parsed(parse_json(text_of(changed, ""), "inputs"));
  now.clips = changed.clips;
  if (before.version != now.version)
    return fmt::format("it was started with loralens {}, this is {}", before.version, now.version);
  if (const std::string flag = flag_difference(before.flags, now.flags); !flag.empty()) return flag;
  if (before.base_sha256 != now.base_sha256)
    return "the base model's weights differ" + source_change(before, now, "model");
  if (before.precision != now.precision)
    return fmt::format("the precision was {0}, is {1} (to keep it, set precision = \"{0}\" in config.toml)",
                       before.precision, now.precision);
  if (const std::string clip = clip_difference(before, now); !clip.empty()) return clip;
  if (before.soft_labels_sha256 != now.soft_labels_sha256) return "the votes of --soft-labels differ";
  if (before.classes != now.classes)
    return fmt::format("the classes were {}, are {}", fmt::join(before.classes, " "), fmt::join(now.classes, " "));
  return fold_difference(before, now);
}

std::vector<int64_t> trained_among(std::span<const TrainedClip> trained, const std::vector<Recording>& recordings) {
  std::set<std::string_view> digests;
  std::vector<Recording> all;
  for (const TrainedClip& clip : trained) {
    digests.insert(clip.sha256);
    all.push_back({.digest = clip.sha256, .fingerprint = clip.fingerprint});
  }
  all.insert(all.end(), recordings.begin(), recordings.end());
  const auto count = std::ssize(trained);
  std::set<int64_t> found;
  for (size_t i = 0; i < recordings.size(); ++i)
    if (digests.contains(recordings[i].digest)) found.insert(static_cast<int64_t>(i));
  for (const NearPair& pair : near_pairs(all))
    if (pair.first < count && pair.second >= count) found.insert(pair.second - count);
  return {found.begin(), found.end()};
}

}  // namespace loralens
