// SPDX-License-Identifier: Apache-2.0
#include "classifier/int8_base.h"

#include "base/error.h"
#include "compute/int8.h"

namespace loralens {
namespace {

constexpr const char* config_key = "loralens_base_precision";

}  // namespace

Base load_int8_base(const Path& folder, const std::string& name, Precision precision, c10::Device device,
                    Int8Weights weights) {
  const bool stored = weights == Int8Weights::stored;
  if (stored && !device.is_cpu())
    fail("--base-precision int8 stores the weights in the memory of the CPU: choose --device cpu");
  LoadedEncoder loaded = load_encoder(folder, precision, device, [&](const at::Tensor& values) {
    return stored ? in_int8(values) : dense(in_int8(values), precision.compute);
  });
  loaded.encoder.config.json[config_key] = "int8";
  const auto refuse = [name]() -> Encoder { fail("{}: base weights in int8 cannot be trained", name); };
  return {std::move(loaded.encoder), precision, name, loaded.sha256, refuse};
}

bool has_int8_weights(const nlohmann::json& config) {
  const auto found = config.find(config_key);
  return found != config.end() && *found == "int8";
}

}  // namespace loralens
