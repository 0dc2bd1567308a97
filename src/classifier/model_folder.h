// SPDX-License-Identifier: Apache-2.0
// The files of a model's folder that describe the model, and the choice of the file that holds its tensors.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/formats/json.h"
#include "classifier/model.h"
#include "classifier/tensor_source.h"

namespace loralens {

inline constexpr const char* read_out_prefix = "read_out.";  // of a head that reads another hidden state

enum class FolderKind : uint8_t {
  own,         // loralens saved it
  peft,        // a bare adapter of PEFT
  classifier,  // a WhisperForAudioClassification that transformers saved
};

// The content of a folder's config.json; empty if there is none, as in a bare PEFT folder.
struct Description {
  Path file;
  nlohmann::json config;
  nlohmann::json own;  // config["loralens"]
  FolderKind kind = FolderKind::own;

  JsonObject in(const nlohmann::json& object) const { return {object, file.string()}; }
  std::string text(const char* key, const char* otherwise = "") const { return in(own).text(key, otherwise); }
  // Whether the value of `key` is `word`. Error unless it is `word` or `default_word`; a missing key means
  // `default_word`.
  bool chooses(const char* key, const char* word, const char* default_word) const;
};

// Error for a folder without a model.
Description describe_model(const Path& folder);

// The method and its options. Error for settings that are not supported.
AdapterOptions saved_options(const Path& folder, const Description& description);

// The tensors of the adapters and the head. compute: the type to which passes round them.
TensorSource open_source(const Path& folder, const Description& description, const AdapterOptions& options,
                         c10::ScalarType compute);

// The names of a head's classes. given: names for a folder that loralens did not save; empty: config.json's id2label,
// else "0", "1", ... Error unless there is one distinct name for each of `count` classes.
std::vector<std::string> class_names(const Description& description, const std::vector<std::string>& given,
                                     int64_t count);

}  // namespace loralens
