// The embedded corpus: emotional speech made by the synthesiser espeak-ng, for trying the program where no recorded
// corpus is at hand. It is synthetic and says so wherever it shows: numbers measured on it mean nothing for people.
#pragma once

#include <cstdint>

#include "base/files.h"

namespace loralens {

struct SyntheticOptions {
  uint64_t seed = 42;  // of everything that is drawn: habits of the speakers, rooms, the style of each clip
  int voices = 8;      // speakers, 1 to 12; women and men in turn
  int sentences = 12;  // texts, 1 to 12
};

// Makes voices x sentences clips of each of the classes anger, happiness, neutral, sadness, 1 to 4 s long, and writes
// <folder>/audio/<speaker>/<speaker>_<class>_<text>.wav (16 kHz, mono, 16 bit), <folder>/clips.csv and a README.md.
// The classes differ in the means of rate, pitch, pitch range and loudness; each clip draws its own values around
// them, and so do speakers and rooms, so that the classes overlap. On one machine the same options give the same bytes
// as the first corpus of a process (espeak-ng carries the phase of a voice's flutter from one utterance to the next).
// Not for two threads at once.
// Error if an option is out of range, the data of espeak-ng is missing, or the folder cannot be written.
void write_synthetic_corpus(const Path& folder, const SyntheticOptions& options = {});

}  // namespace loralens
