// SPDX-License-Identifier: Apache-2.0
#include "corpus/audit/recordings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "audio/decode.h"
#include "base/random.h"
#include "base/test_folder.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr int wav = SF_FORMAT_WAV | SF_FORMAT_PCM_16, flac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
constexpr int ogg = SF_FORMAT_OGG | SF_FORMAT_VORBIS;

void write_audio(const Path& path, const std::vector<float>& samples, int format, int rate = sample_rate) {
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = 1;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  ASSERT_NE(file, nullptr);
  for (size_t at = 0; at < samples.size(); at += 4096)  // libvorbis overflows its stack on long blocks
    sf_write_float(file, samples.data() + at, static_cast<sf_count_t>(std::min<size_t>(4096, samples.size() - at)));
  sf_close(file);
}

// Noise whose loudness and colour change every tenth of a second.
std::vector<float> noise(uint64_t seed, double seconds) {
  Random random(seed);
  std::vector<float> samples(static_cast<size_t>(seconds * sample_rate));
  double past = 0, older = 0, level = 0, turn = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i % 1600 == 0) {
      level = 0.005 + 0.02 * random.uniform();
      turn = 2 * std::cos(2 * 3.14159265358979 * random.uniform(400, 3200) / sample_rate);
    }
    const double value = random.normal() + 0.97 * turn * past - 0.94 * older;
    older = past;
    past = value;
    samples[i] = static_cast<float>(level * value);
  }
  return samples;
}

Clips clips_of(const std::vector<Path>& paths) {
  Clips clips;
  for (const auto& path : paths) {
    Clip clip;
    clip.path = path;
    clip.id = path.filename().string();
    clips.clips.push_back(clip);
  }
  return clips;
}

std::vector<Recording> examine_all(const Clips& clips) {
  return examine(clips, 2, [](int64_t) {});
}

TEST(Recordings, SayWhatIsInTheSamples) {
  const TestFolder folder;
  const auto path = [&](const char* name) { return folder.path() / name; };
  auto loud = noise(1, 1), shifted = noise(2, 1);
  for (size_t i = 4000; i < 4400; ++i) loud[i] = i % 2 ? 1 : 0.5F;  // isolated peaks do not count as clipping
  for (size_t i = 8000; i < 8160; ++i) loud[i] = -1;
  for (float& sample : shifted) sample += 0.05F;
  std::vector<float> quiet(16000);
  for (size_t i = 0; i < 1600; ++i) quiet[i] = shifted[i];
  write_audio(path("loud.wav"), loud, wav);
  write_audio(path("shifted.wav"), shifted, wav, 22050);
  write_audio(path("quiet.flac"), quiet, flac);
  folder.write("text.wav", "no audio");
  const auto recordings = examine_all(
      clips_of({path("loud.wav"), path("shifted.wav"), path("quiet.flac"), path("text.wav"), path("none.wav")}));
  EXPECT_NEAR(recordings[0].clipped, 0.01, 1e-9);
  EXPECT_EQ(recordings[1].clipped, 0);
  EXPECT_EQ(recordings[1].rate, 22050);
  EXPECT_EQ(recordings[1].channels, 1);
  EXPECT_NEAR(recordings[1].seconds, 16000. / 22050, 1e-9);
  EXPECT_NEAR(recordings[1].offset, 0.05, 1e-3);
  EXPECT_NEAR(recordings[2].silent, 0.9, 1e-9);
  EXPECT_EQ(recordings[0].silent, 0);
  EXPECT_THAT(recordings[3].error, HasSubstr("text.wav: "));
  EXPECT_THAT(recordings[4].error, HasSubstr("none.wav"));
  EXPECT_EQ(recordings[4].digest, "");
}

