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

// The names of speakers in test and development parts that are also names of speakers who trained the adapter, in
// whatever corpus and spelling, ascending.
std::vector<std::string> start_namesakes(const StartRecord& record, const Clips& clips, const std::vector<Fold>& folds);

}  // namespace loralens
