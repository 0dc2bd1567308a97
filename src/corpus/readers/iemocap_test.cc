// SPDX-License-Identifier: Apache-2.0
// Tests of the IEMOCAP reader on folders with IEMOCAP's layout and names, without audio.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "base/test_folder.h"
#include "corpus/folds/folds.h"
#include "corpus/readers/readers.h"
#include "corpus/test_audio.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// A label file in the distributed form: a header, and after each summary the raters' lines.
std::string label_file(const std::vector<std::pair<std::string, std::string>>& utterances) {
  std::string text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n";
  for (const auto& [name, label] : utterances)
    text += fmt::format(
        "[6.2901 - 8.2357]\t{}\t{}\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n"
        "C-F1:\tNeutral;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n"
        "A-F1:\tval 3; act 2; dom  1;\t()\n\n",
        name, label);
  return text;
}

TEST(Iemocap, ReadsNamesLabelsAndTranscripts) {
  const TestFolder folder;
  folder.write(
      "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
      label_file({{"Ses01F_impro01_F000", "neu"}, {"Ses01F_impro01_M000", "xxx"}, {"Ses01F_impro01_M001", "exc"}}));
  folder.write("Session1/dialog/EmoEvaluation/Ses01F_script01_1.txt",
               label_file({{"Ses01F_script01_1_F000", "hap"}, {"Ses01F_script01_1_F001", "oth"}}));
  folder.write("Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt",
               label_file({{"Ses05M_script01_1b_F012", "sad"}, {"Ses05M_script01_1b_MXX3", "ang"}}));
  folder.write("Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt", "not text");
  folder.write("Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt", "[unread]");
  folder.write("Session1/dialog/transcriptions/Ses01F_impro01.txt",
               "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\r\nM: [BREATHING]\n"
               "Ses01F_impro01_M001 [014.8872-018.0175]:  Is there a problem [pause]: here?  \n");
  folder.write("Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav", "");

  const auto corpus = read_corpus("iemocap", folder.path());
  EXPECT_THAT(column_values(corpus.clips, "label"),
              ElementsAre("neutral", "happiness", "happiness", "sadness", "anger"));
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("1F", "1M", "1F", "5F", "5M"));
  EXPECT_THAT(column_values(corpus.clips, "prefix_speaker"),
              ElementsAre("Ses01F", "Ses01F", "Ses01F", "Ses05M", "Ses05M"));
  EXPECT_THAT(column_values(corpus.clips, "session"), ElementsAre("1", "1", "1", "5", "5"));
  EXPECT_THAT(column_values(corpus.clips, "gender"), ElementsAre("female", "male", "female", "female", "male"));
  EXPECT_THAT(column_values(corpus.clips, "scenario"),
              ElementsAre("improvised", "improvised", "scripted", "scripted", "scripted"));
  EXPECT_THAT(column_values(corpus.clips, "text"),
              ElementsAre("Excuse me.", "Is there a problem [pause]: here?", "", "", ""));
  EXPECT_EQ(corpus.clips.clips[3].id, "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F012.wav");
  EXPECT_THAT(corpus.summary, HasSubstr("dropped, as the labels asked for do not name them: oth 1, xxx 1\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("Session2 is not there\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("5 utterances have no transcript\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("4 of 5 audio files are missing: "));

  const auto own = read_corpus("iemocap", folder.path(), {.labels = "exc=excited,oth"});
  EXPECT_THAT(column_values(own.clips, "label"), ElementsAre("excited", "oth"));
}

TEST(Iemocap, UtterancesCanBeSegmentsOfTheDialogues) {
  const TestFolder folder;
  const std::string labels =
      "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n"
      "[10.0100 - 11.3925]\tSes01F_impro01_M000\tang\t[2.5000, 2.5000, 2.5000]\n";
  folder.write("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", labels);
  folder.write("Session1/dialog/transcriptions/Ses01F_impro01.txt",
               "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n");
  folder.write("Session1/dialog/wav/Ses01F_impro01.wav", silent_wav(11));
  // Without sentences/wav, utterances are segments of the dialogues.
  const auto corpus = read_corpus("iemocap", folder.path());
  ASSERT_EQ(corpus.clips.clips.size(), 2u);
  const auto& clip = corpus.clips.clips[1];
  EXPECT_EQ(clip.id, "Session1/dialog/wav/Ses01F_impro01.wav#6.2901-8.2357");
  EXPECT_EQ(clip.path, folder.path() / "Session1/dialog/wav/Ses01F_impro01.wav");
  EXPECT_EQ(clip.start, 6.2901);
  EXPECT_EQ(clip.end, 8.2357);
  EXPECT_EQ(clip.text, "Excuse me.");
  EXPECT_THAT(column_values(corpus.clips, "speaker"), ElementsAre("1M", "1F"));
  EXPECT_THAT(column_values(corpus.clips, "utterance"), ElementsAre("Ses01F_impro01_M000", "Ses01F_impro01_F000"));
  EXPECT_THAT(corpus.summary, HasSubstr("Session1: utterances are segments of dialog/wav\n"));
  EXPECT_THAT(corpus.summary, HasSubstr("1 of 2 segments are not inside their file: "));
  // With both, the files in sentences/wav are used unless the option segments is set.
  std::filesystem::create_directories(folder.path() / "Session1/sentences/wav");
  EXPECT_FALSE(read_corpus("iemocap", folder.path()).clips.clips[0].is_segment());
  EXPECT_EQ(read_corpus("iemocap", folder.path(), {.segments = true}).clips.clips[1].id, clip.id);
  const auto with_time = [&](const std::string& time) {
    folder.write("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
                 time + "\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n");
    return error_of([&] { read_corpus("iemocap", folder.path(), {.segments = true}); });
  };
  EXPECT_THAT(with_time("[6.2901 8.2357]"), HasSubstr("line 1: '[6.2901 8.2357]' is no time"));
  EXPECT_THAT(with_time("[8.5 - 8.25]"), HasSubstr("line 1: the utterance ends at 8.25 s, not after its start at 8.5"));
}

TEST(Iemocap, AStyleCanBeChosen) {
  const TestFolder folder;
  folder.write("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", label_file({{"Ses01F_impro01_F000", "neu"}}));
  EXPECT_THAT(error_of([&] { read_corpus("iemocap", folder.path(), {.style = "scripted"}); }),
              HasSubstr("there is no scripted dialogue"));
  folder.write("Session1/dialog/EmoEvaluation/Ses01F_script01_1.txt",
               label_file({{"Ses01F_script01_1_F000", "hap"}, {"Ses01F_script01_1_F001", "oth"}}));
  const auto improvised = read_corpus("iemocap", folder.path(), {.style = "improvised"});
  EXPECT_THAT(column_values(improvised.clips, "utterance"), ElementsAre("Ses01F_impro01_F000"));
  EXPECT_THAT(improvised.summary, HasSubstr("left out 2 utterances that are not improvised\n"));
  EXPECT_THAT(improvised.summary,
              HasSubstr("anger 0 of 289, happiness 0 of 947, neutral 1 of 1099, sadness 0 of 608\n"));
  const auto scripted = read_corpus("iemocap", folder.path(), {.style = "scripted"});
  EXPECT_THAT(column_values(scripted.clips, "utterance"), ElementsAre("Ses01F_script01_1_F000"));
}

TEST(Iemocap, ErrorsSayWhere) {
  const TestFolder folder;
  EXPECT_THAT(error_of([&] { read_corpus("iemocap", folder.path()); }), HasSubstr("holds no labels of IEMOCAP"));
  folder.write("Session1/dialog/EmoEvaluation/a.txt", "% header\n[1 - 2]\tSes01F_impro01_F000\tneu\n");
  EXPECT_THAT(error_of([&] { read_corpus("iemocap", folder.path()); }), HasSubstr("a.txt: line 2 is no summary"));
  folder.write("Session1/dialog/EmoEvaluation/a.txt", "[1 - 2]\tSes01X_impro01_F000\tneu\t[2, 2, 2]\n");
  EXPECT_THAT(error_of([&] { read_corpus("iemocap", folder.path()); }), HasSubstr("a.txt: line 1: 'Ses01X"));
  folder.write("Session1/dialog/EmoEvaluation/a.txt", "[1 - 2]\tSes02F_impro01_F000\tneu\t[2, 2, 2]\n");
  EXPECT_THAT(error_of([&] { read_corpus("iemocap", folder.path()); }), HasSubstr("is no utterance of Session1"));
  folder.write("Session1/dialog/EmoEvaluation/a.txt", "[1 - 2]\tSes01F_talk01_F000\tneu\t[2, 2, 2]\n");
  EXPECT_THAT(error_of([&] { read_corpus("iemocap", folder.path()); }), HasSubstr("is neither improvised"));
}

using Counts = std::map<std::string, int64_t>;

const Counts four_labels = {{"ang", 1103}, {"exc", 1041}, {"hap", 595}, {"neu", 1708}, {"sad", 1084}};
const Counts other_labels = {{"dis", 2}, {"fea", 40}, {"fru", 1849}, {"oth", 3}, {"sur", 107}, {"xxx", 2507}};
const Counts true_speakers = {{"1F", 528}, {"1M", 557}, {"2F", 481}, {"2M", 542}, {"3F", 522},
                              {"3M", 629}, {"4F", 528}, {"4M", 503}, {"5F", 590}, {"5M", 651}};
const Counts prefixes = {{"Ses01F", 507}, {"Ses01M", 578}, {"Ses02F", 505}, {"Ses02M", 518}, {"Ses03F", 536},
                         {"Ses03M", 615}, {"Ses04F", 553}, {"Ses04M", 478}, {"Ses05F", 644}, {"Ses05M", 597}};

std::vector<std::string> shuffled(const Counts& counts, Random& random) {
  std::vector<std::string> labels;
  for (const auto& [label, count] : counts) labels.insert(labels.end(), static_cast<size_t>(count), label);
  random.shuffle(labels);
  return labels;
}

// Writes all 10,039 utterances. The published counts by prefix and by speaker leave one number per session free: the
// utterances with prefix F that the woman speaks; it is set to 260.
void write_published_tree(const TestFolder& folder) {
  Random random(1);
  auto four = shuffled(four_labels, random), other = shuffled(other_labels, random);
  using Utterances = std::vector<std::pair<std::string, std::string>>;
  std::map<std::string, Utterances> dialogues;
  int64_t number = 0;
  const auto add = [&](const std::string& prefix, char letter, const std::string& label) {
    constexpr const char* names[] = {"impro01", "impro05a", "script01_1", "script02_2", "script03_1b"};
    const auto dialogue = fmt::format("{}_{}", prefix, names[number % 5]);
    dialogues[dialogue].emplace_back(fmt::format("{}_{}{:03}", dialogue, letter, number / 5), label);
    ++number;
  };
  const auto take = [](std::vector<std::string>& labels) {
    const auto label = labels.back();
    labels.pop_back();
    return label;
  };
  for (const char session : std::string("12345")) {
    const auto prefix = [&](char letter) { return fmt::format("Ses0{}{}", session, letter); };
    const auto speaker = [&](char letter) { return true_speakers.at(fmt::format("{}{}", session, letter)); };
    const int64_t both_female = 260;
    const int64_t f_by_man = prefixes.at(prefix('F')) - both_female, m_by_woman = speaker('F') - both_female;
    ASSERT_EQ(prefixes.at(prefix('M')) - m_by_woman, speaker('M') - f_by_man);
    for (int64_t i = 0; i < both_female; ++i) add(prefix('F'), 'F', take(four));
    for (int64_t i = 0; i < f_by_man; ++i) add(prefix('F'), 'M', take(four));
    for (int64_t i = 0; i < m_by_woman; ++i) add(prefix('M'), 'F', take(four));
    for (int64_t i = 0; i < speaker('M') - f_by_man; ++i) add(prefix('M'), 'M', take(four));
  }
  while (!other.empty()) add(fmt::format("Ses0{}{}", 1 + random.below(5), "FM"[random.below(2)]), 'F', take(other));
  for (const auto& [dialogue, utterances] : dialogues)
    folder.write(fmt::format("Session{}/dialog/EmoEvaluation/{}.txt", dialogue[4], dialogue), label_file(utterances));
}

std::vector<int64_t> test_sizes(const std::vector<Fold>& folds) {
  std::vector<int64_t> sizes;
  for (const auto& fold : folds) sizes.push_back(std::ssize(fold.test));
  return sizes;
}

TEST(Iemocap, FoldSizesFollowFromTheNames) {
  const TestFolder folder;
  write_published_tree(folder);
  const auto corpus = read_corpus("iemocap", folder.path());
  EXPECT_EQ(corpus.clips.clips.size(), 5531u);
  EXPECT_THAT(corpus.summary, testing::EndsWith("as published\n"));
  EXPECT_THAT(counts_by(corpus.clips, "label"),
              ElementsAre(Pair("anger", 1103), Pair("happiness", 1636), Pair("neutral", 1708), Pair("sadness", 1084)));
  EXPECT_THAT(test_sizes(make_folds(corpus.clips, {.scheme = "session"}, true)),
              ElementsAre(1085, 1023, 1151, 1031, 1241));
  EXPECT_THAT(test_sizes(make_folds(corpus.clips, {}, true)),
              ElementsAre(528, 557, 481, 542, 522, 629, 528, 503, 590, 651));
  EXPECT_THAT(error_of([&] { make_folds(corpus.clips, {.scheme = "iemocap-10-prefix"}, false); }),
              HasSubstr("fold 0 has speaker 1F in training and test"));
  EXPECT_THAT(test_sizes(make_folds(corpus.clips, {.scheme = "iemocap-10-prefix", .allow_leaks = true}, false)),
              ElementsAre(507, 578, 505, 518, 536, 615, 553, 478, 644, 597));

  const auto all = read_corpus("iemocap", folder.path(), {.labels = "*"});
  EXPECT_EQ(all.clips.clips.size(), 10039u);
  EXPECT_THAT(all.summary, testing::EndsWith("as published\n"));
}

}  // namespace
}  // namespace loralens
