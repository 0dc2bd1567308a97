// SPDX-License-Identifier: Apache-2.0
// The adapter from which a training starts (train --from), and the check that none of the training's test or
// development clips trained it.
#pragma once

#include <string>
#include <vector>

#include "classifier/model.h"
#include "training/inputs.h"

namespace loralens {

struct TrainingStart {
  std::string folder;
  std::string sha256;  // of its files: sha256_of_model()
  EmotionModel model;  // its head is undefined if the training starts with a new one
  StartRecord record;
};

// SHA-256 over the names and digests of the files of a model's folder that a training starts from: the configuration
// and the tensors.
std::string sha256_of_model(const Path& folder);

// Why clips in test and development parts are no test of a model that started from a recorded adapter: some of them
// trained it, or their speakers did (a speaker of equal name in a corpus of equal name, in whatever spelling). "" if
// there is no reason. The text says how many, and names the first. trained: the numbers of the clips whose recordings
// trained the adapter, ascending (trained_among).
std::string start_leak(const StartRecord& record, const Clips& clips, const std::vector<Fold>& folds,
                       const std::vector<int64_t>& trained);

// The numbers of the clips in the test and development parts of the folds, ascending.
std::vector<int64_t> held_out(const std::vector<Fold>& folds);

// The speakers of the clips with these numbers who trained a recorded model, ascending and each once: those of equal
// name in a corpus of equal name, or in any corpus, whatever the spelling. A clip without a speaker has none.
std::vector<std::string> known_speakers(const StartRecord& record, const Clips& clips,
                                        const std::vector<int64_t>& numbers, bool same_corpus);

// "a, b, c, ...": three names at most.
std::string first_of(const std::vector<std::string>& names);

}  // namespace loralens
