// SPDX-License-Identifier: Apache-2.0
#include "corpus/audit/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "corpus/test_memory.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

// 4 speakers x 2 classes x 3 sentences; each clip is a file of its own.
Clips small_clips() {
  Clips clips;
  for (int s = 0; s < 4; ++s)
    for (const char* label : {"x", "y"})
      for (int t = 0; t < 3; ++t) {
        Clip clip;
        clip.id = fmt::format("{}{}{}.wav", s, label, t);
        clip.path = clip.id;
        clip.speaker = fmt::format("{}", s);
        clip.label = label;
        clip.text = fmt::format("Sentence {}.", t);
        clips.clips.push_back(clip);
      }
  return clips;
}

// Results of examine() for these clips: 2 s each, all different.
std::vector<Recording> recordings_for(const Clips& clips) {
  std::vector<Recording> recordings;
  for (const auto& clip : clips.clips) {
    Recording recording;
    recording.seconds = 2;
    recording.rate = 16000;
    recording.channels = 1;
    recording.digest = clip.id;
    recordings.push_back(recording);
  }
  return recordings;
}

std::vector<std::string> kinds_of(const json& audit, const char* severity) {
  std::vector<std::string> kinds;
  for (const auto& finding : audit["findings"])
    if (finding["severity"] == severity) kinds.push_back(finding["kind"]);
  return kinds;
}

// A fingerprint that shares no word with one of another seed.
Fingerprint words(uint32_t seed) {
  Fingerprint words;
  for (uint32_t i = 0; i < 200; ++i) words.push_back((seed * 1000 + i) * 2654435761U | 1U);
  return words;
}

TEST(Audit, CountsWhatIsInEachPart) {
  const auto clips = small_clips();
  const auto result = audit(clips, make_folds(clips, {.scheme = "speaker"}, true), recordings_for(clips));
  EXPECT_EQ(result["clips"]["clips"], 24);
  EXPECT_EQ(result["clips"]["speakers"], 4);
  EXPECT_EQ(result["clips"]["texts"], 3);
  EXPECT_EQ(result["clips"]["seconds"], 48);
  ASSERT_EQ(result["folds"].size(), 4u);
  const json& parts = result["folds"][1]["parts"];
  EXPECT_EQ(parts["train"]["clips"], 12);
  EXPECT_EQ(parts["development"]["speakers"], 1);
  EXPECT_EQ(parts["test"]["classes"]["x"], (json{{"clips", 3}, {"seconds", 6.}}));
  EXPECT_EQ(result["folds"][1]["unused"], 0);
  EXPECT_THAT(kinds_of(result, "error"), ElementsAre());
  EXPECT_THAT(kinds_of(result, "remark"), ElementsAre("texts"));
  const json& texts = result["folds"][0]["shared"]["texts"]["train-test"];
  EXPECT_EQ(texts["count"], 3);
  EXPECT_EQ(texts["clips"], 6);
  EXPECT_EQ(texts["examples"][0], "sentence 0");
}

TEST(Audit, FindsWhatTwoPartsShare) {
  auto clips = small_clips();
  clips.clips[0].path = clips.clips[23].path = "0x0.wav";  // two clips of a file
  clips.clips[0].start = 0, clips.clips[0].end = 2;
  clips.clips[23].start = 2, clips.clips[23].end = 4;
  const auto folds = make_folds(clips, {.scheme = "speaker"}, false);
  auto recordings = recordings_for(clips);
  recordings[1].digest = recordings[9].digest;        // speakers 0 and 1, classes x and y
  recordings[2].digest = recordings[3].digest;        // speaker 0, classes x and y
  recordings[4].fingerprint = recordings[20].fingerprint = words(1);
  for (size_t i = 0; i < 200; i += 3) recordings[20].fingerprint[i] ^= 0xfe;  // 7 bits of every third word
  const auto result = audit(clips, folds, recordings);
  EXPECT_THAT(kinds_of(result, "error"), UnorderedElementsAre("identical_audio", "near_identical_audio"));
  EXPECT_THAT(kinds_of(result, "remark"),
              UnorderedElementsAre("texts", "files", "identical", "near_identical", "label_conflicts"));
  EXPECT_EQ(result["folds"][0]["shared"]["identical_audio"]["train-test"]["examples"][0], (json{"1y0.wav", "0x1.wav"}));
  EXPECT_FALSE(result["folds"][2]["shared"]["identical_audio"].contains("train-test"));
  EXPECT_EQ(result["audio"]["identical"].size(), 2u);
  EXPECT_EQ(result["audio"]["label_conflicts"].size(), 3u);
  EXPECT_NEAR(result["audio"]["near_identical"][0]["distance"].get<double>(), 7. / 96, 0.001);
  EXPECT_EQ(audio_leak(clips, folds, recordings), "fold 0 has the same samples in train-test: 1y0.wav and 0x1.wav");
  recordings[1].digest = "other";
  EXPECT_EQ(audio_leak(clips, folds, recordings),
            "fold 0 has the same recording, changed a little, in train-test: 3x2.wav and 0y1.wav");
  recordings[20].fingerprint.clear();
  EXPECT_EQ(audio_leak(clips, folds, recordings), "");
  clips.clips[23].start = 1.5;
  EXPECT_THAT(audio_leak(clips, folds, recordings),
              HasSubstr("fold 0 has overlapping segments of a file in train-test"));
  recordings[5].error = "5.wav: empty";
  EXPECT_EQ(error_of([&] { audio_leak(clips, folds, recordings); }), "5.wav: empty");
}

