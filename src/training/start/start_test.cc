// SPDX-License-Identifier: Apache-2.0
#include "training/start/start.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "classifier/test_model.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// Six clips of the speakers s0, s1, s2, two each, with different samples.
struct Corpus {
  Clips clips;
  std::vector<Recording> recordings;

  Corpus() {
    for (uint32_t i = 0; i < 6; ++i) {
      Clip& clip = clips.clips.emplace_back();
      clip.id = fmt::format("{}.wav", i);
      clip.speaker = fmt::format("s{}", i / 2);
      clip.corpus = "one";
      recordings.emplace_back().digest = std::string(64, static_cast<char>('a' + i));
    }
  }

  // These clips, as a record of their training.
  StartRecord trained(const std::vector<int64_t>& numbers, const std::string& prefix = "") const {
    StartRecord record{.clips = {}, .complete = true};
    for (const int64_t n : numbers)
      record.clips.push_back({.id = "other name",
                              .speaker = prefix + clips.clips[n].speaker,
                              .corpus = clips.clips[n].corpus,
                              .sha256 = recordings[n].digest});
    return record;
  }
  std::string leak(const StartRecord& record, const std::vector<Fold>& folds) const {
    return start_leak(record, clips, folds, trained_among(record.clips, recordings));
  }
};

TEST(StartLeak, IsAHeldOutClipThatTrainedTheAdapter) {
  const Corpus corpus;
  const std::vector<Fold> folds = {{{4, 5}, {}, {0, 1}}, {{4, 5}, {0}, {2, 3}}};
  EXPECT_EQ(corpus.leak(corpus.trained({4, 5}), folds), "") << "no fold holds them out";
  EXPECT_EQ(corpus.leak(corpus.trained({3, 4}), folds),
            "the adapter was trained on 1 of the 4 clips in test and development parts (3.wav; the first is in the "
            "test part of fold 1)");
  EXPECT_EQ(corpus.leak(corpus.trained({0, 1, 2, 3}), folds),
            "the adapter was trained on 4 of the 4 clips in test and development parts (0.wav, 1.wav, 2.wav, ...; the "
            "first is in the test part of fold 0)");
  EXPECT_THAT(corpus.leak(corpus.trained({0}), {{{4, 5}, {0}, {2, 3}}}), HasSubstr("the development part of fold 0"));
}

TEST(StartLeak, IsASpeakerWhoseOtherClipsTrainedTheAdapter) {
  const Corpus corpus;
  const std::vector<Fold> folds = {{{4}, {}, {0, 2}}};
  EXPECT_EQ(corpus.leak(corpus.trained({1, 4}), folds),
            "the adapter was trained on other clips of the speakers of 1 of the 2 clips in test and development parts "
            "(corpus one, speaker s0; the first is in the test part of fold 0)");
  EXPECT_THAT(corpus.leak(corpus.trained({1, 3}, "one/"), folds), HasSubstr("speakers s0, s1"))
      << "speakers as recorded in a run on several corpora";
  StartRecord others = corpus.trained({1, 3});
  for (TrainedClip& clip : others.clips) clip.corpus = "ONE", clip.speaker = " S0";
  EXPECT_THAT(corpus.leak(others, folds), HasSubstr("speaker s0;")) << "in another spelling";
  others = corpus.trained({1, 3});
  for (TrainedClip& clip : others.clips) clip.corpus = "two";
  EXPECT_EQ(corpus.leak(others, folds), "") << "same names in another corpus";
  EXPECT_THAT(known_speakers(others, corpus.clips, held_out(folds), /*same_corpus=*/false),
              testing::ElementsAre("s0", "s1"));
  for (TrainedClip& clip : others.clips) clip.corpus = "one", clip.speaker = "";
  EXPECT_EQ(corpus.leak(others, folds), "") << "unknown speakers";
}

TEST(ModelDigest, IsThatOfTheFilesOfTheModel) {
  const TestFolder folder;
  save_model(folder.path(), tiny_model(tiny_base(), tiny_adapter("lora")));
  const std::string digest = sha256_of_model(folder.path());
  folder.write("history.csv", "epoch");
  EXPECT_EQ(sha256_of_model(folder.path()), digest);
  folder.write("config.json", read_file(folder.path() / "config.json") + " ");
  EXPECT_NE(sha256_of_model(folder.path()), digest);
}

}  // namespace
}  // namespace loralens
