// SPDX-License-Identifier: Apache-2.0
#include "study/open_transcriber.h"

#include "base/error.h"
#include "base/profile.h"
#include "checkpoint/torch_import.h"
#include "hub/hub.h"
#include "study/single_model.h"

namespace loralens {
namespace {

constexpr const char* flag = "--adapter";

// The adapted encoder; the base's own without an adapter.
void open_encoder(const TranscriptionRequest& request, const Compute& compute, Transcriber& opened) {
  if (request.adapter.empty()) {
    opened.encoder = open_base(request.model, compute).encoder;
    return;
  }
  const Path folder = single_model(flag, request.adapter);
  const Base base = open_base_of(folder, request.model, compute);
  if (saved_model(folder).bare) check_base_name(flag, folder, base);
  const EmotionModel model = load_model(folder, base, {.classes = {}, .input = {}, .head = HeadUse::none});
  opened.encoder = model.compute_encoder();
  opened.adapters = model.adapted.adapters;
}

}  // namespace

TextModel open_text_model(const Path& folder, const std::string& language, const Compute& compute) {
  Decoder decoder = load_decoder(folder, compute.precision, compute.device);
  Generation generation = read_generation(folder, decoder.config, language);
  Tokenizer tokenizer(folder / "tokenizer.json", generation.end);
  return {std::move(decoder), std::move(generation), std::move(tokenizer)};
}

Transcriber open_transcriber(const TranscriptionRequest& request, const Compute& compute) {
  refuse_model_file(request.model);
  const Path folder = resolve_model(request.model);
  if (is_model_folder(folder))
    fail("{} is an adapted model, without decoder: give its base model, and this folder with {}", folder.string(),
         flag);
  const Timed time(Phase::load);
  TextModel text = open_text_model(folder, request.language, compute);
  Transcriber opened{.encoder = {},
                     .adapters = {},
                     .decoder = std::move(text.decoder),
                     .generation = std::move(text.generation),
                     .tokenizer = std::move(text.tokenizer),
                     .precision = compute.precision};
  open_encoder(request, compute, opened);
  return opened;
}

}  // namespace loralens
