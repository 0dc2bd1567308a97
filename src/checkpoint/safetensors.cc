// SPDX-License-Identifier: Apache-2.0
// Reader of safetensors files, with the checks of the reference library.
#include "checkpoint/safetensors.h"

#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/formats/text_in_place.h"
#include "checkpoint/binary_file.h"
#include "checkpoint/element_types.h"

namespace loralens {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

constexpr size_t most_shards = 500;
constexpr uint64_t largest_header = largest_json;  // the limit of the reference library

// The size of a tensor in bytes, or nullopt if it does not fit into 63 bits.
std::optional<uint64_t> bytes_of(const std::vector<int64_t>& shape, at::ScalarType type) {
  int64_t padded = static_cast<int64_t>(c10::elementSize(type));  // 0 counts as 1: strides must not overflow
  bool empty = false;
  for (const int64_t size : shape) {
    empty |= size == 0;
    if (__builtin_mul_overflow(padded, std::max<int64_t>(size, 1), &padded)) return std::nullopt;
  }
  return empty ? 0 : static_cast<uint64_t>(padded);
}

uint64_t offset_of(const json& value, const std::string& where) {
  return static_cast<uint64_t>(whole_number(value, where + ": a number of its shape or data_offsets", {0, INT64_MAX}));
}

}  // namespace

Safetensors::Safetensors(const Path& path) : file_(std::make_shared<BinaryFile>(path)) {
  const std::string where = path.string();
  if (file_->size() < 8) fail("{}: {} bytes are no safetensors file; fetch or copy it again", where, file_->size());
  uint64_t length;
  file_->read(0, &length, 8);
  if (length > largest_header) {
    std::string start(std::min<uint64_t>(file_->size(), 512), '\0');
    file_->read(0, start.data(), start.size());
    if (const std::string text = text_in_place_of_data(start); !text.empty())
      fail("{}: no safetensors file but {}", where, text);
    fail("{}: a header of {} bytes is no safetensors file's", where, length);
  }
  if (length > file_->size() - 8)
    fail("{}: the header has {} bytes, the file only {}: fetch or copy it again", where, length, file_->size());
  std::string header(length, '\0');
  file_->read(8, header.data(), length);
  data_start_ = 8 + length;
  parse(header);
  check_layout(file_->size() - data_start_);
}

void Safetensors::parse(const std::string& header) {
  const std::string path = file_->path().string();
  if (!header.starts_with('{')) fail("{}: the header is no JSON object; this is no safetensors file", path);
  const json root = parse_json(header, path);
  for (const auto& [name, value] : root.items()) {
    const std::string where = fmt::format("{}: tensor {}", path, quoted(name));
    if (name == "__metadata__" && value.is_null()) continue;  // the reference library reads it as none
    if (!value.is_object()) fail("{}: its description is no JSON object", where);
    if (name == "__metadata__") {
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string()) fail("{}: metadata {} is no text", path, quoted(key));
        metadata_[key] = text.get<std::string>();
      }
      continue;
    }
    const auto dtype = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
    if (value.size() != 3 || dtype == value.end() || !dtype->is_string() || shape == value.end() ||
        !shape->is_array() || offsets == value.end() || !offsets->is_array() || offsets->size() != 2)
      fail("{}: its description must be dtype, shape and two data_offsets, nothing else", where);
    const auto type = element_type(dtype->get<std::string>());
    if (!type) fail("{}: the element type {} is not supported", where, quoted(dtype->get<std::string>()));
    Entry entry{*type, {}, offset_of((*offsets)[0], where), offset_of((*offsets)[1], where)};
    for (const auto& size : *shape) entry.shape.push_back(static_cast<int64_t>(offset_of(size, where)));
    entries_.emplace(name, std::move(entry));
  }
}

