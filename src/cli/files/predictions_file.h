// SPDX-License-Identifier: Apache-2.0
// The file of `predict -o`: a line for each audio file, in the order of the paths. An interrupted command that is given
// again goes on after the last whole line.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "inference/predict_files.h"

namespace loralens {

// The values of a file's line (line_of): label, probabilities, seconds; none of a file with an error.
nlohmann::ordered_json values_of(const FilePrediction& file, const std::vector<std::string>& classes);

// Identifies what computes the predictions: 16 hexadecimal digits made of the base model, the input, the classes and
// all trained values of the models.
std::string fingerprint_of(const std::vector<EmotionModel>& models);

class PredictionsFile {
 public:
  // Opens or makes the file: JSON lines if its name ends with .jsonl, CSV if with .csv. Error for another name, a file
  // that cannot be written or that another process writes.
  PredictionsFile(const Path& path, std::vector<std::string> classes, std::string model);
  ~PredictionsFile();
  PredictionsFile(const PredictionsFile&) = delete;
  PredictionsFile& operator=(const PredictionsFile&) = delete;

  struct Written {
    int64_t files = 0, errors = 0;
  };
  // Takes from `paths` those that the file has lines of, and removes a last line that is not whole. Error, which
  // changes nothing, if a line is of another path, model or form. Memory does not grow with the number of lines.
  Written skip_written(PathSource& paths);

  // Appends the file's line. Error if the disk is full: the command can be given again.
  void write(const FilePrediction& file);

 private:
  std::string header() const;  // with its line's end; empty for JSON lines
  std::string text_for(const FilePrediction& file) const;  // its line
  // Path and error of a line. Error if it is no line of this file.
  std::pair<std::string, bool> read(const std::string& line, const std::string& where) const;
  std::string start_of_next(PathSource& paths) const;
  void check_rest(int64_t from, const std::string& start) const;
  void append(const std::string& text);

  Path path_;
  std::vector<std::string> classes_;
  std::string model_;
  bool csv_;
  int file_ = -1;
};

}  // namespace loralens
