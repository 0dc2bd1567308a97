// SPDX-License-Identifier: Apache-2.0
// Writer of safetensors files.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/new_file.h"
#include "checkpoint/binary_file.h"
#include "checkpoint/element_types.h"
#include "checkpoint/safetensors.h"

namespace loralens {
namespace {

using Named = std::pair<const std::string, PendingTensor>;

// By element size (largest first), then by name, so that every tensor is aligned to its element size.
std::vector<const Named*> file_order(const std::map<std::string, PendingTensor>& tensors) {
  std::vector<const Named*> order;
  for (const auto& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return c10::elementSize(a->second.type) > c10::elementSize(b->second.type);
  });
  return order;
}

std::string header_of(const std::vector<const Named*>& order, const std::map<std::string, std::string>& metadata,
                      const Path& path) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t position = 0;
  for (const Named* named : order) {
    const auto& [name, tensor] = *named;
    if (name == "__metadata__") fail("{}: no tensor can have the name __metadata__", path.string());
    const std::string_view type = element_name(tensor.type);
    if (type.empty())
      fail("{}: tensor {}: safetensors has no element type {}", path.string(), quoted(name),
           c10::toString(tensor.type));
    uint64_t bytes = c10::elementSize(tensor.type);
    for (const int64_t size : tensor.shape) bytes *= static_cast<uint64_t>(size);
    header[name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {position, position + bytes}}};
    position += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const Path& path, const std::map<std::string, PendingTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const auto order = file_order(tensors);
  const std::string header = header_of(order, metadata, path);
  NewFile file(path);
  const uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const Named* named : order) {
    const auto& [name, pending] = *named;
    const at::Tensor tensor = pending.make().to(at::kCPU).contiguous();
    TORCH_INTERNAL_ASSERT(tensor.scalar_type() == pending.type && tensor.sizes() == pending.shape, name);
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
  file.finish();
}

void write_safetensors(const Path& path, const Tensors& tensors, const std::map<std::string, std::string>& metadata) {
  std::map<std::string, PendingTensor> pending;
  for (const auto& [name, tensor] : tensors)
    pending.emplace(name, PendingTensor{tensor.scalar_type(), tensor.sizes().vec(), [&tensor] { return tensor; }});
  write_safetensors(path, pending, metadata);
}

}  // namespace loralens
