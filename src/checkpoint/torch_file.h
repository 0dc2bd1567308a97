// SPDX-License-Identifier: Apache-2.0
// Reader of the zip files of torch.save() (PyTorch 1.6 and later) that hold named tensors: adapter_model.bin,
// pytorch_model.bin, OpenAI's Whisper checkpoints. No code of the file runs (pickle.h).
#pragma once

#include <map>

#include "checkpoint/tensor_file.h"

namespace loralens {

class ZipFile;

class TorchFile final : public TensorFile {
 public:
  // Error, with the path, for a file of PyTorch before 1.6, for a damaged file, and for one that holds other objects
  // than tensors by name (at its top, or as "model_state_dict" beside "dims"). The storage of each tensor must be in
  // the file with exactly the bytes that its element type and number ask for, and hold all the tensor's elements.
  explicit TorchFile(const Path& path);
  ~TorchFile() override;

  const Path& path() const override;
  std::vector<std::string> names() const override;
  bool contains(const std::string& name) const override { return entries_.contains(name); }
  std::vector<int64_t> shape(const std::string& name) const override { return entry(name).shape; }
  at::ScalarType type(const std::string& name) const override { return entry(name).type; }
  using TensorFile::read;
  at::Tensor read(const std::string& name, int64_t first, int64_t count) const override;

  // The whole numbers of "dims" in a checkpoint of OpenAI's Whisper; empty in other files.
  const std::map<std::string, int64_t>& dims() const { return dims_; }

 private:
  struct Entry {
    at::ScalarType type;
    std::vector<int64_t> shape, strides;
    uint64_t begin;  // byte of the first element in the file
    int64_t span;  // elements from the first to the last one in memory, both included
    bool contiguous;
  };
  class Builder;
  const Entry& entry(const std::string& name) const;

  std::unique_ptr<ZipFile> zip_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, int64_t> dims_;
};

// Whether a file begins as one of torch.save(), of any version of PyTorch. Error if it cannot be read.
bool is_torch_file(const Path& path);

}  // namespace loralens
