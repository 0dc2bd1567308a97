// SPDX-License-Identifier: Apache-2.0
// The adapter from which a training starts (train --from), and the check that it was trained on none of the training's
// test and development clips.
#pragma once

#include <string>
#include <vector>

#include "classifier/model.h"
#include "training/inputs.h"

namespace loralens {

struct TrainingStart {
  std::string folder;
  std::string sha256;  // of the adapter's files: sha256_of_model()
  EmotionModel model;  // without a head if the training starts with a new one
  StartRecord record;
};

// SHA-256 over the names and digests of the files of a model's folder that a training starts from: the configuration
// and the tensors.
std::string sha256_of_model(const Path& folder);

// The leak from an adapter's training clips into test and development parts, as an error message: the adapter was
// trained on some of their clips, or on other clips of their speakers (speakers are the same if name and corpus are
// equal in any spelling). The message has the number of clips and the first names; "" if there is no leak. trained: the
// numbers, ascending, of the clips on which the adapter was trained (trained_among).
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
