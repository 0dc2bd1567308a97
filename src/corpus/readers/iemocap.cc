// SPDX-License-Identifier: Apache-2.0
// IEMOCAP: Busso et al., IEMOCAP: interactive emotional dyadic motion capture database, 2008. Five sessions of
// dialogues between two actors. The prefix of a name (Ses01F) is the actor who wore the markers in that dialogue, not
// the speaker; the letter in the utterance's suffix (_F012, _M012) gives the speaker.
#include <map>
#include <sstream>
#include <unordered_map>

#include "base/error.h"
#include "base/pattern.h"
#include "corpus/readers/encoding.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

constexpr size_t longest_time = 100;
// Indices of extra columns.
constexpr size_t style_column = 1, utterance_column = 2;

using Transcripts = std::unordered_map<std::string, std::string>;

// Reads lines "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me."; ignores others (turns without segmentation).
void add_transcripts(const Path& file, Transcripts& transcripts) {
  std::istringstream lines(utf8_of(read_file(file), "WINDOWS-1252", file.string()));
  for (std::string line; std::getline(lines, line);) {
    const auto bracket = line.find(" [");
    const auto colon = line.find("]:", bracket == std::string::npos ? 0 : bracket);
    if (!line.starts_with("Ses") || bracket == std::string::npos || colon == std::string::npos) continue;
    const auto first = line.find_first_not_of(" \t\r", colon + 2);
    if (first == std::string::npos) continue;
    transcripts[line.substr(0, bracket)] = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
  }
}

// A name such as Ses01F_script01_1_F000 or Ses05M_impro04_MXX3.
const Pattern& name_pattern() {
  static const Pattern pattern("(Ses0[1-5][FM])_([A-Za-z0-9_]+)_([FM])[A-Za-z0-9_]+");
  return pattern;
}

struct Session {
  std::string number;  // "1" to "5"
  bool segments;       // utterances are segments of the dialogues' audio, not files of their own
};

// Fields of an utterance's summary line.
struct Summary {
  std::string time, name, label;
};

// Reads the utterance's start and end in the dialogue's audio from "[6.2901 - 8.2357]".
void read_times(const std::string& time, Clip& clip, const std::string& where) {
  static const Pattern pattern("\\[([0-9]+(?:\\.[0-9]+)?) - ([0-9]+(?:\\.[0-9]+)?)\\]");
  const auto parts = time.size() > longest_time ? std::nullopt : pattern.match(time);
  if (!parts) fail("{}: '{}' is no time such as [6.2901 - 8.2357]", where, time);
  clip.start = std::stod((*parts)[1]);
  clip.end = std::stod((*parts)[2]);
  if (clip.end <= clip.start)
    fail("{}: the utterance ends at {} s, not after its start at {} s", where, clip.end, clip.start);
}

Clip clip_of(const Path& root, const Session& in, const Summary& summary, const std::string& where) {
  const auto& [session, segments] = in;
  const auto& name = summary.name;
  const auto parts = name_pattern().match(name);
  if (!parts) fail("{}: '{}' is no name of an utterance such as Ses01F_impro01_F000", where, name);
  if (name.substr(4, 1) != session) fail("{}: '{}' is no utterance of Session{}", where, name, session);
  const bool improvised = (*parts)[2].starts_with("impro");
  if (!improvised && !(*parts)[2].starts_with("script"))
    fail("{}: '{}' is neither improvised (_impro01) nor scripted (_script01_1)", where, name);
  Clip clip;
  const std::string dialogue = (*parts)[1] + "_" + (*parts)[2];
  if (segments) {
    read_times(summary.time, clip, where);
    clip.id = fmt::format("Session{}/dialog/wav/{}.wav", session, dialogue);
  } else {
    clip.id = fmt::format("Session{}/sentences/wav/{}/{}.wav", session, dialogue, name);
  }
  clip.path = root / clip.id;
  clip.id += segment_suffix(clip);
  clip.label = summary.label;
  clip.speaker = session + (*parts)[3];
  clip.session = session;
  clip.corpus = "iemocap";
  clip.language = "en";
  clip.gender = (*parts)[3] == "F" ? "female" : "male";
  clip.extra = {(*parts)[1], improvised ? "improvised" : "scripted", name};
  return clip;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream rest(line);
  for (std::string cell; std::getline(rest, cell, '\t');) cells.push_back(cell);
  return cells;
}

// Reads the summary lines "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]" of one dialogue and
// skips the lines of single raters between them.
void add_labels(const Path& file, const Path& root, const Session& session, std::vector<Clip>& clips) {
  std::istringstream lines(utf8_of(read_file(file), "WINDOWS-1252", file.string()));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.starts_with('[')) continue;
    const auto where = fmt::format("{}: line {}", file.string(), number);
    const auto cells = cells_of(line);
    if (cells.size() != 4 || cells[2].empty() || !cells[3].starts_with('['))
      fail("{} is no summary of an utterance ([start - end], name, label, [v, a, d])", where);
    clips.push_back(clip_of(root, session, {cells[0], cells[1], cells[2]}, where));
  }
}

