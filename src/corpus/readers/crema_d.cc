// SPDX-License-Identifier: Apache-2.0
// CREMA-D: Cao, Cooper, Keutmann, Gur, Nenkova and Verma, CREMA-D: crowd-sourced emotional multimodal actors dataset,
// IEEE Transactions on Affective Computing 5(4), 2014. File name: actor, sentence, acted emotion, intensity:
// 1001_DFA_ANG_XX. The emotions that raters perceived are in processedResults/summaryTable.csv.
#include <algorithm>
#include <map>

#include "audio/decode.h"
#include "base/error.h"
#include "base/formats/text_in_place.h"
#include "base/pattern.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

using Words = std::map<std::string, std::string>;

const Words emotions = {{"ANG", "anger"},     {"DIS", "disgust"}, {"FEA", "fear"},
                        {"HAP", "happiness"}, {"NEU", "neutral"}, {"SAD", "sadness"}};
const Words votes = {{"A", "anger"},     {"D", "disgust"}, {"F", "fear"},
                     {"H", "happiness"}, {"N", "neutral"}, {"S", "sadness"}};
const Words intensities = {{"LO", "low"}, {"MD", "medium"}, {"HI", "high"}, {"XX", ""}, {"X", ""}};
const Words sentences = {{"DFA", "Don't forget a jacket."},         {"IEO", "It's eleven o'clock."},
                         {"IOM", "I'm on my way to the meeting."},  {"ITH", "I think I have a doctor's appointment."},
                         {"ITS", "I think I've seen this before."}, {"IWL", "I would like a new alarm clock."},
                         {"IWW", "I wonder what this is about."},   {"MTI", "Maybe tomorrow it will be cold."},
                         {"TAI", "The airplane is almost full."},   {"TIE", "That is exactly what happened."},
                         {"TSI", "The surface is slick."},          {"WSI", "We'll stop in a couple of minutes."}};

// Columns of summaryTable.csv, and their names in the table of clips.
constexpr std::pair<const char*, const char*> vote_columns[] = {
    {"VoiceVote", "voice_vote"}, {"FaceVote", "face_vote"}, {"MultiModalVote", "multimodal_vote"}};

const std::string& word(const Words& words, const std::string& code, const Path& path) {
  const auto found = words.find(code);
  if (found == words.end()) fail("{}: the name holds the unknown code '{}'", path.string(), code);
  return found->second;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The rows of a table by the value of its column `key`; each row has only the requested columns, in that order.
using Rows = std::map<std::string, std::vector<std::string>>;

Rows rows_of(const Path& file, const char* key, const std::vector<const char*>& columns) {
  Rows rows;
  const Table table = read_csv(file);
  const auto column = [&](const char* name) -> size_t {
    if (table.column(name) < 0) fail("{}: there is no column '{}': use CREMA-D's own file", file.string(), name);
    return table.column(name);
  };
  for (const auto& row : table.rows) {
    auto& cells = rows[row[column(key)]];
    cells.clear();
    for (const char* name : columns) cells.push_back(row[column(name)]);
  }
  return rows;
}

// Spells out a vote: "N" -> "neutral"; a tie "N:S" -> "neutral:sadness".
std::string spelled_out(const std::string& vote, const Path& file) {
  std::string text;
  for (const char letter : vote)
    if (letter != ':') text += (text.empty() ? "" : ":") + word(votes, std::string(1, letter), file);
  return text;
}

void add_demographics(const Path& file, RawCorpus& corpus) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(file, code)) {
    corpus.notes.push_back(fmt::format("{} is not there: gender is unknown", file.filename().string()));
    return;
  }
  const auto actors = rows_of(file, "ActorID", {"Sex", "Age", "Race", "Ethnicity"});
  corpus.clips.extra_columns = {"age", "race", "ethnicity"};
  for (auto& clip : corpus.clips.clips) {
    const auto found = actors.find(clip.speaker);
    if (found == actors.end()) fail("{}: there is no actor {}", file.string(), clip.speaker);
    clip.gender = lower(found->second[0]);
    clip.extra = {found->second.begin() + 1, found->second.end()};
  }
}

// Adds the three votes as columns, spelled out; empty for clips that were not rated.
void add_votes(const Path& file, RawCorpus& corpus) {
  const auto rated = rows_of(file, "FileName", {vote_columns[0].first, vote_columns[1].first, vote_columns[2].first});
  for (const auto& [theirs, ours] : vote_columns) corpus.clips.extra_columns.emplace_back(ours);
  for (auto& clip : corpus.clips.clips) {
    const auto found = rated.find(clip.path.stem().string());
    for (size_t i = 0; i < std::size(vote_columns); ++i)
      clip.extra.push_back(found == rated.end() ? "" : spelled_out(found->second[i], file));
  }
}

