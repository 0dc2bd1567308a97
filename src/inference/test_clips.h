// SPDX-License-Identifier: Apache-2.0
// For tests: clips of a tone in noise, written as WAV files.
#pragma once

#include <gtest/gtest.h>
#include <sndfile.h>

#include <numbers>

#include "base/error.h"
#include "base/random.h"
#include "base/test_folder.h"
#include "corpus/clips.h"
#include "inference/decoded_files.h"

namespace loralens {

inline void write_wav(const Path& path, const std::vector<float>& samples, int rate = 16000) {
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (!file) fail("{}: {}", path.string(), sf_strerror(nullptr));
  sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
}

// A tone of `hertz` in noise.
inline std::vector<float> tone(double hertz, double seconds, uint64_t seed, int rate = 16000) {
  Random random(seed);
  std::vector<float> samples;
  for (int64_t n = 0; n < std::llround(seconds * rate); ++n)
    samples.push_back(static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(n) / rate) +
                                         0.02 * random.normal()));
  return samples;
}

// A clip whose audio it writes to <name>.wav in the folder.
inline Clip tone_clip(const TestFolder& folder, const std::string& name, double hertz, double seconds, uint64_t seed) {
  Clip clip;
  clip.id = name + ".wav";
  clip.path = folder.path() / clip.id;
  write_wav(clip.path, tone(hertz, seconds, seed));
  return clip;
}

// `count` clips of 0.2 to 0.5 s. Clips with even numbers have the label "high" and a tone near 2 kHz, the others "low"
// and a tone near 300 Hz. Four speakers alternate after every two clips.
inline Clips tone_corpus(const TestFolder& folder, int64_t count) {
  Clips clips;
  clips.folder = folder.path();
  Random random(5);
  for (int64_t i = 0; i < count; ++i) {
    const bool high = i % 2 == 0;
    const double hertz = (high ? 2000 : 300) * random.uniform(0.9, 1.1);
    clips.clips.push_back(tone_clip(folder, fmt::format("{:02}", i), hertz, random.uniform(0.2, 0.5), random.bits()));
    clips.clips.back().label = high ? "high" : "low";
    clips.clips.back().speaker = fmt::format("s{}", i / 2 % 4);
  }
  return clips;
}

inline PathSource source_of(std::vector<std::string> paths) {
  return [paths = std::move(paths), next = size_t{0}]() mutable -> std::optional<std::string> {
    if (next == paths.size()) return std::nullopt;
    return paths[next++];
  };
}

}  // namespace loralens