std::string complaint_about_style(const std::string& style) {
  return style == "improvised" || style == "scripted" ? ""
                                                      : fmt::format("'{}' is neither improvised nor scripted", style);
}

void keep_style(const std::string& style, RawCorpus& corpus) {
  const auto removed =
      std::erase_if(corpus.clips.clips, [&](const Clip& clip) { return clip.extra[style_column] != style; });
  if (corpus.clips.clips.empty()) fail("there is no {} dialogue among the labels: leave --style out", style);
  if (removed) corpus.notes.push_back(fmt::format("left out {} utterances that are not {}", removed, style));
}

class IemocapReader : public Reader {
 public:
  std::string name() const override { return "iemocap"; }
  std::string description() const override {
    return "IEMOCAP, English: the folder with Session1 to Session5 (licence from USC SAIL)";
  }

  std::vector<ReaderOption> options() const override {
    return {
        {"--style", "keep one kind of dialogue: improvised or scripted", &ReaderOptions::style, complaint_about_style},
        {"--segments", "utterances as segments (start, end) of dialog/wav, as where sentences/wav is not there",
         &ReaderOptions::segments}};
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    RawCorpus corpus;
    corpus.clips.folder = root;
    corpus.clips.extra_columns = {"prefix_speaker", "scenario", "utterance"};
    Transcripts transcripts;
    for (const std::string number : {"1", "2", "3", "4", "5"}) {
      const Path folder = root / ("Session" + number), dialogues = folder / "dialog";
      if (!is_directory(dialogues / "EmoEvaluation")) {
        corpus.notes.push_back(fmt::format("Session{} is not there", number));
        continue;
      }
      const bool only_dialogues = !is_directory(folder / "sentences" / "wav") && is_directory(dialogues / "wav");
      const Session session{number, options.segments || only_dialogues};
      if (session.segments)
        corpus.notes.push_back(fmt::format("Session{}: utterances are segments of dialog/wav", number));
      for (const auto& file : files_in(dialogues / "EmoEvaluation"))
        if (file.extension() == ".txt") add_labels(file, root, session, corpus.clips.clips);
      if (!is_directory(dialogues / "transcriptions")) continue;
      for (const auto& file : files_in(dialogues / "transcriptions"))
        if (file.extension() == ".txt") add_transcripts(file, transcripts);
    }
    if (corpus.clips.clips.empty())
      fail("{} holds no labels of IEMOCAP: give the folder with Session1/dialog/EmoEvaluation{}", root.string(),
           archives_in(root));
    if (!options.style.empty()) keep_style(options.style, corpus);
    add_texts(transcripts, corpus);
    return corpus;
  }

  LabelMap default_labels() const override { return four_classes(); }

  PublishedCounts published(const ReaderOptions& options) const override {
    // Improvised: the 2,280 utterances of the usual four-class subset, plus 663 labelled exc; scripted: the other ones.
    if (options.style == "improvised")
      return {{}, {}, {}, {{"anger", 289}, {"happiness", 947}, {"neutral", 1099}, {"sadness", 608}}};
    if (options.style == "scripted")
      return {{}, {}, {}, {{"anger", 814}, {"happiness", 689}, {"neutral", 609}, {"sadness", 476}}};
    return {{{"ang", 1103},
             {"hap", 595},
             {"exc", 1041},
             {"neu", 1708},
             {"sad", 1084},
             {"fru", 1849},
             {"sur", 107},
             {"fea", 40},
             {"dis", 2},
             {"oth", 3},
             {"xxx", 2507}},
            {{"1F", 528},
             {"1M", 557},
             {"2F", 481},
             {"2M", 542},
             {"3F", 522},
             {"3M", 629},
             {"4F", 528},
             {"4M", 503},
             {"5F", 590},
             {"5M", 651}},
            {{"1", 1085}, {"2", 1023}, {"3", 1151}, {"4", 1031}, {"5", 1241}},
            {}};
  }

 private:
  static void add_texts(const Transcripts& transcripts, RawCorpus& corpus) {
    int64_t without = 0;
    for (auto& clip : corpus.clips.clips) {
      const auto found = transcripts.find(clip.extra[utterance_column]);
      if (found == transcripts.end())
        ++without;
      else
        clip.text = found->second;
    }
    if (without) corpus.notes.push_back(fmt::format("{} utterances have no transcript", without));
  }
};

}  // namespace

const Reader& iemocap_reader() {
  static const IemocapReader reader;
  return reader;
}

}  // namespace loralens
