// SPDX-License-Identifier: Apache-2.0
// Names of tensors in PEFT's adapter files. Versions of PEFT and ways of saving differ in them: this reads all into the
// names that get_peft_model_state_dict() gives today, for an adapter of WhisperForAudioClassification.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace loralens {

// Precedes the names of modules in the files of PEFT.
inline constexpr const char* peft_prefix = "base_model.model.";

struct PeftNames {
  // Today's name, such as "base_model.model.encoder.layers.0.self_attn.v_proj.lora_A.weight", and the name in the file.
  // Base weights lose "base_layer", heads "modules_to_save"; names of adapters ("default") are left out.
  std::map<std::string, std::string> in_file;
  // Pairs of names in the file that mean one tensor, the first of which is in `in_file`: with trained biases PEFT saves
  // those of a head of modules_to_save twice.
  std::vector<std::pair<std::string, std::string>> copies;
  // What the encoder was called in the model that PEFT adapted: "encoder." in a classifier, "model.encoder." in a
  // transcriber, "" if PEFT adapted the encoder alone.
  std::string encoder = "encoder.";
  int64_t decoder_modules = 0;  // adapted modules of a decoder, which are not in `in_file`
};

// names: of all tensors in the file. Error, which begins with `file`, if the file holds several adapters or encoders,
// or if it adapts a decoder alone.
PeftNames read_peft_names(const std::vector<std::string>& names, const std::string& file);

}  // namespace loralens
