// SPDX-License-Identifier: Apache-2.0
// Examines the audio of clips: readability, clipping, silence, offset, and duplicates among them.
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
  std::string error;         // why the clip cannot be read; the other fields then have their default values
  double seconds = 0;
  int rate = 0, channels = 0;
  std::string digest;        // SHA-256 of the samples at 16 kHz, mono; equal for identical clips
  double clipped = 0;        // share of the file's values in runs at full scale
  double silent = 0;         // share of the 10 ms windows below -60 dB of full scale
  double offset = 0;         // mean of the samples, 1 at full scale
  std::string soundless;     // why there is no sound in the clip (audio/decode.h); empty if there is
  Fingerprint fingerprint;
};

// Decodes and examines each clip, on up to `threads` threads. progress: called with the number of clips done, never by
// two threads at once.
std::vector<Recording> examine(const Clips& clips, int64_t threads, const std::function<void(int64_t)>& progress);

// Two clips with nearly identical audio: the same recording with small changes, such as volume or coding.
struct NearPair {
  int64_t first, second;  // first < second
  double distance;        // between their fingerprints, at most same_recording
  double shift;           // s by which the common audio begins later in the first
};

// All pairs whose fingerprints agree, ascending. Only pairs that share the upper 24 bits of a fingerprint word are
// compared, so the work grows with what the clips have in common, not with the number of pairs. Pairs with the same
// digest are left out.
std::vector<NearPair> near_pairs(const std::vector<Recording>& recordings);

// Clips of one file that overlap in time: a segment and the whole, or two segments. first < second, ascending.
std::vector<std::pair<int64_t, int64_t>> overlapping_segments(const Clips& clips);

}  // namespace loralens
