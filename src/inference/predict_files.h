// SPDX-License-Identifier: Apache-2.0
// Class probabilities of audio files, in the order given. A file that cannot be read gets an error; the others go on.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "inference/decoded_files.h"

namespace loralens {

struct FilePrediction : FileResult {
  std::vector<double> probabilities;  // C, the mean over the models
};

// Predicts each file and calls give() for it, in the order given. Decodes on `threads` threads while the models
// compute. Files of similar length form batches and long files pass window by window, so memory use depends neither on
// a file's length nor on the number of files. The models must share one base encoder, classes and input. Error if their
// classes differ.
void predict_files(const std::vector<EmotionModel>& models, PathSource paths, int64_t threads,
                   const std::function<void(const FilePrediction&)>& give);

}  // namespace loralens
