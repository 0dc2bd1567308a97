// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/zip_file.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

constexpr uint64_t most_members = 100'000;
constexpr uint64_t largest_directory = uint64_t{64} << 20;  // bytes
constexpr std::string_view end_mark = "PK\5\6", end_of_64_mark = "PK\6\6", locator_mark = "PK\6\7",
                           record_mark = "PK\1\2", local_mark = "PK\3\4";
constexpr size_t end_bytes = 22, end_of_64_bytes = 56, locator_bytes = 20, record_bytes = 46, local_bytes = 30;

// The little-endian unsigned number of `size` bytes at `offset`, which must exist.
uint64_t unsigned_at(std::string_view bytes, size_t offset, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<uint8_t>(bytes[offset + i])} << (8 * i);
  return value;
}

std::string bytes_of(const BinaryFile& file, uint64_t offset, uint64_t count) {
  if (offset > file.size() || count > file.size() - offset)
    fail("{}: its zip directory points beyond the file's end: the file is cut; fetch or copy it again",
         file.path().string());
  std::string bytes(count, '\0');
  file.read(offset, bytes.data(), count);
  return bytes;
}

// Replaces the numbers that a record gives as all ones by those of its 64-bit extra field, in the order of the format.
// false if the field is missing or too short.
bool widen(std::string_view extra, std::initializer_list<uint64_t*> numbers) {
  constexpr uint64_t all_ones = 0xffff'ffff;
  if (std::ranges::none_of(numbers, [](const uint64_t* number) { return *number == all_ones; })) return true;
  while (extra.size() >= 4) {
    const uint64_t kind = unsigned_at(extra, 0, 2), size = unsigned_at(extra, 2, 2);
    if (size > extra.size() - 4) return false;
    std::string_view field = extra.substr(4, size);
    extra.remove_prefix(4 + size);
    if (kind != 1) continue;
    for (uint64_t* number : numbers) {
      if (*number != all_ones) continue;
      if (field.size() < 8) return false;
      *number = unsigned_at(field, 0, 8);
      field.remove_prefix(8);
    }
    return true;
  }
  return false;
}

}  // namespace

ZipFile::ZipFile(const Path& path) : file_(path) {
  const Directory directory = find_directory();
  const std::string where = path.string();
  if (directory.members > most_members || directory.size > largest_directory)
    fail("{}: {} members in a zip directory of {} bytes; at most {} are read", where, directory.members, directory.size,
         most_members);
  const std::string bytes = bytes_of(file_, directory.offset, directory.size);
  std::string_view left = bytes;
  for (uint64_t i = 0; i < directory.members; ++i) {
    if (left.size() < record_bytes || !left.starts_with(record_mark))
      fail("{}: its zip directory is damaged: fetch or copy the file again", where);
    const uint64_t length =
        record_bytes + unsigned_at(left, 28, 2) + unsigned_at(left, 30, 2) + unsigned_at(left, 32, 2);
    if (length > left.size()) fail("{}: its zip directory is damaged: fetch or copy the file again", where);
    add_member(left.substr(0, length), directory.offset);
    left.remove_prefix(length);
  }
}

ZipFile::Directory ZipFile::find_directory() const {
  const std::string where = file_.path().string();
  const uint64_t tail = std::min<uint64_t>(file_.size(), end_bytes + 0xffff);  // the end record and its comment
  const std::string bytes = bytes_of(file_, file_.size() - tail, tail);
  const size_t at = bytes.rfind(end_mark);
  if (at == std::string::npos || bytes.size() - at < end_bytes)
    fail("{}: it begins as a zip file and has no zip directory: it is cut; fetch or copy it again", where);
  const std::string_view end = std::string_view(bytes).substr(at);
  Directory found{unsigned_at(end, 16, 4), unsigned_at(end, 12, 4), unsigned_at(end, 10, 2)};
  const uint64_t end_offset = file_.size() - tail + at;
  if (end_offset < locator_bytes) return found;
  const std::string locator = bytes_of(file_, end_offset - locator_bytes, locator_bytes);
  if (!locator.starts_with(locator_mark)) return found;
  const std::string wide = bytes_of(file_, unsigned_at(locator, 8, 8), end_of_64_bytes);
  if (!wide.starts_with(end_of_64_mark)) fail("{}: its zip directory is damaged: fetch or copy the file again", where);
  return {unsigned_at(wide, 48, 8), unsigned_at(wide, 40, 8), unsigned_at(wide, 32, 8)};
}

void ZipFile::add_member(std::string_view record, uint64_t directory_offset) {
  const uint64_t flags = unsigned_at(record, 8, 2), method = unsigned_at(record, 10, 2);
  const uint64_t name_bytes = unsigned_at(record, 28, 2), extra_bytes = unsigned_at(record, 30, 2);
  uint64_t packed = unsigned_at(record, 20, 4), size = unsigned_at(record, 24, 4), local = unsigned_at(record, 42, 4);
  const std::string name(record.substr(record_bytes, name_bytes));
  const std::string where = fmt::format("{}: its zip member {}", file_.path().string(), quoted(name));
  if (!widen(record.substr(record_bytes + name_bytes, extra_bytes), {&size, &packed, &local}))
    fail("{} has no 64-bit sizes: fetch or copy the file again", where);
  if (method != 0 || (flags & 1) != 0 || packed != size)
    fail("{} is compressed or encrypted, as torch.save() never writes it: save the file again with torch.save()",
         where);
  const std::string head = bytes_of(file_, local, local_bytes);
  if (!head.starts_with(local_mark)) fail("{} does not begin where the directory says", where);
  const uint64_t offset = local + local_bytes + unsigned_at(head, 26, 2) + unsigned_at(head, 28, 2);
  if (offset > directory_offset || size > directory_offset - offset)
    fail("{} ends beyond the file's data: the file is cut; fetch or copy it again", where);
  if (!members_.emplace(name, Member{offset, size}).second) fail("{} occurs twice", where);
}

}  // namespace loralens
