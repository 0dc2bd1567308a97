// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/torch_file.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/formats/text_in_place.h"
#include "checkpoint/pickle.h"
#include "checkpoint/zip_file.h"

namespace loralens {
namespace {

constexpr uint64_t largest_pickle = uint64_t{64} << 20;  // bytes
constexpr uint64_t most_shared = 4;  // the tensors may have this many times the file's bytes: tied weights share theirs
constexpr size_t most_dimensions = 16;
constexpr std::string_view zip_start = "PK\3\4",
                           legacy_start = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

std::optional<at::ScalarType> storage_type(std::string_view global) {
  static constexpr std::pair<std::string_view, at::ScalarType> types[] = {
      {"torch DoubleStorage", at::kDouble},     {"torch FloatStorage", at::kFloat}, {"torch HalfStorage", at::kHalf},
      {"torch BFloat16Storage", at::kBFloat16}, {"torch LongStorage", at::kLong},   {"torch IntStorage", at::kInt},
      {"torch ShortStorage", at::kShort},       {"torch CharStorage", at::kChar},   {"torch ByteStorage", at::kByte},
      {"torch BoolStorage", at::kBool}};
  for (const auto& [name, type] : types)
    if (name == global) return type;
  return std::nullopt;
}

std::string first_bytes(const Path& path, size_t count) {
  const BinaryFile file(path);
  std::string bytes(std::min<uint64_t>(count, file.size()), '\0');
  file.read(0, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace

// Turns the values of a pickle into entries.
class TorchFile::Builder {
 public:
  explicit Builder(TorchFile& file) : file_(file), where_(file.path().string()) {}

  void run() {
    find_archive();
    if (const auto order = file_.zip_->members().find(archive_ + "byteorder");
        order != file_.zip_->members().end() && text_of(order->second, 16) != "little")
      fail("{}: it was saved on a big-endian machine, which is not supported", where_);
    const auto& member = file_.zip_->members().at(archive_ + "data.pkl");
    pickle_ = read_pickle(text_of(member, largest_pickle), where_);
    const PickleValue& root = pickle_.at(pickle_.root);
    const PickleValue* state = pickle_.find(root, "model_state_dict");
    if (const PickleValue* dims = pickle_.find(root, "dims"); state && dims) read_dims(*dims);
    read_tensors(state && !file_.dims_.empty() ? *state : root);
  }

 private:
  void find_archive() {
    constexpr std::string_view end = "data.pkl";
    int64_t found = 0;
    for (const auto& [name, member] : file_.zip_->members())
      if (name == end || name.ends_with("/" + std::string(end))) {
        archive_ = name.substr(0, name.size() - end.size());
        ++found;
      }
    if (found == 0) fail("{}: this zip file has no data.pkl, so torch.save() did not write it", where_);
    if (found > 1) fail("{}: this zip file has {} members data.pkl, so torch.save() did not write it", where_, found);
  }

  std::string text_of(const ZipFile::Member& member, uint64_t most) const {
    if (member.size > most) fail("{}: a member of {} bytes; at most {} are read", where_, member.size, most);
    std::string bytes(member.size, '\0');
    file_.zip_->file().read(member.offset, bytes.data(), bytes.size());
    return bytes;
  }

  void read_dims(const PickleValue& dims) {
    for (size_t i = 0; i + 1 < dims.items.size(); i += 2) {
      const PickleValue &key = pickle_.at(dims.items[i]), &value = pickle_.at(dims.items[i + 1]);
      constexpr size_t longest = 64;  // OpenAI's keys are shorter; comparisons of long ones would take long
      if (key.kind == PickleKind::text && key.text.size() <= longest && value.kind == PickleKind::integer)
        file_.dims_[key.text] = value.number;
    }
  }

  void read_tensors(const PickleValue& dict) {
    if (dict.kind != PickleKind::dict)
      fail("{}: it holds no tensors by name (no state_dict() of a model): save those of the model", where_);
    uint64_t bytes = 0;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = pickle_.at(dict.items[i]);
      if (key.kind != PickleKind::text) fail("{}: a key in it is no text: save the state_dict() of a model", where_);
      Entry entry = entry_of(key.text, pickle_.at(dict.items[i + 1]));
      bytes += static_cast<uint64_t>(c10::multiply_integers(entry.shape)) * c10::elementSize(entry.type);
      if (bytes > most_shared * file_.zip_->file().size())
        fail("{}: its tensors have more than {} times the file's bytes: it is damaged", where_, most_shared);
      if (!file_.entries_.emplace(key.text, std::move(entry)).second)
        fail("{}: tensor {} occurs twice", where_, quoted(key.text));
    }
  }

  [[noreturn]] void no_tensor(const std::string& name, const PickleValue& value) const {
    const bool call = value.kind == PickleKind::call;
    fail("{}: {} is no tensor{}: save the state_dict() of a model alone", where_, quoted(name),
         call ? fmt::format(", but a Python object ({})", quoted(pickle_.at(value.items[0]).text)) : "");
  }

  // _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), or _rebuild_parameter(tensor, ...).
  Entry entry_of(const std::string& name, const PickleValue& given) const {
    const PickleValue* value = &given;
    const auto function = [&]() -> std::string_view {
      return value->kind == PickleKind::call ? std::string_view(pickle_.at(value->items[0]).text) : "";
    };
    const auto arguments = [&]() -> const std::vector<uint32_t>& { return pickle_.at(value->items[1]).items; };
    if (function() == "torch._utils _rebuild_parameter" && !arguments().empty()) value = &pickle_.at(arguments()[0]);
    if (function() != "torch._utils _rebuild_tensor_v2" && function() != "torch._utils _rebuild_tensor")
      no_tensor(name, given);
    const auto& parts = arguments();
    if (parts.size() < 4 || pickle_.at(parts[1]).kind != PickleKind::integer) no_tensor(name, given);
    constexpr size_t views = 6;  // {"neg": True} or {"conj": True}: other values than those of the storage
    if (parts.size() > views && pickle_.at(parts[views]).kind == PickleKind::dict &&
        !pickle_.at(parts[views]).items.empty())
      fail("{}: tensor {} is a negated or conjugated view: save a copy of it (tensor.resolve_neg())", where_,
           quoted(name));
    Entry entry{.type = {},
                .shape = numbers_of(name, parts[2]),
                .strides = numbers_of(name, parts[3]),
                .begin = 0,
                .span = 0,
                .contiguous = false};
    place(name, entry, pickle_.at(parts[0]), pickle_.at(parts[1]).number);
    return entry;
  }

  std::vector<int64_t> numbers_of(const std::string& name, uint32_t index) const {
    const PickleValue& tuple = pickle_.at(index);
    std::vector<int64_t> numbers;
    if (tuple.kind != PickleKind::tuple || tuple.items.size() > most_dimensions)
      fail("{}: tensor {}: its shape is no tuple of at most {} sizes", where_, quoted(name), most_dimensions);
    for (const uint32_t item : tuple.items) {
      const PickleValue& number = pickle_.at(item);
      if (number.kind != PickleKind::integer || number.number < 0)
        fail("{}: tensor {}: a number of its shape is negative or no integer", where_, quoted(name));
      numbers.push_back(number.number);
    }
    return numbers;
  }

  // Finds the bytes of a tensor. storage: the persistent id ('storage', type, key, device, elements).
  void place(const std::string& name, Entry& entry, const PickleValue& storage, int64_t first) const {
    const std::string where = fmt::format("{}: tensor {}", where_, quoted(name));
    const PickleValue* id = storage.kind == PickleKind::persistent ? &pickle_.at(storage.items[0]) : nullptr;
    if (!id || id->kind != PickleKind::tuple || id->items.size() != 5) fail("{}: it names no storage", where);
    const std::string& kind = pickle_.at(id->items[1]).text;
    const PickleValue &key = pickle_.at(id->items[2]), &count = pickle_.at(id->items[4]);
    const auto type = storage_type(kind);
    if (!type) fail("{}: the storage {} is not supported", where, quoted(kind));
    const auto member = file_.zip_->members().find(archive_ + "data/" + key.text);
    if (member == file_.zip_->members().end())
      fail("{}: its storage {} is not in the file: the file is damaged; fetch or copy it again", where,
           quoted(key.text));
    const auto width = static_cast<int64_t>(c10::elementSize(*type));
    if (count.kind != PickleKind::integer || count.number < 0 || count.number > INT64_MAX / width ||
        static_cast<uint64_t>(count.number * width) != member->second.size)
      fail("{}: its storage has {} bytes, which are not {} elements of {}: the file is damaged", where,
           member->second.size, count.number, kind);
    measure(where, entry, first, count.number);
    entry.type = *type;
    entry.begin = member->second.offset + static_cast<uint64_t>(first * width);
  }

  // Sets span and contiguous. Error unless the elements lie in the storage and are not more than it holds.
  void measure(const std::string& where, Entry& entry, int64_t first, int64_t storage) const {
    if (entry.strides.size() != entry.shape.size()) fail("{}: its shape and strides do not fit", where);
    int64_t elements = 1, last = 0, expected = 1;
    bool overflow = false, plain = true;
    for (size_t d = entry.shape.size(); d > 0; --d) {
      const int64_t size = entry.shape[d - 1], stride = entry.strides[d - 1];
      int64_t reach = 0;
      plain &= size == 1 || stride == expected;
      overflow |= __builtin_mul_overflow(elements, size, &elements);
      overflow |= __builtin_mul_overflow(std::max<int64_t>(size - 1, 0), stride, &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
      overflow |= __builtin_mul_overflow(expected, std::max<int64_t>(size, 1), &expected);
    }
    overflow |= __builtin_add_overflow(last, 1, &last);
    entry.span = overflow || elements == 0 ? 0 : last;
    entry.contiguous = plain || elements == 0;
    if (overflow || first < 0 || first > storage || entry.span > storage - first || elements > storage)
      fail("{}: its shape [{}] does not fit its storage of {} elements: the file is damaged", where,
           fmt::join(entry.shape, ", "), storage);
  }

  TorchFile& file_;
  std::string where_, archive_;
  Pickle pickle_;
};

TorchFile::TorchFile(const Path& path) {
  if (first_bytes(path, legacy_start.size()) == legacy_start)
    fail(
        "{}: this is a file of torch.save() before PyTorch 1.6, which is not read: save it again in Python with "
        "torch.save(torch.load(FILE, map_location=\"cpu\", weights_only=True), FILE)",
        path.string());
  if (const std::string text = text_in_place_of_data(first_bytes(path, 512)); !text.empty())
    fail("{}: no file of tensors but {}", path.string(), text);
  zip_ = std::make_unique<ZipFile>(path);
  Builder(*this).run();
}

TorchFile::~TorchFile() = default;

const Path& TorchFile::path() const { return zip_->file().path(); }

std::vector<std::string> TorchFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const TorchFile::Entry& TorchFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail("{} has no tensor {}", path().string(), quoted(name));
  return found->second;
}

at::Tensor TorchFile::read(const std::string& name, int64_t first, int64_t count) const {
  const Entry& wanted = entry(name);
  const int64_t has = c10::multiply_integers(wanted.shape);
  if (first < 0 || count < 0 || first > has || count > has - first)
    fail("{}: tensor {} has {} elements: none from {} to {}", path().string(), quoted(name), has, first, first + count);
  const auto options = at::TensorOptions().dtype(wanted.type);
  at::Tensor tensor = at::empty({wanted.contiguous ? count : wanted.span}, options);
  const uint64_t skipped = wanted.contiguous ? static_cast<uint64_t>(first) * tensor.element_size() : 0;
  zip_->file().read(wanted.begin + skipped, tensor.data_ptr(), tensor.nbytes());
  check_values(tensor, path(), name);
  if (wanted.contiguous) return tensor;
  return at::as_strided(tensor, wanted.shape, wanted.strides).contiguous().view({-1}).narrow(0, first, count);
}

bool is_torch_file(const Path& path) {
  return first_bytes(path, zip_start.size()) == zip_start || first_bytes(path, legacy_start.size()) == legacy_start;
}

}  // namespace loralens
