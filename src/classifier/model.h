// The emotion recogniser: an encoder, what a method put beside it, and a head; and its folder on disk.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "adapter/method.h"
#include "base/files.h"
#include "base/range.h"
#include "classifier/head.h"

namespace loralens {

inline constexpr Range<double> tails{0, 10};  // seconds

// How clips become the encoder's input.
struct InputOptions {
  bool padded = false;  // 30 s as Whisper was trained; false: the clip's own length and a tail
  double tail = 0.5;    // seconds of silence after a clip that is not padded
  bool cut = false;     // of clips over 30 s only the first 30; false: windows of 30 s, pooled over all
};

struct EmotionModel {
  Adapted adapted;  // encoder (converted to the precision of the pass unless it is trained), adapters
  Head head;
  Precision precision;
  std::vector<std::string> classes;
  AdapterOptions options;
  InputOptions input;
  std::string base;         // what the user calls the base model: "openai/whisper-base" or a folder
  std::string base_sha256;  // sha256_of the base encoder

  // The method's parameters, then the head's.
  std::vector<Parameter> parameters() const;
  // The encoder in the precision of a pass; a differentiable copy if the encoder itself is trained.
  Encoder compute_encoder() const;
  // The lowest layer whose input differs from the base model's, N if none: below it a pass can start from a cache.
  // 0 for a weighted layer sum, which reads every layer's state; -1 if the stem is trained.
  int64_t first_adapted_layer() const;
};

// A base encoder, ready for many models: they share its tensors, which are the only copy of them.
struct Base {
  Encoder encoder;  // in the precision of the passes
  Precision precision;
  std::string name;    // as in EmotionModel::base
  std::string sha256;  // sha256_of the encoder before it was converted
  // The encoder unrounded, in precision.sums and tensors of the caller's own: what full fine-tuning starts from.
  std::function<Encoder()> copy_to_train;
};
// copy_to_train reads the folder again. Errors are load_encoder's, and one if the folder then holds other weights.
Base load_base(const Path& folder, const std::string& name, Precision precision, c10::Device device);
// Of an encoder in memory, which copy_to_train keeps there.
Base make_base(const Encoder& encoder, const std::string& name, Precision precision, c10::Device device);

// A new model: freshly initialised adapters (method.h) and head, on the base's device.
EmotionModel make_model(const Base& base, const AdapterOptions& options, const HeadOptions& head,
                        const std::vector<std::string>& classes, uint64_t seed);

// Hidden states that the head reads: B×D, or B×(N+1)×D for a weighted layer sum. x (ΣT×D): the residual stream that enters
// layer `first` (N: the final norm). earlier: what entered the layers below `first` (ΣT×D each), which only a weighted layer
// sum reads. Error if that sum lacks one.
at::Tensor head_states(const EmotionModel& model, const Encoder& encoder, const at::Tensor& x, int64_t first,
                       const Pass& pass, std::span<const at::Tensor> earlier = {});

// Writes into an existing folder: config.json (transformers' WhisperConfig with id2label, and "loralens": method, base,
// sha256, input), and
//   adapter_config.json, adapter_model.safetensors   for methods that PEFT has; layer weights go to head.safetensors
//   model.safetensors                                for full fine-tuning, with transformers' names
//   head.safetensors                                 for a frozen encoder
void save_model(const Path& folder, const EmotionModel& model);

// What load_model needs to be told where the folder itself does not say.
struct LoadOptions {
  std::vector<std::string>
      classes;  // names in order, unless loralens saved them; empty: config.json's, else "0", "1", ...
  InputOptions input;  // of a bare PEFT folder
};

// Whether a folder holds a saved model or a bare PEFT adapter.
bool is_model_folder(const Path& folder);
// The base model's name in config.json or adapter_config.json; empty if none is given.
std::string base_name_of(const Path& folder);

// Reads such a folder, or a bare PEFT folder (adapter_config.json, adapter_model.safetensors).
// Error: a tensor that is missing, not used, of the wrong shape (never a random head) or not finite; another base encoder;
// names that are not one for each class.
EmotionModel load_model(const Path& folder, const Base& base, const LoadOptions& options = {});

}  // namespace loralens