TEST(Recordings, TheSameSamplesInAnotherFormatAreIdentical) {
  const TestFolder folder;
  const auto samples = noise(3, 2);
  write_audio(folder.path() / "a.wav", samples, wav);
  write_audio(folder.path() / "b.flac", samples, flac);
  write_audio(folder.path() / "c.ogg", samples, ogg);
  write_audio(folder.path() / "d.wav", noise(4, 2), wav);
  const auto recordings = examine_all(
      clips_of({folder.path() / "a.wav", folder.path() / "b.flac", folder.path() / "c.ogg", folder.path() / "d.wav"}));
  EXPECT_EQ(recordings[0].digest, recordings[1].digest);
  EXPECT_NE(recordings[0].digest, recordings[2].digest);
  const auto pairs = near_pairs(recordings);
  ASSERT_EQ(pairs.size(), 2u);  // the Ogg file with each of the two others
  EXPECT_EQ(pairs[0].first, 0);
  EXPECT_EQ(pairs[0].second, 2);
  EXPECT_EQ(pairs[1].first, 1);
  EXPECT_NEAR(pairs[0].shift, 0, 0.011);
}

TEST(Recordings, SegmentsOfAFileMayOverlap) {
  Clips clips = clips_of({"a.wav", "a.wav", "b.wav", "a.wav", "b.wav"});
  const double times[][2] = {{0, 2}, {2, 3}, {0, -1}, {1.5, 2.5}, {4, 5}};
  for (size_t i = 0; i < 5; ++i) {
    clips.clips[i].start = times[i][0];
    clips.clips[i].end = times[i][1];
  }
  EXPECT_THAT(overlapping_segments(clips), ElementsAre(Pair(0, 3), Pair(1, 3), Pair(2, 4)));
}

// Real speech, if corpora are available: changed copies are found; other takes of the same sentence are not.
class RealSpeech : public testing::Test {
 protected:
  Clips clips(const char* reader, const char* folder) {
    const Path root = shared_folder() / "corpora" / folder;
    return is_directory(root) ? read_corpus(reader, root, {.labels = "*"}).clips : Clips{};
  }
};

TEST_F(RealSpeech, OtherTakesOfASentenceAreOtherRecordings) {
  for (const auto& [reader, folder, known] : {std::tuple{"ravdess", "ravdess", 1u}, {"emo-db", "emodb", 0u}}) {
    const Clips corpus = clips(reader, folder);
    if (corpus.clips.empty()) GTEST_SKIP() << "no " << folder << " in ../shared/corpora";
    const auto recordings = examine_all(corpus);
    std::set<std::string> digests;
    for (const auto& recording : recordings) digests.insert(recording.digest);
    const auto pairs = near_pairs(recordings);
    EXPECT_EQ(pairs.size() + recordings.size() - digests.size(), known) << folder;
    for (const auto& pair : pairs) {
      EXPECT_EQ(corpus.clips[pair.first].path.stem(), "03-01-03-01-02-01-07");
      EXPECT_EQ(corpus.clips[pair.second].path.stem(), "03-01-03-01-02-02-07");
    }
  }
}

TEST_F(RealSpeech, AChangedCopyIsTheSameRecording) {
  const TestFolder folder;
  for (const auto& [reader, name] : {std::pair{"ravdess", "ravdess"}, {"emo-db", "emodb"}}) {
    const Clips corpus = clips(reader, name);
    if (corpus.clips.empty()) GTEST_SKIP() << "no " << name << " in ../shared/corpora";
    std::vector<Path> paths;
    for (size_t i = 0; i < corpus.clips.size(); i += corpus.clips.size() / 24) paths.push_back(corpus.clips[i].path);
    const size_t originals = paths.size();
    for (size_t i = 0; i < originals; ++i) {
      const auto samples = load_audio(paths[i]).samples;
      std::vector<float> changed(800);  // 50 ms later, 12 dB softer, 8 kHz, Ogg
      for (size_t k = 0; k + 1 < samples.size(); k += 2) changed.push_back(0.25F * (samples[k] + samples[k + 1]) / 2);
      changed.erase(changed.begin(), changed.begin() + 400);
      paths.push_back(folder.path() / fmt::format("{}-{}.ogg", name, i));
      write_audio(paths.back(), changed, ogg, 8000);
    }
    const auto pairs = near_pairs(examine_all(clips_of(paths)));
    ASSERT_EQ(pairs.size(), originals);
    for (size_t i = 0; i < originals; ++i) {
      EXPECT_EQ(pairs[i].first, static_cast<int64_t>(i));
      EXPECT_EQ(pairs[i].second, static_cast<int64_t>(i + originals));
      EXPECT_NEAR(pairs[i].shift, -0.05, 0.011);
    }
  }
}

}  // namespace
}  // namespace loralens
