// SPDX-License-Identifier: Apache-2.0
#include "training/card/model_card.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "classifier/test_model.h"

namespace loralens {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ModelCards : public testing::Test {
 protected:
  ModelCards() {
    base_.name = "openai/whisper-base";
    for (int64_t i = 0; i < 4; ++i) {
      Clip clip;
      clip.id = fmt::format("{}.wav", i);
      clip.speaker = i < 3 ? "a" : "b";
      clip.label = i % 2 ? "joy" : "rage|cold";
      clips_.clips.push_back(clip);
    }
    options_.adapter.method = "lora";
    options_.train.seed = 7;
  }

  // The card in this folder of the run.
  std::string card(const std::string& folder) {
    for (const char* name : {"fold-00", "fold-01", "final"}) std::filesystem::create_directories(run_.path() / name);
    write_model_cards(run_.path(), base_, clips_, folds_, options_, predictions_, metrics_);
    return read_file(run_.path() / folder / "README.md");
  }

  TestFolder run_;
  Base base_ = tiny_base();
  Clips clips_;
  RunOptions options_;
  std::vector<Fold> folds_ = {{{3}, {}, {0, 1, 2}}, {{0, 1}, {2}, {3}}};
  std::vector<Prediction> predictions_ = {{"0.wav", "a", "rage|cold", 0, 1, 1, {0, 1}, 7},
                                          {"1.wav", "a", "joy", 0, 0, 1, {0, 1}, 7},
                                          {"2.wav", "a", "rage|cold", 0, 1, 1, {0, 1}, 7},
                                          {"3.wav", "b", "joy", 1, 0, 0, {1, 0}, 7}};
  nlohmann::json metrics_ = {{"classes", {"joy", "rage|cold"}},
                             {"corpus", {"", "emo-db"}},
                             {"uar", {{"mean", 0.6}, {"pooled", 0.75}, {"low", 0.5}, {"high", 0.9}}}};
};

TEST_F(ModelCards, SayWhatTheModelIsAndHowGood) {
  const std::string text = card("fold-00");
  EXPECT_THAT(
      text, AllOf(testing::StartsWith("---\nlibrary_name: peft\nbase_model: \"openai/whisper-base\"\n"),
                  HasSubstr("fold-00 of 2 folds, seed 7"), HasSubstr("| classes | joy, rage\\|cold |\n"),
                  HasSubstr("| corpora | not named, emo-db |\n"), HasSubstr("| trained on | 1 clips of 1 speaker |\n"),
                  HasSubstr("| UAR on the test clips of its fold | 0.500 (3 clips of 1 speaker) |\n"),
                  HasSubstr("0.750, 95 % interval over speakers 0.500 to 0.900"),
                  HasSubstr("base = \"openai/whisper-base\""), HasSubstr("0.5 s of silence")));
  EXPECT_THAT(card("fold-01"), AllOf(HasSubstr("| trained on | 2 clips of 1 speaker; settings chosen on 1 clips of 1 "
                                               "speaker |\n"),
                                     HasSubstr("| 1.000 (1 clips of 1 speaker) |\n")));
}

TEST_F(ModelCards, SayWhyAScoreIsTooGood) {
  options_.train.selection = Selection::test;
  folds_[1] = {{0, 1, 2}, {}, {3}};
  EXPECT_THAT(card("fold-00"), AllOf(HasSubstr("| epoch | chosen on the test clips, as published: the scores are too "
                                               "high |"),
                                     HasSubstr("nothing is known of new speakers"), Not(HasSubstr("leaks"))));
  options_.train.selection = Selection::last;
  folds_[1].train = {0, 1, 3};
  folds_[1].test = {2};
  predictions_[3].fold = 0;
  predictions_[2].fold = 1;
  metrics_["from"] = {{"folder", "x"}};
  metrics_["trained_clips"] = 2;
  metrics_["skipped_clips"] = 3;
  EXPECT_THAT(card("fold-00"),
              AllOf(HasSubstr("| leaks | a speaker is in two of the training, development and test clips"),
                    HasSubstr("| started from | a trained adapter that knew 2 of the test clips and 0 of their "
                              "speakers |"),
                    HasSubstr("| left out | 3 unreadable clips |")));
  metrics_["corpus"] = {"synthetic"};
  metrics_["uar"] = {{"mean", 0.5}, {"low", nullptr}, {"high", nullptr}, {"reason", "4 speakers are too few"}};
  EXPECT_THAT(card("fold-00"), AllOf(HasSubstr("The corpus is synthetic speech"),
                                     HasSubstr("0.500 (no interval: 4 speakers are too few)")));
}

TEST_F(ModelCards, NameNoFolderOfThisMachine) {
  base_.name = "/home/me/whisper";
  options_.source.input.padded = true;
  metrics_["uar"]["low"] = nullptr;
  EXPECT_THAT(card("fold-00"), AllOf(Not(HasSubstr("home")), Not(HasSubstr("95 % interval")),
                                     HasSubstr("padded to 30 s"), HasSubstr("base = \"BASE\"")));
}

TEST_F(ModelCards, HaveTheLinesOfTheLibraryThatReadsTheModel) {
  options_.final_model = true;
  options_.adapter.method = "full";
  EXPECT_THAT(card("final"),
              AllOf(HasSubstr("library_name: transformers\n"), HasSubstr("from_pretrained(folder).eval()"),
                    Not(HasSubstr("peft")), Not(HasSubstr("test clips of its fold")),
                    HasSubstr("this model itself is tested on nothing"),
                    HasSubstr("| trained on | 4 clips of 2 speakers |\n")));
  options_.adapter.method = "houlsby";
  EXPECT_THAT(card("final"), AllOf(HasSubstr("library_name: loralens\n"), Not(HasSubstr("```python"))));
}

}  // namespace
}  // namespace loralens
