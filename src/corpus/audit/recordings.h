// What the samples of clips say: whether they can be read, how loud they are, whether two are the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "audio/fingerprint.h"
#include "corpus/clips.h"

namespace loralens {

struct Recording {
  std::string error;         // why it cannot be read; the rest is then as it stands here
  double seconds = 0;
  int rate = 0, channels = 0;
  std::string digest;        // SHA-256 of the samples at 16 kHz, mono: clips with the same one are identical
  double clipped = 0;        // share of the file's values in runs at full scale
  double silent = 0;         // share of the 10 ms windows below -60 dB of full scale
  double offset = 0;         // mean of the samples, 1 at full scale
  Fingerprint fingerprint;
};

// Decodes each clip, on up to `threads` threads. progress: told, one call at a time, how many are done.
std::vector<Recording> examine(const Clips& clips, int64_t threads, const std::function<void(int64_t)>& progress);

// Two clips that sound the same without being identical.
struct NearPair {
  int64_t first, second;  // first < second
  double distance;        // of their fingerprints, up to same_recording
  double shift;           // s by which what is heard begins later in the first
};

// All pairs whose fingerprints agree, ascending. Candidates share the better part of a word somewhere, so the work
// grows with what the clips have in common, not with the number of pairs. Clips with the same digest are left out.
std::vector<NearPair> near_pairs(const std::vector<Recording>& recordings);

// Clips of one file that overlap in time: a segment and the whole, or two segments. first < second, ascending.
std::vector<std::pair<int64_t, int64_t>> overlapping_segments(const Clips& clips);

}  // namespace loralens
