// SPDX-License-Identifier: Apache-2.0
// The emotion model (an encoder with adapters, and a classification head), and how it is saved and loaded.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adapter/method.h"
#include "base/files.h"
#include "base/range.h"
#include "classifier/head.h"

namespace loralens {

inline constexpr Range<double> tails{0, 10};  // seconds

// How a clip's audio is padded and cut before the encoder.
struct InputOptions {
  bool padded = false;  // pad with silence to 30 s, as in Whisper's training; false: add only the tail
  double tail = 0.5;    // seconds of silence after a clip that is not padded
  bool cut = false;     // truncate clips over 30 s; false: split them into windows of 30 s and pool over all
};

struct EmotionModel {
  Adapted adapted;  // encoder (in the precision of the pass, unless it is trained) and adapters
  Head head;
  // If `head` reads a hidden state below the last: a second head, for the last hidden state, which analyses use.
  std::optional<Head> last_layer_head = {};
  // The record in config.json of how a logistic head was chosen (training/read_out.h); null for other heads.
  nlohmann::json read_out = nullptr;
  Precision precision;
  std::vector<std::string> classes;
  AdapterOptions options;
  InputOptions input;
  std::string no_head;  // why there is no head (undefined tensors) although one was wanted; "" if there is one
  std::string base;         // name of the base model: a Hugging Face id such as "openai/whisper-base", or a folder
  std::string base_sha256;  // sha256_of the base encoder

  // The method's parameters, then the head's, if there is one.
  std::vector<Parameter> parameters() const;
  // The encoder in the precision of a pass. Trained tensors of the encoder are converted differentiably.
  Encoder compute_encoder() const;
  // The lowest adapted or trained layer, or the hidden state that the head reads if it is lower; N if there is neither.
  // Its input is the same as in the base model, so it can be cached. 0 for a weighted layer sum, which reads every
  // layer's state; -1 if the encoder's stem is trained.
  int64_t first_adapted_layer() const;
};

// A base encoder whose tensors are in memory once and shared by many models.
struct Base {
  Encoder encoder;  // in the precision of the passes
  Precision precision;
  std::string name;  // as in EmotionModel::base
  std::string sha256;  // sha256_of the encoder before its conversion
  // A separate copy of the unrounded encoder in precision.sums: the initial weights of full fine-tuning.
  std::function<Encoder()> copy_to_train;
  Path folder = {};  // of its checkpoint; empty for a base that was made in memory
};
// Loads a base from a folder. copy_to_train reads the folder again. Errors of load_encoder; and, in copy_to_train, an
// error if the folder then holds other weights.
Base load_base(const Path& folder, const std::string& name, Precision precision, c10::Device device);
// Makes a base of an encoder in memory; copy_to_train keeps the unrounded encoder in memory.
Base make_base(const Encoder& encoder, const std::string& name, Precision precision, c10::Device device);

// A new model: freshly initialised adapters (method.h) and head, on the base's device.
EmotionModel make_model(const Base& base, const AdapterOptions& options, const HeadOptions& head,
                        const std::vector<std::string>& classes, uint64_t seed);

// A new model with copies of the adapters, or trained encoder tensors, of `start`: a model of the same base and method,
// with parameters on the same modules. If start's head is defined, it is copied too; else the head is newly initialised
// as in make_model(). Error if a parameter of the new model is missing in `start` or has another shape there.
EmotionModel continued_model(const Base& base, const EmotionModel& start, const AdapterOptions& options,
                             const HeadOptions& head, const std::vector<std::string>& classes, uint64_t seed);

// Saves a model into an existing folder: config.json (transformers' WhisperConfig with id2label, and "loralens" with
// method, base, sha256, input), and
//   adapter_config.json, adapter_model.safetensors   for methods of PEFT; layer weights go to head.safetensors
//   model.safetensors                                for full fine-tuning, with transformers' names
//   head.safetensors                                 for other methods: head, adapters, trained tensors of the encoder.
//                                                    The head is that for the last hidden state; one for another hidden
//                                                    state has the prefix "read_out."
void save_model(const Path& folder, const EmotionModel& model);

enum class HeadUse : uint8_t {
  needed,  // error if the folder has no head that can be read
  if_any,  // else the model has no head (undefined tensors, EmotionModel::no_head); its classes are the given ones
  none,  // the model has no head and no classes
};

// Settings of load_model for folders that do not record them.
struct LoadOptions {
  std::vector<std::string>
      classes;  // in order, for folders that loralens did not save; empty: those of config.json, else "0", "1", ...
  InputOptions input;  // for a folder that loralens did not save
  HeadUse head = HeadUse::needed;
};

// Whether a folder holds a saved model, a bare PEFT adapter or a classifier of transformers
// (WhisperForAudioClassification), both of which another program saved.
bool is_model_folder(const Path& folder);
// Whether it holds a classifier of transformers. It names no base model: its encoder is whole.
bool is_classifier_folder(const Path& folder);
// "; FOLDER is a PEFT adapter: give that folder", for messages about a folder without a model: the first adapter one
// folder below it, where PEFT saves an adapter that has a name, else the first model, such as transformers' Trainer
// saves in checkpoint-500. "" if there is none.
std::string adapter_below(const Path& folder);

// The description of a saved model, without its tensors.
struct SavedModel {
  AdapterOptions options;
  std::vector<std::string> classes;  // empty for a bare PEFT folder
  bool bare = false;  // whether another program saved it
  bool int8_base = false;  // whether it was trained on base weights in int8 (classifier/int8_base.h)
};
// Error for a folder without a model, and for settings that are not supported.
SavedModel saved_model(const Path& folder);
// The base model's name in config.json or adapter_config.json; empty if none is given.
std::string base_name_of(const Path& folder);

// Loads a folder that save_model wrote, a bare PEFT folder (adapter_config.json, and adapter_model.safetensors or
// adapter_model.bin) or a classifier of transformers. Logs what of a PEFT folder is not used: adapters of a decoder,
// unknown keys of its configuration.
// Error for a tensor that is missing (the head is never initialised at random), unused, of a wrong shape or not finite;
// for a base encoder other than the saved one; if there is not one name for each class.
EmotionModel load_model(const Path& folder, const Base& base, const LoadOptions& options = {});

}  // namespace loralens
