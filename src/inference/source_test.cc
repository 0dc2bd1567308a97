// SPDX-License-Identifier: Apache-2.0
#include "inference/source.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "classifier/head.h"
#include "classifier/test_model.h"
#include "compute/linear.h"
#include "inference/test_clips.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;

class Source : public testing::Test {
 protected:
  Tensor rows(ClipSource& source, std::vector<int64_t> clips) { return source.batch(clips).x; }

  TestFolder folder_;
  Encoder encoder_ = tiny_encoder();
  std::vector<Clip> clips_ = {tone_clip(folder_, "a", 300, 0.7, 1), tone_clip(folder_, "b", 900, 0.2, 2),
                              tone_clip(folder_, "c", 500, 0.41, 3)};
};

TEST_F(Source, AClipHasTheSameBitsInEveryBatch) {
  for (const int64_t first_layer : {0, 2, 3, -1}) {
    ClipSource reference(encoder_, clips_, first_layer, {});
    const Tensor a = rows(reference, {0}), b = rows(reference, {1}), c = rows(reference, {2});
    ClipSource source(encoder_, clips_, first_layer, {});
    EXPECT_TRUE(same_bits(rows(source, {2, 0, 1}), at::cat({c, a, b}))) << "fresh";
    EXPECT_TRUE(same_bits(rows(source, {1, 2}), at::cat({b, c}))) << "kept";
    ClipSource nothing_kept(encoder_, clips_, first_layer, {.input = {}, .cache_bytes = 0});
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(same_bits(rows(nothing_kept, {0, 2, 1}), at::cat({a, c, b}))) << "not kept";
    ClipSource ahead(encoder_, clips_, first_layer, {.input = {}, .threads = 2});
    ahead.prefetch(std::vector<int64_t>{0, 1, 2});
    ahead.prefetch(std::vector<int64_t>{1, 2});
    EXPECT_TRUE(same_bits(rows(ahead, {1, 0, 2}), at::cat({b, a, c}))) << "decoded ahead";
  }
}

// Padding rows bring the number of rows to a multiple of rows_multiple() and do not change the clips' states.
TEST_F(Source, RoundRowsChangeNoClip) {
  ClipSource source(encoder_, clips_, 0, {});
  const Batch batch = source.batch(std::vector<int64_t>{0, 2, 1}), round = with_round_rows(batch);
  EXPECT_NE(batch.x.size(0) % rows_multiple(), 0);
  EXPECT_EQ(round.x.size(0) % rows_multiple(), 0);
  EXPECT_EQ(round.pass.rows(), round.x.size(0));
  EXPECT_EQ(round.pass.clips(), 3);
  EXPECT_EQ(round.pass.keys.size(), round.pass.lengths.size());
  const Tensor x = run(encoder_, {}, batch.x, {0, 3}, batch.pass), y = run(encoder_, {}, round.x, {0, 3}, round.pass);
  EXPECT_LT(difference(mean_over_clips(y, round.pass), mean_over_clips(x, batch.pass)), 1e-6);
  EXPECT_TRUE(same_bits(with_round_rows(round).x, round.x));
}

TEST_F(Source, StopsAtTheFirstAdaptedLayer) {
  const auto mels = mel_segments(clips_[0], LogMel(80), {}, padded_length);
  ASSERT_EQ(mels.size(), 1u);
  const Tensor embedding = stem(encoder_, mels[0]);
  ClipSource source(encoder_, clips_, 2, {});
  EXPECT_TRUE(same_bits(rows(source, {0}), run(encoder_, {}, embedding, {0, 2}, pass_of({embedding.size(0)}))));
  EXPECT_EQ(source.first_layer(), 2);
  EXPECT_FALSE(rows(source, {0}).requires_grad());
}

