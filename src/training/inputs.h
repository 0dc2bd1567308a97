// SPDX-License-Identifier: Apache-2.0
// Records the inputs of a training (flags, folds, clips, base model) in its folder: --resume refuses other inputs, and
// later commands recognise the run's training clips.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "corpus/audit/recordings.h"
#include "corpus/folds/folds.h"

namespace loralens {

// A clip of a training: the table's fields that can change a result, and digest and fingerprint of its audio.
struct TrainedClip {
  std::string id, label, speaker, corpus, gender, intensity, text;
  std::string sha256;  // of its samples (Recording::digest)
  Fingerprint fingerprint;  // of its samples, to recognise slightly changed copies
};

// The text of recordings.csv: id,label,speaker,corpus,gender,intensity,text,sha256,fingerprint (8 hexadecimal digits a
// word, about 800 bytes for a second of audio). recordings: one for each clip, none with an error.
std::string format_recordings(const Clips& clips, const std::vector<Recording>& recordings);
std::string format_recordings(const std::vector<TrainedClip>& clips);
// Error, with the row, for content that format_recordings does not write.
std::vector<TrainedClip> read_recordings(const Path& csv);

// The training clips of the adapter from which a training starts (train --from), as far as files record them.
struct StartRecord {
  std::vector<TrainedClip> clips;  // those of the adapter, and of the adapters from which it started itself
  bool complete = false;  // whether the adapter has no other training clips
};

struct TrainingInputs {
  std::string version;  // of loralens
  std::map<std::string, std::string> flags;  // name -> resolved value of each flag that can directly change a result
  // name -> value of flags that act through their content (a table, labels, folds, a model); only for error messages.
  std::map<std::string, std::string> sources;
  std::string base_sha256, precision;
  std::vector<std::string> classes;
  std::vector<std::string> folds;  // for each fold, one letter per clip: t train, d development, e test, u unused
  std::vector<TrainedClip> clips;
  std::string soft_labels_sha256 = {};  // of the clips' target probabilities; empty without soft labels
  std::optional<StartRecord> start = {};  // with train --from; it is in from.csv, and only read by read_start()
};

// The value of TrainingInputs::folds for these folds. clips: how many there are.
std::vector<std::string> fold_letters(const std::vector<Fold>& folds, size_t clips);

// Writes into a training's folder: recordings.csv (the text `recordings`), with train --from also from.csv (its clips,
// in the format of recordings.csv), then inputs.json with the other fields and the SHA-256 of recordings.csv.
void write_inputs(const Path& folder, const TrainingInputs& inputs, const std::string& recordings);

// Error, with advice, if one of the files is missing or damaged. run: the training's name in errors.
TrainingInputs read_inputs(const Path& folder, const std::string& run);

// The record of the adapter from which the training in `folder` started; nullopt if it started from none.
std::optional<StartRecord> read_start(const Path& folder);

// Compares the inputs before a resume with those now: "" if the resumed training gives the same results, else the first
// difference with both values. Audio is compared only for clips whose sha256 in `now` is not empty.
std::string difference_of(const TrainingInputs& before, const TrainingInputs& now);

// The numbers of the recordings that are among the clips that trained a model, ascending: by the same samples or a
// near-identical fingerprint (same_recording), whatever their names.
std::vector<int64_t> trained_among(std::span<const TrainedClip> trained, const std::vector<Recording>& recordings);

}  // namespace loralens
