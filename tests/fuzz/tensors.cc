// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "fuzz/bytes.h"
#include "fuzz/structure.h"

namespace loralens::fuzz {
namespace {

using Json = nlohmann::ordered_json;

struct File {
  Json header;
  std::string data;
};

bool parse(const std::string& bytes, File& file) {
  uint64_t length = 0;
  if (bytes.size() < 8) return false;
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8) return false;
  file.header = Json::parse(bytes.substr(8, length), nullptr, false);
  file.data = bytes.substr(8 + length);
  return file.header.is_object();
}

std::string write(const File& file) {
  const std::string header = file.header.dump(-1, ' ', false, Json::error_handler_t::ignore);
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + file.data;
}

std::vector<std::string> tensors(const File& file) {
  std::vector<std::string> names;
  for (const auto& [name, value] : file.header.items())
    if (name != "__metadata__") names.push_back(name);
  return names;
}

// Replaces one or more of a tensor's float32 values by a value that is not finite, huge, tiny or negative.
void spoil_values(File& file, Json& tensor, Random& random) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float values[] = {NAN, NAN, infinity, -infinity, 3e38F, -3e38F, 1e30F, 1e20F, 1e-40F, 0, -1};
  const size_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
  if (end <= begin + 4 || end > file.data.size()) return;
  const float value = pick(values, random);
  const size_t count = (end - begin) / 4, first = random.below(count);
  const size_t many = random.below(3) ? 1 : 1 + random.below(count - first);
  for (size_t i = first; i < first + many; ++i) std::memcpy(&file.data[begin + 4 * i], &value, 4);
}

void change_shape(Json& tensor, Random& random) {
  static const int64_t sizes[] = {0, 1, -1, 2, 3, 1LL << 31, 1LL << 32, INT64_MAX, 1LL << 62};
  Json& shape = tensor["shape"];
  switch (random.below(5)) {
    case 0: shape.push_back(1); return;
    case 1: shape.insert(shape.begin(), 1); return;
    case 2:
      if (!shape.empty()) shape.erase(shape.size() - 1);
      return;
    case 3:
      if (shape.size() > 1) std::swap(shape[0], shape[1]);
      return;
    default:
      if (!shape.empty()) shape[random.below(shape.size())] = pick(sizes, random);
  }
}

// Removes rows of the last tensor, up to all, from its data, shape and offsets: the file stays consistent but is
// smaller.
void shrink(File& file, Random& random) {
  const auto names = tensors(file);
  for (const auto& name : names) {
    Json& tensor = file.header[name];
    const size_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
    if (end != file.data.size() || begin > end || tensor["shape"].empty() || tensor["shape"][0] == 0) continue;
    const size_t rows = tensor["shape"][0], kept = random.below(rows);
    const size_t size = (end - begin) / rows * kept;
    tensor["shape"][0] = kept;
    tensor["data_offsets"][1] = begin + size;
    file.data.resize(begin + size);
    return;
  }
}

void mutate_once(File& file, Random& random) {
  static const char* const types[] = {"F64", "F32", "F16",  "BF16",    "I64", "I32", "I16",
                                      "I8",  "U8",  "BOOL", "F8_E4M3", "",    "f32"};
  const auto names = tensors(file);
  if (names.empty()) return;
  const std::string name = pick(names, random), other = pick(names, random);
  Json& tensor = file.header[name];
  if (!tensor.is_object() || !tensor.contains("shape") || !tensor.contains("data_offsets")) return;
  switch (random.below(11)) {
    case 0:
    case 1:
    case 2: return spoil_values(file, tensor, random);
    case 3: return change_shape(tensor, random);
    case 4: tensor["dtype"] = pick(types, random); return;
    case 5: tensor["data_offsets"][random.below(2)] = random.below(file.data.size() + 9); return;
    case 6: std::swap(file.header[name], file.header[other]); return;
    case 7: file.header[random.below(2) ? other + ".weight" : odd_text(random)] = Json(tensor); return;
    case 8: file.header.erase(name); return;
    case 9: return shrink(file, random);
    default: file.header["__metadata__"][odd_text(random)] = odd_text(random);
  }
}

}  // namespace

void mutate_safetensors(std::string& bytes, Random& random) {
  File file;
  if (!parse(bytes, file)) return;
  if (random.below(8) == 0) {  // damages the header as JSON
    std::string header = file.header.dump();
    mutate_json(header, random);
    const uint64_t length = header.size();
    bytes = std::string(reinterpret_cast<const char*>(&length), 8) + header + file.data;
    return;
  }
  if (file.header.contains("__metadata__") && file.header["__metadata__"].contains("state") && random.below(4) == 0) {
    std::string state = file.header["__metadata__"]["state"];  // of a checkpoint
    mutate_json(state, random);
    file.header["__metadata__"]["state"] = state;
  } else {
    for (uint64_t i = 0, count = 1 + random.below(2); i < count; ++i) mutate_once(file, random);
  }
  bytes = write(file);
}

}  // namespace loralens::fuzz
