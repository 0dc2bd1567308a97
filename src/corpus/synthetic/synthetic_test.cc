// SPDX-License-Identifier: Apache-2.0
#include "corpus/synthetic/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <set>

#include "audio/decode.h"
#include "base/digest.h"
#include "base/test_folder.h"
#include "corpus/clips.h"

namespace loralens {
namespace {

using testing::HasSubstr;

double level(const std::vector<float>& samples) {  // dB
  double sum = 0;
  for (const float x : samples) sum += double(x) * x;
  return 10 * std::log10(sum / static_cast<double>(samples.size()));
}

// Runs `work` in a child process, so that espeak-ng is always in the same initial state.
template <typename Work>
void in_a_process_of_its_own(Work&& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(error_of(work).empty() ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

TEST(Synthetic, EveryVoiceSaysEveryTextInEveryClass) {
  const TestFolder folder;
  write_synthetic_corpus(folder.path(), {.voices = 3, .sentences = 2});
  const Clips clips = read_clips(folder.path() / "clips.csv");
  EXPECT_EQ(check_files(clips), "");
  std::set<std::string> combinations;
  std::map<std::string, std::string> genders;
  for (const Clip& clip : clips.clips) {
    combinations.insert(clip.speaker + clip.label + clip.text);
    genders[clip.speaker] = clip.gender;
    EXPECT_EQ(clip.corpus, "synthetic");
    EXPECT_EQ(clip.language, "en");
    EXPECT_THAT(clip.path.filename().string(), HasSubstr("synthetic"));
  }
  EXPECT_EQ(clips.clips.size(), 3u * 4 * 2);
  EXPECT_EQ(combinations.size(), clips.clips.size());
  EXPECT_EQ(classes_of(clips), (std::vector<std::string>{"anger", "happiness", "neutral", "sadness"}));
  EXPECT_EQ(genders, (std::map<std::string, std::string>{
                         {"synthetic-f1", "female"}, {"synthetic-f2", "female"}, {"synthetic-m1", "male"}}));
  EXPECT_THAT(read_file(folder.path() / "README.md"), HasSubstr("# Synthetic"));
}

TEST(Synthetic, ClipsAre16BitMonoOfAFewSecondsAndNotOverdriven) {
  const TestFolder folder;
  write_synthetic_corpus(folder.path(), {.voices = 2, .sentences = 3});
  for (const Clip& clip : read_clips(folder.path() / "clips.csv").clips) {
    SF_INFO info = {};
    sf_close(sf_open(clip.path.c_str(), SFM_READ, &info));
    EXPECT_EQ(info.samplerate, 16000);
    EXPECT_EQ(info.channels, 1);
    EXPECT_EQ(info.format, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    const Audio audio = load_audio(clip.path);
    EXPECT_GT(audio.seconds, 1);
    EXPECT_LT(audio.seconds, 4);
    float peak = 0;
    for (const float x : audio.samples) peak = std::max(peak, std::abs(x));
    EXPECT_GT(peak, 0.01);
    EXPECT_LT(peak, 0.99);
  }
}

TEST(Synthetic, SameSeedSameBytes) {
  const TestFolder folder;
  for (const auto& [name, seed] : std::map<std::string, uint64_t>{{"a", 42}, {"b", 42}, {"c", 43}})
    in_a_process_of_its_own(
        [&] { write_synthetic_corpus(folder.path() / name, {.seed = seed, .voices = 2, .sentences = 1}); });
  for (const Clip& clip : read_clips(folder.path() / "a" / "clips.csv").clips) {
    const auto digest = [&](const char* name) { return sha256_of_file(folder.path() / name / clip.id); };
    EXPECT_EQ(digest("a"), digest("b")) << clip.id;
    EXPECT_NE(digest("a"), digest("c")) << clip.id;
  }
}

TEST(Synthetic, ClassesDifferOnAverageAndOverlap) {
  const TestFolder folder;
  write_synthetic_corpus(folder.path(), {.voices = 2, .sentences = 12});
  std::map<std::string, double> seconds, loudness;          // sums over the 24 clips of a class
  std::map<std::string, std::pair<double, double>> extent;  // of the loudness of one speaker: least, greatest
  for (const Clip& clip : read_clips(folder.path() / "clips.csv").clips) {
    const Audio audio = load_audio(clip.path);
    const double dB = level(audio.samples);
    seconds[clip.label] += audio.seconds;
    loudness[clip.label] += dB;
    if (clip.speaker != "synthetic-f1") continue;
    auto& [least, greatest] = extent.try_emplace(clip.label, dB, dB).first->second;
    least = std::min(least, dB);
    greatest = std::max(greatest, dB);
  }
  EXPECT_GT(seconds["sadness"], 1.1 * seconds["neutral"]);
  EXPECT_GT(seconds["neutral"], 1.1 * seconds["anger"]);
  EXPECT_GT(loudness["anger"] / 24, loudness["neutral"] / 24 + 3);
  EXPECT_GT(loudness["neutral"] / 24, loudness["sadness"] / 24 + 2);
  EXPECT_GT(extent["neutral"].second, extent["anger"].first);
  EXPECT_GT(extent["sadness"].second, extent["neutral"].first);
}

TEST(Synthetic, OptionsOutOfRangeAndFoldersThatCannotBeWritten) {
  const TestFolder folder;
  const auto message = [&](const Path& path, const SyntheticOptions& options) {
    return error_of([&] { write_synthetic_corpus(path, options); });
  };
  EXPECT_EQ(message(folder.path(), {.voices = 13}), "the synthetic corpus has 1 to 12 voices, not 13");
  EXPECT_EQ(message(folder.path(), {.sentences = 0}), "the synthetic corpus has 1 to 12 sentences, not 0");
  write_file(folder.path() / "file", "x");
  EXPECT_THAT(message(folder.path() / "file", {.voices = 1, .sentences = 1}), HasSubstr("cannot create folders in"));
}

}  // namespace
}  // namespace loralens
