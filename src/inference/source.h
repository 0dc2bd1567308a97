// Clips as batches of the encoder's rows: decoded ahead on threads, encoded up to the first adapted layer, and kept.
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

#include "inference/windows.h"
#include "whisper/encoder.h"

namespace loralens {

struct SpecAugmentOptions {  // Park et al., 2019, without time warping
  int64_t time_masks = 0;    // number of masks
  double time_share = 0.1;   // longest mask, as a share of the clip
  int64_t mel_masks = 0;
  int64_t mel_width = 15;    // widest mask, in mel bins
  bool active() const { return time_masks > 0 || mel_masks > 0; }
};

struct SourceOptions {
  InputOptions input;
  int64_t cache_bytes = int64_t{400} << 20;  // at most this much is kept of what clips were turned into
  int64_t threads = 2;                       // that decode ahead
};

struct Batch {
  at::Tensor x;  // ΣT×D, the residual stream that enters the source's first layer; no gradient below it
  Pass pass;
};

// Clips one below the other; rows[i]: clip i's segments (T×D each). The pass has no keys: they are for training.
Batch pack(const std::vector<std::vector<at::Tensor>>& rows);

// The batch with rows of zeros up to the next rows_multiple (compute/linear.h), a segment that is of no clip.
Batch with_round_rows(Batch batch);

class ClipSource {
 public:
  // encoder: of the base model, in the precision of the passes. first_layer: where batches start; -1 for a stem that
  // is trained itself (see EmotionModel::first_adapted_layer).
  ClipSource(const Encoder& encoder, const std::vector<Clip>& clips, int64_t first_layer, const SourceOptions& options);
  ~ClipSource();

  int64_t first_layer() const { return first_layer_ < 0 ? 0 : first_layer_; }

  // A number that stands for a clip in random masks.
  uint64_t key(int64_t clip) const { return keys_[static_cast<size_t>(clip)]; }

  // Positions of each clip, from the files' headers alone (batches of similar length are made of these).
  const std::vector<int64_t>& positions();

  // How many of these, from the clip's first, are the clip itself: without tail or padding.
  const std::vector<int64_t>& speech_positions();

  const Clip& clip(int64_t number) const { return clips_[static_cast<size_t>(number)]; }

  // Starts to decode these clips (numbers in the table) unless they are kept already, up to 256 MB of log-mels.
  void prefetch(std::span<const int64_t> clips);

  // The rows of these clips, in their order. A clip's rows have the same bits in every batch.
  // `encoder`: the one whose stem is trained, where first_layer is -1.
  Batch batch(std::span<const int64_t> clips, const Encoder* encoder = nullptr);

  // The same with parts of the mel masked by a hash of (seed, epoch, clip); nothing of it is kept.
  Batch augmented_batch(std::span<const int64_t> clips, const SpecAugmentOptions& augment, uint64_t seed,
                        uint64_t epoch, const Encoder* encoder = nullptr);

  // The windows of one clip, each as a clip of its own, in batches of about so many positions, which see() is given one
  // after the other; no more than one is in memory, and nothing is kept.
  void pass_windows(int64_t clip, int64_t positions, const Encoder* encoder,
                    const std::function<void(const Batch&)>& see);

 private:
  using Segments = std::vector<at::Tensor>;

  void measure();  // reads the files' headers for positions_ and speech_positions_
  int64_t mel_bytes(int64_t clip) const;
  Segments mels(int64_t clip);
  Segments rows(const Encoder& encoder, int64_t clip, const Segments& mels) const;
  Batch assemble(std::span<const int64_t> clips, const std::vector<Segments>& rows) const;  // pack, with keys
  void keep(std::unordered_map<int64_t, Segments>& cache, int64_t clip, const Segments& segments);

  Encoder encoder_;
  const std::vector<Clip>& clips_;
  int64_t first_layer_;
  SourceOptions options_;
  LogMel mel_;
  std::vector<int64_t> positions_, speech_positions_;
  std::vector<uint64_t> keys_;
  std::unordered_map<int64_t, Segments> mels_, rows_;  // kept
  int64_t kept_bytes_ = 0;
  std::map<int64_t, std::future<Segments>> ahead_;
};

}  // namespace loralens
