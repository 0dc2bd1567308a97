// SPDX-License-Identifier: Apache-2.0
#include "training/inputs.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Two clips whose fingerprints differ in every word.
Clips two_clips() {
  Clips clips;
  for (const char* name : {"a.wav", "b, c.wav"}) {
    Clip& clip = clips.clips.emplace_back();
    clip.id = name;
    clip.label = "joy";
    clip.speaker = "s1";
    clip.text = "\"so\"";
  }
  return clips;
}

std::vector<Recording> two_recordings() {
  std::vector<Recording> recordings(2);
  for (uint32_t r = 0; r < 2; ++r) {
    recordings[r].digest = std::string(64, r ? 'b' : 'a');
    for (uint32_t word = 1; word <= 300; ++word) recordings[r].fingerprint.push_back(word * (r ? 2654435761u : 40503u));
  }
  return recordings;
}

TrainingInputs some_inputs() {
  TrainingInputs inputs{"1",
                        {{"rank", "8"}, {"seed", "42"}},
                        {{"folds", "speaker:2"}, {"labels", ""}, {"model", "base"}},
                        "ff",
                        "fp32",
                        {"joy"},
                        {"te", "et"},
                        {}};
  const Clips clips = two_clips();
  for (const Clip& clip : clips.clips)
    inputs.clips.push_back({clip.id, clip.label, clip.speaker, "", "", "", clip.text, "", {}});
  return inputs;
}

class RecordedInputs : public testing::Test {
 protected:
  // The inputs, written and read back.
  TrainingInputs recorded() {
    write_inputs(folder_.path(), some_inputs(), format_recordings(two_clips(), two_recordings()));
    return read_inputs(folder_.path(), "run");
  }
  TestFolder folder_;
};

TEST_F(RecordedInputs, AreReadBack) {
  const TrainingInputs before = recorded();
  EXPECT_EQ(difference_of(before, some_inputs()), "");
  EXPECT_EQ(before.clips[1].id, "b, c.wav");
  EXPECT_EQ(before.clips[1].text, "\"so\"");
  EXPECT_EQ(before.clips[1].sha256, std::string(64, 'b'));
  EXPECT_EQ(before.clips[1].fingerprint, two_recordings()[1].fingerprint);
}

TEST_F(RecordedInputs, DifferencesAreNamed) {
  const TrainingInputs before = recorded();
  const auto difference = [&](const std::function<void(TrainingInputs&)>& change) {
    TrainingInputs now = some_inputs();
    change(now);
    return difference_of(before, now);
  };
  EXPECT_EQ(difference([](auto& now) { now.flags["rank"] = "4"; }), "--rank was '8', is '4'");
  EXPECT_EQ(difference([](auto& now) { now.flags["new"] = "1"; }), "--new was not set, is '1'");
  EXPECT_EQ(difference([](auto& now) { now.flags.erase("seed"); }), "--seed was '42', is not set");
  EXPECT_EQ(difference([](auto& now) { now.sources["model"] = "elsewhere"; }), "") << "only the weights are compared";
  EXPECT_EQ(difference([](auto& now) { now.base_sha256 = "ee", now.sources["model"] = "tiny"; }),
            "the base model's weights differ (--model was 'base', is 'tiny')");
  EXPECT_THAT(difference([](auto& now) { now.precision = "bf16"; }), HasSubstr("the precision was fp32, is bf16"));
  EXPECT_EQ(difference([](auto& now) { now.clips[1].speaker = "s2"; }),
            "the speaker of the clip b, c.wav was 's1', is 's2'");
  EXPECT_EQ(difference([](auto& now) { now.clips[0].text = ""; }), "the text of the clip a.wav was '\"so\"', is ''");
  EXPECT_EQ(difference([](auto& now) { now.clips[0].sha256 = std::string(64, 'c'); }),
            "the audio of the clip a.wav has changed");
  EXPECT_EQ(difference([](auto& now) { now.clips.pop_back(); }), "the clip b, c.wav is missing");
  EXPECT_EQ(difference([](auto& now) { now.clips.push_back({.id = "d"}); }), "the clip d is new");
  EXPECT_THAT(difference([](auto& now) { std::swap(now.clips[0], now.clips[1]); }), HasSubstr("another order"));
  EXPECT_EQ(difference([](auto& now) { now.soft_labels_sha256 = "aa"; }), "the votes of --soft-labels differ");
  EXPECT_EQ(difference([](auto& now) { now.folds[1] = "eu"; }),
            "the folds differ: the clip b, c.wav was in fold 1 in the part train, is in unused");
  EXPECT_EQ(difference([](auto& now) { now.folds.pop_back(), now.sources["folds"] = "text:1"; }),
            "there were 2 folds, there are 1 (--folds was 'speaker:2', is 'text:1')");
  EXPECT_THAT(difference([](auto& now) { now.version = "2"; }), HasSubstr("loralens 1, this is 2"));
}

TEST_F(RecordedInputs, ThatAreDamagedAreRefused) {
  recorded();
  const std::string json = read_file(folder_.path() / "inputs.json"),
                    csv = read_file(folder_.path() / "recordings.csv");
  const auto error = [&] { return error_of([&] { read_inputs(folder_.path(), "run"); }); };
  folder_.write("inputs.json", json.substr(0, json.size() / 2));
  EXPECT_THAT(error(), HasSubstr("inputs.json is damaged"));
  folder_.write("inputs.json", "[]");
  EXPECT_THAT(error(), HasSubstr("inputs.json is damaged"));
  folder_.write("inputs.json", json);
  folder_.write("recordings.csv", csv.substr(0, csv.size() / 2));
  EXPECT_THAT(error(), HasSubstr("recordings.csv was changed or cut"));
  std::filesystem::remove(folder_.path() / "inputs.json");
  EXPECT_THAT(error(), HasSubstr("inputs.json is missing (an older version"));
  EXPECT_THAT(error_of([&] { read_recordings(folder_.write("r.csv", "id,label\na,b\n")); }),
              HasSubstr("'speaker' is missing"));
}

TEST(FoldLetters, NameThePartOfEachClip) {
  EXPECT_THAT(fold_letters({{{0, 2}, {3}, {1}}, {{1}, {}, {2}}}, 4), testing::ElementsAre("tetd", "uteu"));
}

TEST(TrainedClips, AreRecognisedBySamplesOrFingerprint) {
  std::vector<TrainedClip> trained;
  const auto known = two_recordings();
  for (const Recording& recording : known)
    trained.push_back({.sha256 = recording.digest, .fingerprint = recording.fingerprint});
  std::vector<Recording> heard(4);
  heard[0].digest = known[0].digest;  // the same samples
  heard[1].digest = std::string(64, 'd');  // one bit of every fourth word differs
  heard[1].fingerprint = known[1].fingerprint;
  for (size_t word = 0; word < heard[1].fingerprint.size(); word += 4) heard[1].fingerprint[word] ^= 2;
  heard[2].digest = std::string(64, 'e');
  for (uint32_t word = 1; word <= 300; ++word) heard[2].fingerprint.push_back(word * 2246822519u ^ 0x5bd1e995u);
  heard[3].error = "no audio";
  EXPECT_THAT(trained_among(trained, heard), testing::ElementsAre(0, 1));
  EXPECT_THAT(trained_among({}, heard), IsEmpty());
}

}  // namespace
}  // namespace loralens
