// SPDX-License-Identifier: Apache-2.0
#include "inference/transcribe_files.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <span>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/operations.h"
#include "inference/file_batches.h"
#include "inference/predict.h"

namespace loralens {
namespace {

using Mels = std::vector<at::Tensor>;

// A batch's keys and values of cross-attention take at most this many bytes, and a batch has at most 16 windows: larger
// ones gain little speed on a CPU.
constexpr int64_t bytes_in_batch = int64_t{512} << 20, most_windows = 16;

struct Transcribed {
  DecodedFile file;
  int64_t language = detected_language;  // its token, once it is known
  std::vector<int64_t> tokens;
};

class WindowTranscriber {
 public:
  explicit WindowTranscriber(const Transcriber& model) : model_(model) {
    const int64_t bytes = cache_bytes(model.decoder.config, model.precision, model.encoder.config.positions);
    batch_ = std::clamp(bytes_in_batch / bytes, int64_t{1}, most_windows);
  }

  // Fills in the tokens of the files that could be decoded: first windows together, then the others file by file, since
  // the first one decides the language.
  void operator()(std::vector<Transcribed>& chunk) const {
    const at::NoGradGuard no_grad;
    std::vector<Transcribed*> files;
    for (Transcribed& file : chunk)
      if (file.file.result.error.empty()) files.push_back(&file);
    for (size_t begin = 0; begin < files.size(); begin += batch_)
      together_or_alone(
          std::span<Transcribed* const>(files).subspan(begin, std::min<size_t>(batch_, files.size() - begin)),
          [&](std::span<Transcribed* const> some) { first_windows(some); });
    for (Transcribed* const file : files)
      if (file->file.result.error.empty())
        together_or_alone(std::span<Transcribed* const>(&file, 1),
                          [&](std::span<Transcribed* const>) { other_windows(*file); });
  }

 private:
  std::vector<Transcript> transcripts(const Mels& mels, const std::vector<int64_t>& languages) const {
    const at::Tensor states = window_states(model_.encoder, model_.adapters, mels);
    const Timed time(Phase::decoder);
    return transcribe(model_.decoder, states, model_.generation, languages);
  }

  void first_windows(std::span<Transcribed* const> files) const {
    Mels mels;
    for (const Transcribed* file : files) mels.push_back(file->file.mels.front());
    auto found = transcripts(mels, {});
    for (size_t i = 0; i < files.size(); ++i) {
      files[i]->language = found[i].language;
      files[i]->tokens = std::move(found[i].tokens);
    }
  }

  void other_windows(Transcribed& one) const {
    DecodedFile& file = one.file;
    Mels mels(file.mels.begin() + 1, file.mels.end());
    while (true) {
      for (size_t begin = 0; begin < mels.size(); begin += batch_) {
        const size_t end = std::min(mels.size(), begin + batch_);
        const Mels some(mels.begin() + static_cast<int64_t>(begin), mels.begin() + static_cast<int64_t>(end));
        for (const auto& window : transcripts(some, std::vector<int64_t>(some.size(), one.language)))
          one.tokens.insert(one.tokens.end(), window.tokens.begin(), window.tokens.end());
      }
      if (!file.rest) return;
      mels = next_windows(*file.rest, batch_ * model_.encoder.config.positions);
      if (!mels.empty()) continue;
      finish(file.result, *file.rest);
      file.rest.reset();
    }
  }

  const Transcriber& model_;
  int64_t batch_ = 1;  // windows
};

std::string trimmed(const std::string& text) {
  constexpr const char* spaces = " \t\r\n";
  const size_t first = text.find_first_not_of(spaces);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(spaces) + 1 - first);
}

FileTranscript transcript_of(const Transcriber& model, const Transcribed& one) {
  FileTranscript transcript;
  static_cast<FileResult&>(transcript) = one.file.result;
  if (!transcript.error.empty()) return transcript;
  const Generation& generation = model.generation;
  transcript.language = generation.languages.empty() ? "en" : generation.language_of(one.language);
  transcript.text = trimmed(model.tokenizer.text(one.tokens));
  transcript.tokens = one.tokens;
  return transcript;
}

}  // namespace

at::Tensor window_states(const Encoder& encoder, const AdapterSet& adapters, const Mels& mels) {
  const Timed time(Phase::inference);
  std::vector<at::Tensor> states;
  const LayerRange all{0, encoder.config.layers};
  for (const at::Tensor& mel : mels) {
    const Batch batch = pack({rows_of(encoder, {mel}, 0)});
    if (profiling()) count_operations(forward_operations(encoder.config, adapters, all, batch.pass.lengths));
    states.push_back(finish(encoder, run(encoder, adapters, batch.x, all, batch.pass), batch.pass));
  }
  return at::stack(states);
}

void transcribe_files(const Transcriber& model, PathSource paths, int64_t threads,
                      const std::function<void(const FileTranscript&)>& give) {
  const LogMel mel(model.encoder.config.mels);
  const InputOptions input{.padded = true};
  const WindowTranscriber transcribe_windows(model);
  FileDecoder decoder(std::move(paths), mel, input, window_samples(model.encoder.config),
                      positions_in_pass(model.encoder.config), threads);
  for (auto files = decoder.next(); !files.empty(); files = decoder.next()) {
    std::vector<Transcribed> chunk;
    for (DecodedFile& file : files) chunk.push_back({std::move(file)});
    transcribe_windows(chunk);
    for (const Transcribed& one : chunk) give(transcript_of(model, one));
  }
}

}  // namespace loralens