// After its file is deleted, a clip can be read only from the cache.
TEST_F(Source, KeepsWhatFits) {
  ClipSource source(encoder_, clips_, 1,
                    {.input = {}, .cache_bytes = 61 * 16 * 4});  // clip a: 0.7 + 0.5 s, 60 positions
  const Tensor a = rows(source, {0});
  EXPECT_EQ(a.size(0), 60);
  rows(source, {1});
  for (const Clip& clip : clips_) std::filesystem::remove(clip.path);
  EXPECT_TRUE(same_bits(rows(source, {0}), a));
  EXPECT_THAT(error_of([&] { rows(source, {1}); }), HasSubstr("b.wav"));
}

TEST_F(Source, AFileThatCannotBeReadIsNamed) {
  write_file(clips_[1].path, "not audio");
  ClipSource source(encoder_, clips_, 0, {});
  EXPECT_THAT(error_of([&] { rows(source, {0, 1}); }), HasSubstr("b.wav"));
  source.prefetch(std::vector<int64_t>{1});
  EXPECT_THAT(error_of([&] { rows(source, {1}); }), HasSubstr("b.wav"));
  EXPECT_EQ(source.batch(std::vector<int64_t>{2}).pass.lengths.size(), 1u) << "the others can still be read";
}

TEST_F(Source, ATrainedStemGetsItsGradient) {
  Encoder trained = tiny_encoder();
  trained.conv1.weight.requires_grad_();
  ClipSource source(encoder_, clips_, -1, {});
  EXPECT_EQ(source.first_layer(), 0);
  const std::vector<int64_t> numbers = {0, 2};
  const Tensor x = source.batch(numbers, &trained).x;
  x.square().sum().backward();
  EXPECT_GT(largest(trained.conv1.weight.grad()), 0);
  const Encoder other = tiny_encoder(2);  // another stem gives other rows: only the log-mels may be cached
  EXPECT_TRUE(same_bits(source.batch(numbers, &other).x, ClipSource(other, clips_, -1, {}).batch(numbers).x));
}

TEST_F(Source, KeysStandForClipsAndTheirSegments) {
  write_wav(clips_[0].path, tone(300, 31, 1));
  ClipSource source(encoder_, clips_, 0, {});
  const Batch both = source.batch(std::vector<int64_t>{0, 2}), one = source.batch(std::vector<int64_t>{2});
  EXPECT_THAT(both.pass.segments, ElementsAre(2, 1));
  ASSERT_EQ(both.pass.keys.size(), 3u);
  EXPECT_EQ(std::set<uint64_t>(both.pass.keys.begin(), both.pass.keys.end()).size(), 3u);
  EXPECT_EQ(one.pass.keys[0], both.pass.keys[2]);
  EXPECT_EQ(source.key(2), hash_of("c.wav"));
}

// ---- Lengths

struct Lengths {
  std::string name;
  double seconds;
  InputOptions input;
  std::vector<int64_t> positions;  // of each segment
};

class InputLengths : public testing::TestWithParam<Lengths> {};

TEST_P(InputLengths, AreThoseOfTheOptions) {
  const auto& [name, seconds, input, positions] = GetParam();
  const TestFolder folder;
  const std::vector<Clip> clips = {tone_clip(folder, "clip", 400, seconds, 1)};
  double read = 0;
  std::vector<int64_t> lengths;
  for (const Tensor& mel : mel_segments(clips[0], LogMel(80), input, padded_length, &read)) {
    EXPECT_EQ(mel.size(0), 80);
    lengths.push_back(mel.size(1) / 2);
  }
  EXPECT_EQ(lengths, positions);
  EXPECT_DOUBLE_EQ(read, seconds);
  ClipSource source(tiny_encoder(), clips, 0, {.input = input});
  EXPECT_THAT(source.positions(), ElementsAre(std::accumulate(lengths.begin(), lengths.end(), int64_t{0})));
}

