// SPDX-License-Identifier: Apache-2.0
// Files of named tensors: safetensors, and the zip files of torch.save().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// Named tensors of a file, which are read on request. The names and shapes are known and checked once it is open.
class TensorFile {
 public:
  virtual ~TensorFile() = default;

  virtual const Path& path() const = 0;
  virtual std::vector<std::string> names() const = 0;  // sorted
  virtual bool contains(const std::string& name) const = 0;
  // Error if there is no tensor of this name.
  virtual std::vector<int64_t> shape(const std::string& name) const = 0;
  virtual at::ScalarType type(const std::string& name) const = 0;
  // `count` elements from element `first` on, in row-major order, as a vector on the CPU in the file's element type;
  // for converting a large tensor in pieces. Error, with the name, if the tensor is too small, or if the elements
  // include a NaN or an infinity.
  virtual at::Tensor read(const std::string& name, int64_t first, int64_t count) const = 0;
  // The whole tensor.
  at::Tensor read(const std::string& name) const;
};

// Opens a file by its content: safetensors, or the zip file of torch.save() (torch_file.h). Errors of both readers.
std::shared_ptr<const TensorFile> open_tensor_file(const Path& path);

// Error if the tensor, whose bytes were read from a file, holds a NaN or an infinity, or a BOOL that is neither 0 nor
// 1, which would be undefined behaviour.
void check_values(const at::Tensor& tensor, const Path& file, const std::string& name);

}  // namespace loralens