TEST(Audit, SaysWhatIsWrongWithTheAudio) {
  auto clips = small_clips();
  clips.clips[7].speaker.clear();
  auto recordings = recordings_for(clips);
  recordings[0].error = "0x0.wav: empty";
  recordings[0].digest.clear();
  recordings[1].clipped = 0.01;
  recordings[2].silent = 0.9;
  recordings[2].soundless = "silence";
  recordings[3].offset = -0.02;
  recordings[4].seconds = 31;
  recordings[5].rate = 8000;
  const auto result = audit(clips, make_folds(clips, {.scheme = "random:2", .allow_leaks = true}, false), recordings);
  EXPECT_THAT(kinds_of(result, "error"), UnorderedElementsAre("unknown_speakers", "speakers", "unreadable"));
  EXPECT_THAT(kinds_of(result, "remark"),
              UnorderedElementsAre("texts", "clipped", "silent", "soundless", "offset", "long", "rates"));
  EXPECT_EQ(result["audio"]["rates"], (json{{"16000", 22}, {"8000", 1}}));
  EXPECT_EQ(result["audio"]["seconds"]["longest"], 31);
  EXPECT_EQ(result["audio"]["unreadable"][0], (json{{"id", "0x0.wav"}, {"error", "0x0.wav: empty"}}));
  const auto page = describe_audit(result);
  EXPECT_THAT(page, HasSubstr("24 clips of 24 files, 4 speakers, 3 sentences"));
  EXPECT_THAT(page, HasSubstr("audio: 23 of 24 clips read"));
  EXPECT_THAT(page, HasSubstr("errors, which train refuses:\n  - 1 clip names no speaker"));
  EXPECT_THAT(page, HasSubstr("1 clip over 30 s, heard in several windows (0y1.wav)"));
  EXPECT_THAT(page, Not(HasSubstr("no errors")));
}

TEST(Audit, NamesClassesThatAPartLacks) {
  auto clips = small_clips();
  std::erase_if(clips.clips, [](const Clip& clip) { return clip.speaker == "2" && clip.label == "y"; });
  const auto result = audit(clips, make_folds(clips, {.scheme = "speaker"}, false), {});
  EXPECT_THAT(kinds_of(result, "remark"), UnorderedElementsAre("texts", "missing_class"));
  EXPECT_FALSE(result.contains("audio"));
  EXPECT_FALSE(result["clips"].contains("seconds"));
  EXPECT_THAT(describe_audit(result), HasSubstr("fold 2: the test part has no clip of y"));
}

TEST(Audit, AHundredThousandRowsTakeLittleMemory) {
  const TestFolder folder;
  std::string text = "path,label,speaker,session,text,corpus,language,gender\n";
  for (size_t i = 0; i < many; ++i)
    text += fmt::format(
        "speaker_{:04}/session_{}/utterance_{:06}.wav,c{},sp{:04},{},Sentence number {} is said.,corpus,en,"
        "female\n",
        i % 997, i % 5, i, i % 8, i % 997, i % 5, i % 5000);
  const auto path = folder.write("clips.csv", text);
  text = std::string();
  const auto before = peak_megabytes();
  const auto clips = read_clips(path);
  write_folds(folder.path() / "folds.csv", clips, make_folds(clips, {}, true));
  const auto result = audit(clips, read_folds(folder.path() / "folds.csv", clips), {});
  EXPECT_EQ(result["clips"]["speakers"], 997);
  EXPECT_EQ(result["folds"].size(), 10u);
  EXPECT_THAT(kinds_of(result, "error"), ElementsAre());
  EXPECT_LT(peak_megabytes() - before, 300);
  RecordProperty("megabytes", static_cast<int>(peak_megabytes() - before));
}

}  // namespace
}  // namespace loralens
