// SPDX-License-Identifier: Apache-2.0
// Generates a corpus of synthetic emotional speech with the synthesiser espeak-ng, for trying the program without a
// recorded corpus. It is labelled as synthetic everywhere; results on it say nothing about people's emotions.
#pragma once

#include <cstdint>

#include "base/files.h"

namespace loralens {

struct SyntheticOptions {
  uint64_t seed = 42;  // random seed for the speakers' habits, the rooms and the style of each clip
  int voices = 8;      // speakers, 1 to 12; alternately female and male
  int sentences = 12;  // texts, 1 to 12
};

// Generates voices x sentences clips of each of the classes anger, happiness, neutral, sadness, 1 to 4 s long, and
// writes <folder>/audio/<speaker>/<speaker>_<class>_<text>.wav (16 kHz, mono, 16 bit), <folder>/clips.csv and a
// README.md. The classes differ in mean rate, pitch, pitch range and loudness. Clips, speakers and rooms vary randomly,
// so the classes overlap. On one machine, the first corpus of a process has the same bytes for the same options; later
// ones may differ, because espeak-ng carries the phase of a voice's flutter from one utterance to the next. Not
// thread-safe. Error if an option is out of range, the data of espeak-ng is missing, or the folder cannot be written.
void write_synthetic_corpus(const Path& folder, const SyntheticOptions& options = {});

}  // namespace loralens
