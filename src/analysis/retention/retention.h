// SPDX-License-Identifier: Apache-2.0
// What the adaptation cost: transcripts of the checkpoint's own decoder from the adapted and from the frozen encoder.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/curves.h"
#include "audio/log_mel.h"
#include "whisper/decoder/greedy.h"

namespace loralens {

// Writes texts from an encoder's states.
struct TranscriptWriter {
  Decoder decoder;
  Generation generation;
  std::function<std::string(std::span<const int64_t>)> text;  // of tokens
};

// The writer of the checkpoint with this name, in the precision of `encoder`. Error if it has no decoder or tokenizer.
TranscriptWriter open_writer(const std::string& model, const Encoder& encoder);

// Transcribes each test clip, padded to 30 s (longer clips: their first 30 s), from both encoders by greedy decoding.
// The language is that of the table if the decoder knows it, else the one that it detects from the frozen states.
// Rows, means over clips:
//   model adapted, variant frozen-transcript: word_error_rate and token_error_rate of the adapted model's transcript,
//     the frozen one's being the reference (edits / words, at least one word), `changed`: other words than there;
//   model adapted, frozen and adapted-frozen, variant text: word_error_rate against the table's text;
//   model adapted, component states: r_squared of the frozen model's final states: 1 - Σ‖adapted - frozen‖² /
//     Σ‖frozen - mean of the clip‖² over the clip's own positions.
class Retention : public Analysis {
 public:
  Retention(const Setting& setting, std::function<TranscriptWriter()> open);

  bool wants(Part part, Role role) const override { return part == Part::test && role != Role::untrained; }
  bool wants_models_together(Part part) const override { return part == Part::test; }
  void end_models(const ModelViews& views) override;
  Findings finish() override;

 private:
  struct Heard {
    std::vector<int64_t> tokens;
    std::vector<std::string> words;
    int64_t language = detected_language;
  };
  int64_t language_of(const Clip& clip) const;
  Heard heard(const at::Tensor& states, int64_t language) const;
  void see_clip(const ModelViews& views, int64_t fold, int64_t clip);

  const Setting& setting_;
  std::function<TranscriptWriter()> open_;
  std::optional<TranscriptWriter> writer_;
  std::string unavailable_;  // why there is no writer
  LogMel mel_;
  ClipCurves curves_;
  std::map<int64_t, Heard> frozen_;  // by clip, the same in all folds and runs
  int64_t cut_ = 0, texts_ = 0;
};

}  // namespace loralens
