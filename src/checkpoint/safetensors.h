// The safetensors format (github.com/huggingface/safetensors): one file, or a Hugging Face model folder of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

class BinaryFile;

using Tensors = std::map<std::string, at::Tensor>;

// One file. The header is read and checked whole at construction; tensors are read when asked for.
// Element types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL.
class Safetensors {
 public:
  // Error, with the path and the tensor's name, unless the header is valid and the tensors fill the file exactly.
  explicit Safetensors(const Path& path);

  std::vector<std::string> names() const;  // sorted
  bool contains(const std::string& name) const;
  // Error if there is no tensor of this name.
  std::vector<int64_t> shape(const std::string& name) const;
  // On the CPU, of the file's own element type. Error, with the name, if it holds a NaN or an infinity.
  at::Tensor read(const std::string& name) const;
  // Of its elements in the file's order those from `first` on, `count` of them, as a vector: so that a large tensor can be
  // converted in pieces. Error if it has fewer.
  at::Tensor read(const std::string& name, int64_t first, int64_t count) const;
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

// A Hugging Face model folder: model.safetensors, or model.safetensors.index.json with its shards.
class Checkpoint {
 public:
  // Error if the folder has no such file, or the index names a shard or a tensor that is not there, or over 500 shards.
  explicit Checkpoint(const Path& folder);

  std::vector<std::string> names() const;  // sorted
  bool contains(const std::string& name) const;
  // Error if there is no tensor of this name.
  std::vector<int64_t> shape(const std::string& name) const;
  at::Tensor read(const std::string& name) const;
  at::Tensor read(const std::string& name, int64_t first, int64_t count) const;  // as of Safetensors

 private:
  const Safetensors& file_of(const std::string& name) const;
  void open_shards(const Path& index);

  Path folder_;
  std::map<std::string, std::shared_ptr<const Safetensors>> files_;  // by the tensor's name
};

// All tensors of a file.
Tensors read_safetensors(const Path& path);

// Writes under a temporary name, flushes to disk, renames: after an Error (such as a full disk) nothing is left.
// Tensors may be on any device and of any strides; one at a time is copied. Wider element types come first, then by
// name, as the reference library writes them, so that every tensor is aligned.
void write_safetensors(const Path& path, const Tensors& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

// A tensor that is made when it is written, so that a file larger than memory can be converted.
struct PendingTensor {
  at::ScalarType type;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> make;  // must return a tensor of this type and shape
};
void write_safetensors(const Path& path, const std::map<std::string, PendingTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace loralens
