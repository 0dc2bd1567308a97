// SPDX-License-Identifier: Apache-2.0
// Reading and writing safetensors (github.com/huggingface/safetensors): single files and Hugging Face model folders.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"

namespace loralens {

class BinaryFile;

using Tensors = std::map<std::string, at::Tensor>;

// A safetensors file. The constructor reads and checks the whole header; tensors are read on request.
// Element types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL.
class Safetensors final : public TensorFile {
 public:
  // Error, with the path and the tensor's name, unless the header is valid and the tensors fill the file exactly.
  explicit Safetensors(const Path& path);

  const Path& path() const override;
  std::vector<std::string> names() const override;
  bool contains(const std::string& name) const override;
  std::vector<int64_t> shape(const std::string& name) const override;
  at::ScalarType type(const std::string& name) const override { return entry(name).type; }
  using TensorFile::read;
  at::Tensor read(const std::string& name, int64_t first, int64_t count) const override;

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  struct Entry {
    at::ScalarType type;
    std::vector<int64_t> shape;
    uint64_t begin, end;  // bytes from the start of the data
  };
  const Entry& entry(const std::string& name) const;
  void parse(const std::string& header);
  void check_layout(uint64_t data_bytes) const;

  std::shared_ptr<const BinaryFile> file_;
  uint64_t data_start_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

enum class WeightFormat : uint8_t {
  safetensors,  // model.safetensors
  torch,        // pytorch_model.bin
};

// A Hugging Face model folder: model.safetensors, or model.safetensors.index.json with its shards; with
// WeightFormat::torch pytorch_model.bin, or pytorch_model.bin.index.json with its shards.
class Checkpoint final : public TensorFile {
 public:
  // Error if the folder has no such file, or if the index names a missing shard or tensor, more than 500 shards, or a
  // shard outside the folder.
  explicit Checkpoint(const Path& folder, WeightFormat format = WeightFormat::safetensors);

  const Path& path() const override { return folder_; }
  std::vector<std::string> names() const override;
  bool contains(const std::string& name) const override { return files_.contains(name); }
  std::vector<int64_t> shape(const std::string& name) const override { return file_of(name).shape(name); }
  at::ScalarType type(const std::string& name) const override { return file_of(name).type(name); }
  using TensorFile::read;
  at::Tensor read(const std::string& name, int64_t first, int64_t count) const override {
    return file_of(name).read(name, first, count);
  }

 private:
  const TensorFile& file_of(const std::string& name) const;
  void open_shards(const Path& index);

  Path folder_;
  std::map<std::string, std::shared_ptr<const TensorFile>> files_;  // by tensor name
};

// Reads all tensors of a file.
Tensors read_safetensors(const Path& path);

// Writes a file atomically: after an Error (such as a full disk) no file is left. Tensors may be on any device and have
// any strides; one at a time is copied. They are sorted by element size (largest first), then by name, as in the
// reference library, so that every tensor is aligned.
void write_safetensors(const Path& path, const Tensors& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

// A tensor that is computed when it is written, so that files larger than memory can be converted.
struct PendingTensor {
  at::ScalarType type;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> make;  // must return a tensor of this type and shape
};
void write_safetensors(const Path& path, const std::map<std::string, PendingTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace loralens