void Safetensors::check_layout(uint64_t data_bytes) const {
  const std::string path = file_->path().string();
  std::vector<const std::pair<const std::string, Entry>*> order;
  for (const auto& named : entries_) order.push_back(&named);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t position = 0;
  for (const auto* named : order) {
    const auto& [name, entry] = *named;
    const std::string where = fmt::format("{}: tensor {}", path, quoted(name));
    if (entry.end < entry.begin) fail("{}: its data ends before it begins", where);
    if (entry.end > data_bytes)
      fail("{}: its data ends at byte {} of {}: the file is cut; fetch or copy it again", where, entry.end, data_bytes);
    const auto bytes = bytes_of(entry.shape, entry.type);
    if (!bytes || *bytes != entry.end - entry.begin)
      fail("{}: {} bytes of data do not make the shape [{}] of {}", where, entry.end - entry.begin,
           fmt::join(entry.shape, ", "), element_name(entry.type));
    if (entry.begin < position) fail("{}: its data overlaps another tensor's", where);
    if (entry.begin > position) fail("{}: {} bytes before its data belong to no tensor", where, entry.begin - position);
    position = entry.end;
  }
  if (position != data_bytes) fail("{}: {} bytes at the end belong to no tensor", path, data_bytes - position);
}

const Path& Safetensors::path() const { return file_->path(); }

std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

bool Safetensors::contains(const std::string& name) const { return entries_.contains(name); }

const Safetensors::Entry& Safetensors::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail("{} has no tensor {}", file_->path().string(), quoted(name));
  return found->second;
}

std::vector<int64_t> Safetensors::shape(const std::string& name) const { return entry(name).shape; }

at::Tensor Safetensors::read(const std::string& name, int64_t first, int64_t count) const {
  const Entry& wanted = entry(name);
  const int64_t has = c10::multiply_integers(wanted.shape);
  if (first < 0 || count < 0 || first > has || count > has - first)
    fail("{}: tensor {} has {} elements: none from {} to {}", file_->path().string(), quoted(name), has, first,
         first + count);
  at::Tensor tensor = at::empty({count}, at::TensorOptions().dtype(wanted.type));
  file_->read(data_start_ + wanted.begin + static_cast<uint64_t>(first) * tensor.element_size(), tensor.data_ptr(),
              tensor.nbytes());
  check_values(tensor, file_->path(), name);
  return tensor;
}

Tensors read_safetensors(const Path& path) {
  const Safetensors file(path);
  Tensors tensors;
  for (const auto& name : file.names()) tensors.emplace(name, file.read(name));
  return tensors;
}

Checkpoint::Checkpoint(const Path& folder, WeightFormat format) : folder_(folder) {
  const bool torch = format == WeightFormat::torch;
  const std::string name = torch ? "pytorch_model.bin" : "model.safetensors";
  const Path single = folder / name, index = folder / (name + ".index.json");
  if (std::filesystem::exists(single)) {
    const auto file = open_tensor_file(single);
    for (const auto& tensor : file->names()) files_.emplace(tensor, file);
  } else if (std::filesystem::exists(index)) {
    open_shards(index);
  } else if (!torch && (std::filesystem::exists(folder / "pytorch_model.bin") ||
                        std::filesystem::exists(folder / "pytorch_model.bin.index.json"))) {
    fail("{} holds its weights as a pickle (pytorch_model.bin): convert it with 'loralens import {} --to DIR'",
         folder.string(), folder.string());
  } else {
    fail("{} has neither {} nor {}.index.json: fetch the model again, or save it in Python with save_pretrained()",
         folder.string(), name, name);
  }
}

void Checkpoint::open_shards(const Path& index) {
  const std::string where = index.string();
  const json root = read_json_object(index);
  const auto map = root.find("weight_map");
  if (map == root.end() || !map->is_object()) fail("{}: there is no 'weight_map' in it", where);
  std::set<std::string> names;  // each shard is a file that stays open
  for (const auto& value : *map)
    if (value.is_string()) names.insert(value.get<std::string>());
  if (names.size() > most_shards) fail("{}: {} shards; the limit is {}", where, names.size(), most_shards);
  std::map<std::string, std::shared_ptr<const TensorFile>> shards;
  for (const auto& [name, value] : map->items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    if (shard.empty() || shard.starts_with('.') || shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos)
      fail("{}: the shard of tensor {} is no plain file name", where, quoted(name));
    auto& file = shards[shard];
    if (!file) file = open_tensor_file(folder_ / shard);
    if (!file->contains(name)) fail("{}: tensor {} is not in {}", where, quoted(name), quoted(shard));
    files_.emplace(name, file);
  }
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

const TensorFile& Checkpoint::file_of(const std::string& name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) fail("{} has no tensor {}", folder_.string(), quoted(name));
  return *found->second;
}

}  // namespace loralens
