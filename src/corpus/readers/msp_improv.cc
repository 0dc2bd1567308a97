// SPDX-License-Identifier: Apache-2.0
// MSP-IMPROV: Busso, Parthasarathy, Burmania, AbdelWahab, Sadoughi and Mower Provost, MSP-IMPROV: an acted corpus of
// dyadic interactions to study emotion perception, IEEE Transactions on Affective Computing 8(1), 2017.
// [Audio/]session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav: sentence 01, target emotion A, speaker F01 (the woman of
// session 1), scenario P, turn. Evalution.txt (the corpus's own spelling) has a summary line for each turn, which
// begins with the turn's name, and after it the lines of single raters.
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

// Codes of the raters' majority vote.
const std::map<std::string, std::string> labels = {{"A", "anger"},   {"H", "happiness"}, {"S", "sadness"},
                                                   {"N", "neutral"}, {"O", "other"},     {"X", "no-agreement"}};
const std::map<std::string, std::string> scenarios = {
    {"P", "natural"}, {"R", "target-read"}, {"S", "other-improvised"}, {"T", "target-improvised"}};

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

const std::string& word(const std::map<std::string, std::string>& words, const std::string& code, const char* what,
                        const std::string& where) {
  const auto found = words.find(code);
  if (found == words.end()) fail("{}: '{}' is no {} of MSP-IMPROV", where, code, what);
  return found->second;
}

// A turn's name after "MSP-IMPROV-", such as S01A-F01-P-FM01.
const Pattern& name_pattern() {
  static const Pattern pattern("(S[0-9]{2})([AHSN])-([FM])(0[1-6])-([A-Z])-[FM]{2}[0-9]+");
  return pattern;
}

using Files = std::unordered_map<std::string, Path>;  // by stem

Files audio_below(const Path& root) {
  Files files;
  for (const auto& path : files_below(root))
    if (is_audio(path) && path.stem().string().starts_with("MSP-IMPROV-")) files.emplace(path.stem().string(), path);
  return files;
}

Clip clip_of(const Path& root, const std::string& turn, const std::string& letter, const Files& files,
             const std::string& where) {
  const auto matches = name_pattern().match(turn);
  if (!matches) fail("{}: '{}' is no name of a turn such as UTD-IMPROV-S01A-F01-P-FM01.avi", where, turn);
  const Matches& parts = *matches;
  const std::string name = "MSP-IMPROV-" + turn, number = parts[4].substr(1);
  Clip clip;
  const auto found = files.find(name);
  clip.path = found != files.end()
                  ? found->second
                  : root / "Audio" / ("session" + number) / (parts[1] + parts[2]) / parts[5] / (name + ".wav");
  clip.id = name_below(root, clip.path);
  clip.label = word(labels, letter, "label", where);
  clip.speaker = parts[3] + parts[4];
  clip.session = number;
  clip.gender = parts[3] == "F" ? "female" : "male";
  clip.corpus = "msp-improv";
  clip.language = "en";
  clip.extra = {word(scenarios, parts[5], "scenario", where), parts[1], word(labels, parts[2], "emotion", where)};
  return clip;
}

// Reads the summary lines "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.0; V:3.5; D:3.0 ; N:4.0;" and skips the lines of
// single raters between them.
void add_labels(const Path& file, const Path& root, const Files& files, RawCorpus& corpus) {
  std::istringstream lines(utf8_of(read_file(file), "WINDOWS-1252", file.string()));
  std::map<std::string, int64_t> seen;
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.starts_with("UTD-IMPROV-") && !line.starts_with("MSP-IMPROV-")) continue;
    const auto where = fmt::format("{}: line {}", file.string(), number);
    const auto first = line.find(';'), second = line.find(';', first == std::string::npos ? first : first + 1);
    const auto dot = line.rfind('.', first);
    if (second == std::string::npos || dot == std::string::npos)
      fail("{} is no summary of a turn (name.avi; label; A:... V:... D:... N:...)", where);
    const size_t start = std::string("UTD-IMPROV-").size();
    const std::string turn = line.substr(start, dot - start);
    if (const auto [place, fresh] = seen.emplace(turn, number); !fresh)
      fail("{}: the turn '{}' stands in line {} already: remove one", where, turn, place->second);
    const std::string letter = trimmed(line.substr(first + 1, second - first - 1));
    corpus.clips.clips.push_back(clip_of(root, turn, letter, files, where));
  }
  int64_t unlabelled = 0;
  for (const auto& [name, path] : files) unlabelled += !seen.contains(name.substr(std::string("MSP-IMPROV-").size()));
  if (unlabelled) corpus.notes.push_back(fmt::format("passed over {} audio files without a label", unlabelled));
}

class MspImprovReader : public Reader {
 public:
  std::string name() const override { return "msp-improv"; }
  std::string description() const override {
    return "MSP-IMPROV, English: the folder with Evalution.txt and session1 to session6 (licence from UT Dallas)";
  }

  RawCorpus read(const Path& root, const ReaderOptions&) const override {
    RawCorpus corpus;
    corpus.clips.folder = root;
    corpus.clips.extra_columns = {"scenario", "sentence", "target"};
    if (!is_directory(root)) fail("{} is no folder: give the folder that holds the corpus", root.string());
    for (const char* name : {"Evalution.txt", "Evaluation.txt"}) {
      std::error_code code;
      if (!std::filesystem::is_regular_file(root / name, code)) continue;
      add_labels(root / name, root, audio_below(root), corpus);
      if (corpus.clips.clips.empty())
        fail("{} holds no line that begins with UTD-IMPROV-: use MSP-IMPROV's own file", (root / name).string());
      return corpus;
    }
    fail("{} holds no labels of MSP-IMPROV: give the folder with Evalution.txt", root.string());
  }

  LabelMap default_labels() const override { return four_classes(); }

  // From the corpus's paper: 7,798 of 8,438 turns have one of the four labels.
  PublishedCounts published(const ReaderOptions&) const override {
    return {{}, {}, {}, {{"anger", 792}, {"happiness", 2644}, {"neutral", 3477}, {"sadness", 885}}};
  }
};

}  // namespace

const Reader& msp_improv_reader() {
  static const MspImprovReader reader;
  return reader;
}

}  // namespace loralens