// Takes the vote as label; leaves out clips whose vote has no single winner.
void label_by_vote(const std::string& perceived, RawCorpus& corpus) {
  const auto chosen = column_values(corpus.clips, perceived + "_vote");
  std::vector<Clip> kept;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i].empty() || chosen[i].find(':') != std::string::npos) continue;
    kept.push_back(std::move(corpus.clips.clips[i]));
    kept.back().label = chosen[i];
  }
  if (kept.size() < chosen.size())
    corpus.notes.push_back(fmt::format("left out {} clips for which the {} vote has no single winner",
                                       chosen.size() - kept.size(), perceived));
  corpus.clips.clips = std::move(kept);
}

std::string complaint_about_perceived(const std::string& value) {
  for (const char* known : {"voice", "face", "multimodal"})
    if (value == known) return "";
  return fmt::format("'{}' is none of voice, face, multimodal", value);
}

class CremaDReader : public Reader {
 public:
  std::string name() const override { return "crema-d"; }
  std::string description() const override { return "CREMA-D, English: the folder with AudioWAV/1001_DFA_ANG_XX.wav"; }

  std::vector<ReaderOption> options() const override {
    return {{"--perceived",
             "label by what raters perceived (voice, face or multimodal; ties are left out) instead of what was acted",
             &ReaderOptions::perceived, complaint_about_perceived}};
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    RawCorpus corpus;
    corpus.clips.folder = root;
    const Path audio = folder_with(root, "AudioWAV");
    add_clips(root, audio, corpus);
    if (corpus.clips.clips.empty())
      fail("{} holds no CREMA-D: give the folder with AudioWAV/1001_DFA_ANG_XX.wav{}", root.string(), instead_of(root));
    const Path above = audio.parent_path();
    add_demographics(above / "VideoDemographics.csv", corpus);
    const Path summary = above / "processedResults" / "summaryTable.csv";
    std::error_code code;
    if (std::filesystem::is_regular_file(summary, code))
      add_votes(summary, corpus);
    else if (!options.perceived.empty())
      fail("{} is not there: --perceived takes the raters' votes from it", summary.string());
    if (!options.perceived.empty()) label_by_vote(options.perceived, corpus);
    return corpus;
  }

  // Counted from the file names in the authors' repository.
  PublishedCounts published(const ReaderOptions& options) const override {
    if (!options.perceived.empty()) return {};
    PublishedCounts counts;
    for (const auto& [code, emotion] : emotions) counts.labels[emotion] = 1271;
    counts.labels["neutral"] = 1087;
    for (int actor = 1001; actor <= 1091; ++actor) counts.speakers[std::to_string(actor)] = 82;
    counts.speakers["1002"] = counts.speakers["1076"] = 81;
    counts.speakers["1008"] = counts.speakers["1009"] = counts.speakers["1019"] = 76;
    return counts;
  }

 private:
  // What the folder holds instead of AudioWAV.
  static std::string instead_of(const Path& root) {
    if (folder_with(root, "AudioMP3") == root) return archives_in(root);
    return "; it holds AudioMP3, which is lossy: fetch AudioWAV, or give the folder AudioMP3 itself";
  }

  static void add_clips(const Path& root, const Path& audio, RawCorpus& corpus) {
    static const Pattern pattern("(1[0-9]{3})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})");
    int64_t strange = 0;
    for (const auto& path : files_in(audio)) {
      if (!is_audio(path)) continue;
      const std::string stem = path.stem().string();
      const auto parts = pattern.match(stem);
      if (!parts) {
        ++strange;
        continue;
      }
      refuse_pointer(path);
      Clip clip;
      clip.id = name_below(root, path);
      clip.path = path;
      clip.speaker = (*parts)[1];
      clip.text = word(sentences, (*parts)[2], path);
      clip.label = word(emotions, (*parts)[3], path);
      clip.intensity = word(intensities, (*parts)[4], path);
      clip.corpus = "crema-d";
      clip.language = "en";
      corpus.clips.clips.push_back(std::move(clip));
    }
    if (strange) corpus.notes.push_back(fmt::format("passed over {} audio files with other names", strange));
    tell_of_silent_clip(corpus);
  }

  // One clip of the corpus is known to be silent.
  static void tell_of_silent_clip(RawCorpus& corpus) {
    const auto known = [](const Clip& clip) { return clip.path.stem() == "1076_MTI_SAD_XX"; };
    const auto clip = std::ranges::find_if(corpus.clips.clips, known);
    if (clip == corpus.clips.clips.end()) return;
    std::string fault;
    error_of([&] { fault = soundless(load_audio(clip->path)); });  // an unreadable file is found by later commands
    if (!fault.empty())
      corpus.notes.push_back(fmt::format(
          "{} has no sound in the corpus itself: remove its row, unless you need the published number of clips",
          clip->id));
  }

  // The authors' repository keeps audio in Git LFS: a clone without LFS has small text files ("pointers") instead.
  static void refuse_pointer(const Path& path) {
    constexpr uintmax_t longest_pointer = 1024;
    if (std::filesystem::file_size(path) >= longest_pointer) return;
    if (const std::string text = text_in_place_of_data(read_file(path)); !text.empty())
      fail("{}: not audio but {}", path.string(), text);
  }
};

}  // namespace

const Reader& crema_d_reader() {
  static const CremaDReader reader;
  return reader;
}

}  // namespace loralens