INSTANTIATE_TEST_SUITE_P(Inputs, InputLengths,
                         testing::Values(Lengths{"speech", 1.0, {}, {75}},  // with 0.5 s of silence
                                         Lengths{"speech_that_fills_no_position", 1.001, {}, {76}},  // rounded up
                                         Lengths{"no_tail", 1.0, {.tail = 0}, {50}},  //
                                         Lengths{"windows", 61.0, {}, {1500, 1500, 75}},  //
                                         Lengths{"no_window_of_silence", 29.75, {}, {1500}},  // the tail ends at 30 s
                                         Lengths{"no_third_window_of_silence", 59.9, {}, {1500, 1500}},  //
                                         Lengths{"a_whole_window", 30.0, {}, {1500}},  //
                                         Lengths{"a_window_of_little_speech", 30.1, {}, {1500, 30}},  //
                                         Lengths{"cut", 61.0, {.cut = true}, {1500}},  // 30 s, the tail included
                                         Lengths{"cut_just_below", 29.75, {.cut = true}, {1500}},  //
                                         Lengths{"cut_short", 1.0, {.cut = true}, {75}},  //
                                         Lengths{"padded", 1.0, {.padded = true}, {1500}},  //
                                         Lengths{"padded_whole", 30.0, {.padded = true}, {1500}},  //
                                         Lengths{"padded_windows", 31.0, {.padded = true}, {1500, 1500}},
                                         Lengths{"padded_cut", 31.0, {.padded = true, .cut = true}, {1500}}),
                         [](const auto& info) { return info.param.name; });

// An encoder with fewer positions reads windows of its own length.
TEST(Inputs, WindowsAreThoseOfTheEncoder) {
  const TestFolder folder;
  const std::vector<Clip> clips = {tone_clip(folder, "clip", 400, 40, 1)};
  Encoder encoder = tiny_encoder();
  encoder.config.positions = 750;
  EXPECT_EQ(window_samples(encoder.config), 240'000);
  for (const auto& [input, positions] : {std::pair{InputOptions{}, int64_t{2025}},
                                         {InputOptions{.padded = true}, 2250},
                                         {InputOptions{.cut = true}, 750}}) {
    ClipSource source(encoder, clips, 0, {.input = input});
    EXPECT_THAT(source.positions(), ElementsAre(positions));
    int64_t read = 0;
    for (const Tensor& mel : mel_segments(clips[0], LogMel(80), input, 240'000)) {
      EXPECT_LE(mel.size(1), 1500);
      read += mel.size(1) / 2;
    }
    EXPECT_EQ(read, positions);
  }
}

TEST(Inputs, ASegmentOfAFileIsAClip) {
  const TestFolder folder;
  Clip clip = tone_clip(folder, "long", 400, 3, 1);
  clip.start = 1;
  clip.end = 1.5;
  double seconds = 0;
  EXPECT_EQ(mel_segments(clip, LogMel(80), {}, padded_length, &seconds)[0].size(1), 100);
  EXPECT_EQ(seconds, 0.5);
}

// ---- Changed log-mels

TEST_F(Source, AChangeOfLogMelsIsNotKept) {
  const MelChange half = [](int64_t clip, int64_t, const Tensor& mel) { return clip == 0 ? mel * 0.5 : mel; };
  ClipSource source(encoder_, clips_, 1, {}), other(encoder_, clips_, 1, {.input = {}, .cache_bytes = 0});
  const auto changed = [&](ClipSource& from, std::vector<int64_t> numbers) {
    return from.changed_batch(numbers, half).x;
  };
  const Tensor plain = rows(source, {0}), one = changed(source, {0});
  EXPECT_EQ(one.sizes(), plain.sizes());
  EXPECT_FALSE(same_bits(one, plain));
  EXPECT_TRUE(same_bits(changed(source, {2, 0}), at::cat({rows(source, {2}), one})));
  EXPECT_TRUE(same_bits(changed(other, {2, 0}), at::cat({rows(source, {2}), one}))) << "not cached";
  EXPECT_TRUE(same_bits(rows(source, {0}), plain));
}

}  // namespace
}  // namespace loralens
