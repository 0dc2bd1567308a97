// SPDX-License-Identifier: Apache-2.0
// For tests: the tiny encoder as a Whisper folder.
#pragma once

#include <ATen/ops/zeros.h>

#include "checkpoint/safetensors.h"
#include "whisper/test_encoder.h"

namespace loralens {

// Writes the tiny encoder as a Hugging Face folder, beside a decoder of a megabyte. Returns the folder.
inline Path write_whisper(const Path& folder, uint64_t seed = 1) {
  std::filesystem::create_directories(folder);
  write_file(folder / "config.json", tiny_config().json.dump());
  Tensors tensors{{"model.decoder.embed_tokens.weight", at::zeros({1 << 14, 16})}};
  visit_tensors(tiny_encoder(seed),
                [&](const std::string& name, const at::Tensor& tensor) { tensors["model." + name] = tensor; });
  write_safetensors(folder / "model.safetensors", tensors);
  return folder;
}

}  // namespace loralens
