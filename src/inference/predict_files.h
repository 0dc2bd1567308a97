// Class probabilities of loose files, in order, whatever happens to some of them.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "classifier/model.h"

namespace loralens {

struct FilePrediction {
  std::string path;
  std::string error;                  // why the file could not be read; empty if it could
  std::vector<double> probabilities;  // C, the mean over the models
  double seconds = 0;                 // length of the clip
};

// Decodes on `threads` threads while the models compute; clips of similar length pass together, a long one window by
// window, so that no clip's length and no number of files decides how much memory is used. Calls give() for each
// file in the order given. The models share one base encoder, classes and input.
void predict_files(const std::vector<EmotionModel>& models, const std::vector<std::string>& paths, int64_t threads,
                   const std::function<void(const FilePrediction&)>& give);

}  // namespace loralens
