// SPDX-License-Identifier: Apache-2.0
// States of an encoder at named sites, of audio files in the order given. A file that cannot be read gets an error; the
// others go on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "classifier/head.h"
#include "classifier/model.h"
#include "inference/decoded_files.h"
#include "whisper/sites.h"

namespace loralens {

// What the states are taken from.
struct Embedder {
  Encoder encoder;  // in the precision of the passes
  AdapterSet adapters;
  std::optional<Head> head;  // for the sites after the encoder
  InputOptions input;
  std::vector<Site> sites;  // any but `pattern`; each once
  bool positions = false;  // the states of each position; false: their mean
};

struct FileStates : FileResult {
  int64_t positions = 0;  // T, of all windows: audio, tail and padding
  // One for each of Embedder::sites, on the CPU in float32: T×width with Embedder::positions, else width, the mean over
  // all positions.
  std::vector<at::Tensor> states;
};

// Whether the site has a value for each position: all but those after the encoder.
bool has_positions(SiteKind kind);

// Calls give() for each file. Decodes on `threads` threads while the model computes. Memory does not grow with the
// number of files and, without Embedder::positions, with their lengths. A site that the forward pass does not have,
// such as adapter_up of a layer without adapter, is an error of each file. Error for a site after the encoder without a
// head.
void embed_files(const Embedder& model, PathSource paths, int64_t threads,
                 const std::function<void(const FileStates&)>& give);

}  // namespace loralens
