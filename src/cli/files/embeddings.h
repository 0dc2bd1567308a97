// SPDX-License-Identifier: Apache-2.0
// Writes the states that `embed` computes: into one .npz, or into a folder of several. In a folder an interrupted
// command resumes with the first .npz that is missing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/output.h"
#include "inference/embed_files.h"

namespace loralens {

// The states of some files as NumPy's arrays: `ids` (texts), `seconds`, `positions` (T of each file), and an array for
// each site (text_of): files × width or, with the states of each position, ΣT×width and `offsets` (files + 1), where
// the rows of file i are offsets[i] to offsets[i + 1].
class Embeddings {
 public:
  Embeddings(std::vector<std::string> sites, bool positions) : sites_(std::move(sites)), by_position_(positions) {}

  void add(const FileStates& file);  // a file without error
  int64_t files() const { return std::ssize(ids_); }
  int64_t bytes() const { return bytes_; }
  std::string npz() const;
  void clear() { *this = Embeddings(sites_, by_position_); }

 private:
  std::vector<std::string> sites_;
  bool by_position_;
  std::vector<std::string> ids_;
  std::vector<double> seconds_;
  std::vector<int64_t> positions_;
  std::vector<std::vector<at::Tensor>> states_;  // of each site, of each file
  int64_t bytes_ = 0;
};

// The folder: embed.json, and for each part part-00000.npz and part-00000.csv with the columns id, row (in the part's
// arrays; empty for a file with an error), seconds, error, warning. A part's .csv is written last, so a part without it
// is not there yet. An interrupted folder is `<name>.partial`.
class EmbeddingsFolder {
 public:
  // Creates the folder, or resumes an interrupted one. about: model, input and sites of the states, for embed.json.
  // Errors of OutputFolder, and if the interrupted folder has another description.
  EmbeddingsFolder(const Path& path, bool force, const nlohmann::ordered_json& about, Embeddings empty);

  struct Written {
    int64_t files = 0, errors = 0;
  };
  // Takes from `ids` those that are written. Error if these are others.
  Written skip_written(PathSource& ids);

  void write(const FileStates& file);
  void finish();  // writes the last part and gives the folder its name

 private:
  Path part(const char* ending) const { return folder_.path() / fmt::format("part-{:05}.{}", part_, ending); }
  void write_part();

  OutputFolder folder_;
  Embeddings embeddings_;
  std::string rows_;  // of the part's .csv
  int64_t files_ = 0, part_ = 0;  // files of the part; its number
};

}  // namespace loralens
