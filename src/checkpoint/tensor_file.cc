// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tensor_file.h"

#include <c10/util/accumulate.h>

#include <algorithm>

#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/finite.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_file.h"

namespace loralens {

at::Tensor TensorFile::read(const std::string& name) const {
  const auto sizes = shape(name);
  return read(name, 0, c10::multiply_integers(sizes)).view(sizes);
}

std::shared_ptr<const TensorFile> open_tensor_file(const Path& path) {
  if (is_torch_file(path)) return std::make_shared<TorchFile>(path);
  return std::make_shared<Safetensors>(path);
}

void check_values(const at::Tensor& tensor, const Path& file, const std::string& name) {
  if (tensor.scalar_type() == at::kBool) {
    const auto* bytes = static_cast<const uint8_t*>(tensor.const_data_ptr());
    if (std::any_of(bytes, bytes + tensor.numel(), [](uint8_t byte) { return byte > 1; }))
      fail("{}: tensor {}: a BOOL that is neither 0 nor 1", file.string(), quoted(name));
  }
  if (!all_finite(tensor))
    fail("{}: tensor {} holds a NaN or an infinity: fetch or copy the file again, or train again", file.string(),
         quoted(name));
}

}  // namespace loralens
