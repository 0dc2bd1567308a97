// SPDX-License-Identifier: Apache-2.0
// For tests: files as torch.save() writes them.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"

namespace loralens::test_torch {

template <typename T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

struct Member {
  std::string name, data;
  uint16_t method = 0;  // 0: stored
};

// A zip archive of these members. Checksums are 0: they are not read.
inline std::string zip_of(const std::vector<Member>& members) {
  std::string file, directory;
  for (const Member& m : members) {
    const auto size = static_cast<uint32_t>(m.data.size());
    const auto offset = static_cast<uint32_t>(file.size());
    const std::string sizes = raw(uint32_t{0}) + raw(size) + raw(size) + raw(static_cast<uint16_t>(m.name.size()));
    const std::string head = raw(uint16_t{0}) + raw(m.method) + raw(uint32_t{0}) + sizes + raw(uint16_t{0});
    file += "PK\3\4" + raw(uint16_t{0}) + head + m.name + m.data;
    directory += "PK\1\2" + raw(uint16_t{0}) + raw(uint16_t{0}) + head + std::string(10, '\0') + raw(offset) + m.name;
  }
  const auto count = static_cast<uint16_t>(members.size());
  return file + directory + "PK\5\6" + raw(uint32_t{0}) + raw(count) + raw(count) +
         raw(static_cast<uint32_t>(directory.size())) + raw(static_cast<uint32_t>(file.size())) + raw(uint16_t{0});
}

inline std::string pickled_text(const std::string& value) {
  return "X" + raw(static_cast<uint32_t>(value.size())) + value;
}
inline std::string pickled_integer(int64_t value) {
  return std::in_range<int32_t>(value) ? "J" + raw(static_cast<int32_t>(value)) : "\x8a\x08" + raw(value);
}
inline std::string pickled_tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (const int64_t value : values) out += pickled_integer(value);
  return out + "t";
}

// The opcodes of a tensor of float32 on the storage `key` of `elements`.
inline std::string pickled_tensor(const std::string& key, int64_t elements, const std::vector<int64_t>& shape,
                                  const std::vector<int64_t>& strides, int64_t first = 0,
                                  const std::string& storage = "FloatStorage") {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled_text("storage") + "ctorch\n" + storage + "\n" +
         pickled_text(key) + pickled_text("cpu") + pickled_integer(elements) + "tQ" + pickled_integer(first) +
         pickled_tuple(shape) + pickled_tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

inline std::string whole_pickle(const std::string& body) { return "\x80\2" + body + "."; }

// A file with this pickle and these storages.
inline std::string torch_zip(const std::string& body, const std::map<std::string, std::string>& storages) {
  std::vector<Member> members = {{"archive/data.pkl", whole_pickle(body)}, {"archive/byteorder", "little"}};
  for (const auto& [key, bytes] : storages) members.push_back({"archive/data/" + key, bytes});
  return zip_of(members);
}

// The file of a state_dict() with these tensors (float32, contiguous); the opcodes of its dict in `body`.
inline std::string state_dict(const Tensors& tensors, std::map<std::string, std::string>& storages) {
  std::string body = "ccollections\nOrderedDict\n)R(";
  for (const auto& [name, values] : tensors) {
    const std::string key = std::to_string(storages.size());
    storages[key] = std::string(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
    body += pickled_text(name) + pickled_tensor(key, values.numel(), values.sizes().vec(), values.strides().vec());
  }
  return body + "u";
}
inline std::string state_file(const Tensors& tensors) {
  std::map<std::string, std::string> storages;
  const std::string body = state_dict(tensors, storages);
  return torch_zip(body, storages);
}

}  // namespace loralens::test_torch
