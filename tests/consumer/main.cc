// SPDX-License-Identifier: Apache-2.0
// consumer FILE: decodes an audio file, computes its log-mel and runs a Whisper encoder on it, with the headers and the
// library of the installed package. The encoder's weights are 0 and its norms have gain 1, so that it returns its
// position embeddings, normalised: each row has mean 0 and mean square 1. Prints a JSON object.
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/error.h"
#include "whisper/encoder.h"

namespace {

using namespace loralens;

// D 16, H 2, N 2, F 32, M 80.
Encoder unit_encoder() {
  Encoder encoder;
  encoder.config = {.mels = 80, .width = 16, .layers = 2, .heads = 2, .mlp_width = 32};
  visit_tensors(encoder, [](const std::string& name, at::Tensor& tensor, std::vector<int64_t> shape) {
    const bool gain = name.find("norm.weight") != std::string::npos;
    tensor = at::full(shape, gain ? 1. : 0.);
  });
  encoder.positions = at::arange(1500. * 16).reshape({1500, 16});
  return encoder;
}

nlohmann::json facts_of(const char* file) {
  const Audio audio = load_audio(file);
  const Encoder encoder = unit_encoder();
  const at::Tensor mel = LogMel(encoder.config.mels)(speech_samples(audio.samples, 0));
  at::Tensor x = stem(encoder, mel);
  Pass pass;
  pass.keys = {1};
  pass.lengths = {x.size(0)};
  x = run(encoder, {}, x, {0, encoder.config.layers}, pass);
  x = finish(encoder, x, pass);
  return {{"seconds", audio.seconds},
          {"positions", x.size(0)},
          {"width", x.size(1)},
          {"mean", x.mean().item<double>()},
          {"mean square", x.square().mean().item<double>()}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    std::puts(facts_of(argv[1]).dump().c_str());
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
