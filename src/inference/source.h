// SPDX-License-Identifier: Apache-2.0
// Loads clips as batches for the encoder: decodes on threads ahead of use, runs the layers below the first adapted one,
// and caches the results.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "inference/packing.h"
#include "inference/windows.h"
#include "whisper/encoder.h"

namespace loralens {

// A change of a log-mel (M×frames, frames even) to another of the same mels; `segment` counts the clip's windows.
using MelChange = std::function<at::Tensor(int64_t clip, int64_t segment, const at::Tensor& mel)>;

struct SourceOptions {
  InputOptions input;
  int64_t cache_bytes = int64_t{400} << 20;  // limit of the cache of clips' log-mels or hidden states
  int64_t threads = 2;  // decoding threads
};

class ClipSource {
 public:
  // encoder: of the base model, in the precision of the passes. first_layer: the layer whose input a batch holds; -1 if
  // the stem is trained (see EmotionModel::first_adapted_layer). `clips` must outlive the source.
  ClipSource(const Encoder& encoder, const std::vector<Clip>& clips, int64_t first_layer, const SourceOptions& options);
  ~ClipSource();

  int64_t first_layer() const { return first_layer_ < 0 ? 0 : first_layer_; }
  bool trains_stem() const { return first_layer_ < 0; }  // batches depend on the encoder that they are for

  // The clip's key for random masks: a hash of its id.
  uint64_t key(int64_t clip) const { return keys_[clip]; }

  // Positions of each clip, read from the files' headers; used to make batches of similar length.
  const std::vector<int64_t>& positions();

  // The number of leading positions of each clip that are its audio, without tail or padding.
  const std::vector<int64_t>& speech_positions();

  const Clip& clip(int64_t number) const { return clips_[number]; }

  // Starts to decode these clips (numbers in the table) unless they are cached; at most 256 MB of log-mels ahead.
  void prefetch(std::span<const int64_t> clips);

  // The batch of these clips, in their order. A clip's rows have the same bits in every batch.
  // encoder: the encoder whose stem is trained, if first_layer is -1.
  Batch batch(std::span<const int64_t> clips, const Encoder* encoder = nullptr);

  // The batch of these clips with changed log-mels, for augmentation. The unchanged log-mels are cached, rows are not.
  Batch changed_batch(std::span<const int64_t> clips, const MelChange& change, const Encoder* encoder = nullptr);

  // Calls see() with batches of about `positions` positions of one clip's windows, each window as a clip of its own.
  // Only one batch is in memory at a time, and nothing is cached.
  void pass_windows(int64_t clip, int64_t positions, const Encoder* encoder,
                    const std::function<void(const Batch&)>& see);

 private:
  using Segments = std::vector<at::Tensor>;

  void measure();  // reads the files' headers for positions_ and speech_positions_
  int64_t mel_bytes(int64_t clip) const;
  Segments mels(int64_t clip);
  Batch assemble(std::span<const int64_t> clips, const std::vector<Segments>& rows) const;  // pack, with keys
  void keep(std::unordered_map<int64_t, Segments>& cache, int64_t clip, const Segments& segments);

  Encoder encoder_;
  const std::vector<Clip>& clips_;
  int64_t first_layer_;
  SourceOptions options_;
  LogMel mel_;
  std::vector<int64_t> positions_, speech_positions_;
  std::vector<uint64_t> keys_;
  std::unordered_map<int64_t, Segments> mels_, rows_;  // caches
  int64_t kept_bytes_ = 0;
  std::map<int64_t, std::future<Segments>> ahead_;
};

}  // namespace loralens
