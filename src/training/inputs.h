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
  std::string sha256;  // of the samples (Recording::digest)
  Fingerprint fingerprint;  // of the samples; recognises slightly changed copies
};

// The text of recordings.csv: id,label,speaker,corpus,gender,intensity,text,sha256,fingerprint (8 hexadecimal digits a
// word, about 800 bytes for a second of audio). recordings: one for each clip, all without errors.
std::string format_recordings(const Clips& clips, const std::vector<Recording>& recordings);
std::string format_recordings(const std::vector<TrainedClip>& clips);
// Error, with the row, for a missing column and for a cell that is not a valid digest or fingerprint.
std::vector<TrainedClip> read_recordings(const Path& csv);

// The recorded training clips of the adapter from which a training starts (train --from).
struct StartRecord {
  std::vector<TrainedClip> clips;  // of the adapter, and of the adapters from which its own training started
  bool complete = false;  // whether these are all its training clips
};

struct TrainingInputs {
  std::string version;  // of loralens
  std::map<std::string, std::string> flags;  // name -> resolved value of each flag that can directly change a result
  // name -> value of flags whose content is compared instead (tables, labels, folds, a model); only for error messages.
  std::map<std::string, std::string> sources;
  std::string base_sha256, precision;
  std::vector<std::string> classes;
  std::vector<std::string> folds;  // for each fold, one letter per clip: t train, d development, e test, u unused
  std::vector<TrainedClip> clips;
  std::string soft_labels_sha256 = {};  // of the clips' target probabilities; empty without soft labels
  std::optional<StartRecord> start = {};  // with train --from; stored in from.csv, which only read_start() reads
};

// The value of TrainingInputs::folds for these folds. clips: number of clips in the table.
std::vector<std::string> fold_letters(const std::vector<Fold>& folds, size_t clips);

// Writes into a training's folder: recordings.csv (the text `recordings`), with train --from also from.csv (its clips,
// in the format of recordings.csv), then inputs.json with the other fields and the SHA-256 of recordings.csv.
void write_inputs(const Path& folder, const TrainingInputs& inputs, const std::string& recordings);

// The SHA-256 of what a training's result depends on, but for the audio: the version, the flags, labels, folds and
// clips, and the base model.
std::string digest_of(const TrainingInputs& inputs);

// Reads what write_inputs() wrote. Error, which says what to do, if a file is missing or damaged. run: the training's
// name in errors.
TrainingInputs read_inputs(const Path& folder, const std::string& run);

// The record of the adapter from which the training in `folder` started; nullopt if it started from none.
std::optional<StartRecord> read_start(const Path& folder);

// Compares the inputs before a resume with those now: "" if the resumed training gives the same results, else the first
// difference with both values. Audio is compared only for clips whose sha256 in `now` is not empty.
std::string difference_of(const TrainingInputs& before, const TrainingInputs& now);

// The numbers, ascending, of the recordings that are among a model's training clips: those with the same samples or a
// near-identical fingerprint (same_recording). Names are not compared.
std::vector<int64_t> trained_among(std::span<const TrainedClip> trained, const std::vector<Recording>& recordings);

}  // namespace loralens
