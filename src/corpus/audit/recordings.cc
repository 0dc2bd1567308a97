// SPDX-License-Identifier: Apache-2.0
#include "corpus/audit/recordings.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <tuple>

#include "audio/decode.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/parallel.h"
#include "corpus/cells.h"

namespace loralens {
namespace {

constexpr size_t window = sample_rate / 100;
constexpr double silence = 1e-6;  // mean square: -60 dB

constexpr size_t piece = size_t{30} * sample_rate;  // samples decoded at a time, a whole number of windows

// Sums over samples that arrive in pieces: silent windows, and the mean.
struct Loudness {
  int64_t windows = 0, silent = 0, samples = 0;
  double sum = 0;

  void add(std::span<const float> piece) {
    for (size_t at = 0; at + window <= piece.size(); at += window, ++windows) {
      double squares = 0;
      for (size_t i = at; i < at + window; ++i) squares += static_cast<double>(piece[i]) * piece[i];
      silent += squares < silence * window;
    }
    for (const float sample : piece) sum += sample;
    samples += std::ssize(piece);
  }
};

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

void examine_audio(const Clip& clip, Recording& recording) {
  AudioStream stream(clip.path, {clip.start, clip.end});
  Sha256 digest;
  Loudness loudness;
  Fingerprinter fingerprinter;
  for (bool more = true; more;) {
    const auto samples = stream.read(piece);
    digest.add({reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(float)});
    loudness.add(samples);
    fingerprinter.add(samples);
    more = samples.size() == piece;
  }
  const AudioFacts facts = stream.facts();
  recording.seconds = facts.seconds;
  recording.rate = facts.rate;
  recording.channels = facts.channels;
  recording.digest = digest.hex();
  recording.clipped = static_cast<double>(facts.clipped) / (facts.seconds * facts.rate * facts.channels);
  recording.silent = share(static_cast<double>(loudness.silent), static_cast<double>(loudness.windows));
  recording.offset = share(loudness.sum, static_cast<double>(loudness.samples));
  recording.soundless = soundless(facts);
  recording.fingerprint = fingerprinter.finish();
}

Recording examine_clip(const Clip& clip) {
  Recording recording;
  try {
    examine_audio(clip, recording);
  } catch (const Error& error) {
    recording = {.error = error.what() + advice_on_path(clip.path)};
  } catch (const std::exception& error) {  // such as out of memory
    recording = {.error = fmt::format("{}: cannot be decoded: {}", clip.path.string(), error.what())};
  }
  return recording;
}

// The upper bits of a word of a clip's fingerprint. When speech is re-encoded, about one word in ten keeps these bits.
struct Key {
  uint32_t bits;
  int32_t clip, place;
  bool operator<(const Key& other) const {
    return std::tie(bits, clip, place) < std::tie(other.bits, other.clip, other.place);
  }
};

constexpr int key_shift = 8;       // keeps the upper 24 bits, where re-encoding changes less
constexpr size_t most_alike = 400;  // keys with the same bits: more frequent bits do not distinguish clips

std::vector<Key> keys_of(const std::vector<Recording>& recordings) {
  std::vector<Key> keys;
  for (size_t clip = 0; clip < recordings.size(); ++clip) {
    const Fingerprint& words = recordings[clip].fingerprint;
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] != 0 && (i == 0 || words[i] != words[i - 1]))
        keys.push_back({words[i] >> key_shift, static_cast<int32_t>(clip), static_cast<int32_t>(i)});
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

// Whether the words around a shared key agree too: a quick test before whole fingerprints are compared.
bool agree_nearby(const Fingerprint& a, const Fingerprint& b, int64_t at, int64_t shift) {
  constexpr int64_t reach = 16;
  constexpr double most_different = 0.35;
  int64_t compared = 0, different = 0;
  const int64_t end = std::min({at + reach + 1, std::ssize(a), std::ssize(b) + shift});
  for (int64_t i = std::max({int64_t{0}, at - reach, shift}); i < end; ++i) {
    const uint32_t x = a[i], y = b[i - shift];
    if (x == 0 || y == 0) continue;
    ++compared;
    different += std::popcount(x ^ y);
  }
  return static_cast<double>(different) <= most_different * 32 * static_cast<double>(compared);
}

}  // namespace

std::vector<Recording> examine(const Clips& clips, int64_t threads, const std::function<void(int64_t)>& progress) {
  std::vector<Recording> recordings(clips.clips.size());
  std::mutex guard;
  int64_t done = 0;
  parallel_for(recordings.size(), threads, [&](size_t i) {
    recordings[i] = examine_clip(clips.clips[i]);
    const std::lock_guard lock(guard);
    progress(++done);
  });
  return recordings;
}

std::vector<NearPair> near_pairs(const std::vector<Recording>& recordings) {
  const auto keys = keys_of(recordings);
  std::map<std::pair<int32_t, int32_t>, NearPair> found;
  const auto compare = [&](const Key& x, const Key& y) {
    const Recording &a = recordings[x.clip], &b = recordings[y.clip];
    const int64_t shift = x.place - y.place;
    if (!agree_nearby(a.fingerprint, b.fingerprint, x.place, shift) || a.digest == b.digest) return;
    const double apart = distance(a.fingerprint, b.fingerprint, shift);
    if (apart > same_recording) return;
    const NearPair pair{x.clip, y.clip, apart, static_cast<double>(shift) * fingerprint_hop};
    const auto [place, fresh] = found.try_emplace({x.clip, y.clip}, pair);
    if (!fresh && apart < place->second.distance) place->second = pair;
  };
  for (size_t begin = 0, end; begin < keys.size(); begin = end) {
    for (end = begin; end < keys.size() && keys[end].bits == keys[begin].bits;) ++end;
    if (end - begin > most_alike) continue;
    for (size_t i = begin; i < end; ++i)
      for (size_t j = i + 1; j < end; ++j)
        if (keys[i].clip != keys[j].clip) compare(keys[i], keys[j]);
  }
  std::vector<NearPair> pairs;
  for (const auto& [numbers, pair] : found) pairs.push_back(pair);
  return pairs;
}

std::vector<std::pair<int64_t, int64_t>> overlapping_segments(const Clips& clips) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < std::ssize(clips.clips); ++i) order.push_back(i);
  const auto clip = [&](int64_t i) -> const Clip& { return clips.clips[i]; };
  const auto end_of = [](const Clip& c) { return c.is_segment() ? c.end : std::numeric_limits<double>::infinity(); };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const int paths = clip(a).path.native().compare(clip(b).path.native());
    return paths != 0 ? paths < 0 : clip(a).start < clip(b).start;
  });
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (size_t i = 0; i < order.size(); ++i)
    for (size_t j = i + 1; j < order.size() && clip(order[j]).path.native() == clip(order[i]).path.native() &&
                           clip(order[j]).start < end_of(clip(order[i]));
         ++j)
      pairs.push_back(std::minmax(order[i], order[j]));
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

}  // namespace loralens
