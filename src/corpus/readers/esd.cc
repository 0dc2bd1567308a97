// SPDX-License-Identifier: Apache-2.0
// ESD: Zhou, Sisman, Liu and Li, Emotional voice conversion: theory, databases and ESD, Speech Communication 137, 2022.
// <speaker>/<Emotion>/[train|evaluation|test/]<speaker>_000351.wav, transcripts in <speaker>/<speaker>.txt. Transcripts
// have different encodings, labels in English or Chinese, and some lines lack one of the three fields.
#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/pattern.h"
#include "corpus/readers/encoding.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

// Words for the labels in folder names and transcripts.
const std::map<std::string, std::string> emotions = {
    {"Angry", "angry"}, {"Happy", "happy"}, {"Neutral", "neutral"}, {"Sad", "sad"},  {"Surprise", "surprise"},
    {"生气", "angry"},  {"快乐", "happy"},  {"中立", "neutral"},    {"伤心", "sad"}, {"惊喜", "surprise"}};
const std::set<std::string> partitions = {"train", "evaluation", "test"};
// From the corpus's ReadMe.txt.
const std::set<std::string> male = {"0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020"};
constexpr int first_english = 11;  // speakers 1 to 10 speak Mandarin

bool is_english(const std::string& speaker) { return std::stoi(speaker) >= first_english; }

struct Line {
  std::string text, label;  // label: "" if the line has none
};

struct Transcripts {
  std::map<std::string, Line> lines;  // by the clip's name
  int64_t without_label = 0, strange = 0;
  std::string first_strange;  // file and line of the first line that does not begin with a clip's name
};

std::string trimmed(const std::string& text) {
  constexpr const char* blank = " \t\r";
  const auto first = text.find_first_not_of(blank);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// Reads a line "0011_000351<tab>text<tab>label"; some lines have blanks instead of tabs, some lack the label.
void add_line(const std::string& line, const std::string& where, Transcripts& transcripts) {
  constexpr size_t id_size = 11;
  static const Pattern id("[0-9]{4}_[0-9]{6}");
  if (line.empty()) return;
  const std::string name = line.substr(0, id_size);
  if (!id.match(name)) {
    if (++transcripts.strange == 1) transcripts.first_strange = where;
    return;
  }
  Line& entry = transcripts.lines[name];
  entry = {trimmed(line.substr(id_size)), ""};
  const auto blank = entry.text.find_last_of(" \t");
  const auto label = emotions.find(blank == std::string::npos ? entry.text : entry.text.substr(blank + 1));
  if (label == emotions.end()) {
    ++transcripts.without_label;
    return;
  }
  entry = {blank == std::string::npos ? "" : trimmed(entry.text.substr(0, blank)), label->second};
}

void add_transcripts(const Path& file, Transcripts& transcripts) {
  const char* otherwise = is_english(file.stem().string()) ? "WINDOWS-1252" : "GB18030";
  std::istringstream lines(utf8_of(read_file(file), otherwise, file.string()));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);)
    add_line(trimmed(line), fmt::format("{}: line {}", file.string(), ++number), transcripts);
}

class EsdReader : public Reader {
 public:
  std::string name() const override { return "esd"; }
  std::string description() const override {
    return "ESD, Mandarin and English: the folder with 0001/Angry/ to 0020/Surprise/";
  }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    static const Pattern speaker("00[0-9]{2}"), clip_name("00[0-9]{2}_[0-9]{6}");
    RawCorpus corpus;
    corpus.clips.folder = root;
    Transcripts transcripts;
    std::vector<Path> audio;
    int64_t strange = 0;
    for (const auto& path : files_below(root)) {
      const std::string stem = path.stem().string();
      if (path.extension() == ".txt" && speaker.match(stem))
        add_transcripts(path, transcripts);
      else if (is_audio(path) && clip_name.match(stem))
        audio.push_back(path);
      else
        strange += is_audio(path);
    }
    if (audio.empty())
      fail("{} holds no ESD: give the folder with 0011/Angry/0011_000351.wav{}", root.string(), archives_in(root));
    if (strange) corpus.notes.push_back(fmt::format("passed over {} audio files with other names", strange));
    add_clips(root, audio, transcripts, corpus);
    return corpus;
  }

  // 20 speakers with 350 utterances for each of five emotions.
  PublishedCounts published(const ReaderOptions&) const override {
    PublishedCounts counts;
    for (const auto& [word, emotion] : emotions) counts.labels[emotion] = 7000;
    for (int speaker = 1; speaker <= 20; ++speaker) counts.speakers[fmt::format("{:04}", speaker)] = 1750;
    return counts;
  }

 private:
  static void add_clips(const Path& root, const std::vector<Path>& audio, const Transcripts& transcripts,
                        RawCorpus& corpus) {
    corpus.clips.extra_columns = {"partition"};
    int64_t without_text = 0, other_label = 0;
    std::set<std::string> seen;
    int64_t repeated = 0;
    Path first_repeated;
    for (const auto& path : audio) {
      const std::string stem = path.stem().string();
      if (!seen.insert(stem).second) {
        if (++repeated == 1) first_repeated = path;
        continue;
      }
      const auto line = transcripts.lines.find(stem);
      Clip clip = clip_of(root, path);
      if (line == transcripts.lines.end()) {
        ++without_text;
      } else {
        clip.text = line->second.text;
        other_label += !line->second.label.empty() && line->second.label != clip.label;
      }
      corpus.clips.clips.push_back(std::move(clip));
    }
    const auto note = [&](int64_t count, const std::string& text) {
      if (count) corpus.notes.push_back(fmt::format("{} {}", count, text));
    };
    if (repeated) corpus.notes.push_back(note_of_repeated(repeated, first_repeated));
    note(without_text, "clips have no transcript");
    note(other_label, "clips have another label in the transcripts; their folder's was taken");
    note(transcripts.without_label, "lines of the transcripts end with no label");
    note(transcripts.strange, "lines of the transcripts begin with no clip's name, first " + transcripts.first_strange);
  }

  static Clip clip_of(const Path& root, const Path& path) {
    Path folder = path.parent_path();
    std::string partition = folder.filename().string();
    if (partitions.contains(partition))
      folder = folder.parent_path();
    else
      partition = "";
    const auto emotion = emotions.find(folder.filename().string());
    if (emotion == emotions.end())
      fail("{}: the folder is none of Angry, Happy, Neutral, Sad, Surprise: move the clip back to its folder",
           path.string());
    Clip clip;
    clip.id = name_below(root, path);
    clip.path = path;
    clip.label = emotion->second;
    clip.speaker = path.stem().string().substr(0, 4);
    clip.gender = male.contains(clip.speaker) ? "male" : "female";
    clip.language = is_english(clip.speaker) ? "en" : "zh";
    clip.corpus = "esd";
    clip.extra = {partition};
    return clip;
  }
};

}  // namespace

const Reader& esd_reader() {
  static const EsdReader reader;
  return reader;
}

}  // namespace loralens
