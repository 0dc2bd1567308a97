// What a training was begun with, kept in its folder: so that --resume goes on with the same and nothing else, and that
// clips which trained a run are recognised later.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "corpus/audit/recordings.h"
#include "corpus/folds/folds.h"

namespace loralens {

// A clip as it entered a training: what of the table can change a number, and what its audio is.
struct TrainedClip {
  std::string id, label, speaker, corpus, gender, intensity, text;
  std::string sha256;  // of its samples (Recording::digest)
  Fingerprint fingerprint;  // of its samples
};

// recordings.csv: id,label,speaker,corpus,gender,intensity,text,sha256,fingerprint (8 hexadecimal digits a word, about 800
// bytes for a second of audio). recordings: of all clips, none with an error.
std::string format_recordings(const Clips& clips, const std::vector<Recording>& recordings);
// Error, with the row, on what format_recordings does not write.
std::vector<TrainedClip> read_recordings(const Path& csv);

struct TrainingInputs {
  std::string version;  // of this program
  std::map<std::string, std::string> flags;  // by name, resolved: all that can change a number by themselves
  // By name: flags that count through what they lead to (a table, labels, folds, a model), for the words of an error.
  std::map<std::string, std::string> sources;
  std::string base_sha256, precision;
  std::vector<std::string> classes;
  std::vector<std::string> folds;  // of each fold a letter a clip: t train, d development, e test, u unused
  std::vector<TrainedClip> clips;
};

// The letters of TrainingInputs::folds.
std::vector<std::string> fold_letters(const std::vector<Fold>& folds, size_t clips);

// Writes recordings.csv, then inputs.json with the rest and the SHA-256 of recordings.csv, into a training's folder.
void write_inputs(const Path& folder, const TrainingInputs& inputs, const std::string& recordings);

// Error, with what to do, if one of the files is missing or damaged. run: what errors call the training.
TrainingInputs read_inputs(const Path& folder, const std::string& run);

// "" if a training that was begun with `before` ends with the same numbers when it goes on with `now`; else what differs
// first, with both values. The audio is left out where `now` does not know it.
std::string difference_of(const TrainingInputs& before, const TrainingInputs& now);

// How many of these clips are recordings that trained a model: the same samples, or nearly (same_recording), under whatever
// name. recordings: of the clips.
int64_t count_trained(std::span<const TrainedClip> trained, const std::vector<Recording>& recordings);

}  // namespace loralens
