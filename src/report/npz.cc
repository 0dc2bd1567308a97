// SPDX-License-Identifier: Apache-2.0
#include "report/npz.h"

#include <ATen/ops/contiguous.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr std::array<uint32_t, 256> crc_table = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}();

template <typename T>
void put(std::string& bytes, T value) {  // little endian
  for (size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(value >> (8 * i));
}

const char* numpy_type(const NamedArray& array) {
  switch (array.values.scalar_type()) {
    case at::kFloat: return "<f4";
    case at::kDouble: return "<f8";
    case at::kLong: return "<i8";
    default:
      fail("array '{}' is of type {}: an .npz holds float32, float64 and int64", array.name,
           c10::toString(array.values.scalar_type()));
  }
}

std::string npy_header(const std::string& type, at::IntArrayRef sizes) {
  std::string shape;
  for (const int64_t size : sizes) shape += fmt::format("{}, ", size);
  if (sizes.size() > 1) shape.resize(shape.size() - 2);
  if (sizes.size() == 1) shape.pop_back();
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, shape);
  constexpr size_t before = 10;  // magic, version, length of the text
  text.append(63 - (before + text.size()) % 64, ' ');
  std::string header("\x93NUMPY\x01\x00", 8);
  put(header, static_cast<uint16_t>(text.size() + 1));
  return header + text + '\n';
}

// Fields that a member's local header and its central directory entry share.
std::string entry_fields(uint32_t crc, uint32_t size, size_t name_size) {
  std::string fields;
  put<uint16_t>(fields, 20);       // needs version 2.0
  put<uint16_t>(fields, 1 << 11);  // the name is UTF-8
  put<uint16_t>(fields, 0);        // stored
  put<uint16_t>(fields, 0);        // time and date: 1980-01-01, so that equal arrays make equal files
  put<uint16_t>(fields, 1 << 5 | 1);
  put(fields, crc);
  put(fields, size);  // compressed
  put(fields, size);
  put(fields, static_cast<uint16_t>(name_size));
  put<uint16_t>(fields, 0);  // no extra field
  return fields;
}

// Checks the names and, before any data is copied, the size. sizes: bytes of each member, without its header.
void check(const std::vector<std::pair<std::string, uint64_t>>& sizes) {
  constexpr uint64_t limit = std::numeric_limits<uint32_t>::max();
  if (sizes.size() > 65535) fail("{} arrays: an .npz holds at most 65535 here; write several", sizes.size());
  std::set<std::string> names;
  uint64_t total = 22;
  for (const auto& [name, bytes] : sizes) {
    if (name.empty() || name.size() > 65000) fail("an array of an .npz needs a name of 1 to 65000 bytes");
    if (!names.insert(name).second) fail("an .npz cannot hold two arrays named '{}'", name);
    total += bytes + 204 + 2 * (name.size() + 4);  // headers of a member, at most
    if (total >= limit)
      fail("array '{}' brings the .npz to 4 GiB or more, which is not written: take fewer clips", name);
  }
}

std::u32string code_points(const std::string& text) {
  const std::string valid = repaired_utf8(text);
  std::u32string points;
  for (size_t next = 0; next < valid.size();) {
    utf8proc_int32_t point = 0;
    next += utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()) + next,
                             static_cast<utf8proc_ssize_t>(valid.size() - next), &point);
    points += static_cast<char32_t>(point);
  }
  return points;
}

}  // namespace

uint32_t crc32(std::string_view bytes) {
  uint32_t c = 0xFFFFFFFFu;
  for (const char byte : bytes) c = crc_table[(c ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (c >> 8);
  return c ^ 0xFFFFFFFFu;
}

std::string format_npy(const NamedArray& array) {
  std::string bytes = npy_header(numpy_type(array), array.values.sizes());
  const auto values = array.values.cpu().contiguous();
  return bytes.append(static_cast<const char*>(values.const_data_ptr()), values.numel() * values.element_size());
}

std::string format_npy(const NamedTexts& texts) {
  std::vector<std::u32string> values;
  size_t longest = 1;
  for (const std::string& text : texts.values) {
    values.push_back(code_points(text));
    longest = std::max(longest, values.back().size());
  }
  std::string bytes = npy_header(fmt::format("<U{}", longest), {std::ssize(values)});
  for (std::u32string& value : values) {
    value.resize(longest);
    for (const char32_t character : value) put(bytes, static_cast<uint32_t>(character));
  }
  return bytes;
}

std::string format_npz(const std::vector<NamedArray>& arrays, const std::vector<NamedTexts>& texts) {
  std::vector<std::pair<std::string, uint64_t>> sizes;
  for (const auto& array : arrays) {
    numpy_type(array);  // error for a type that has none
    sizes.emplace_back(array.name, array.values.numel() * array.values.element_size());
  }
  for (const auto& one : texts) {
    size_t longest = 1;
    for (const std::string& value : one.values) longest = std::max(longest, value.size());
    sizes.emplace_back(one.name, 4 * longest * one.values.size());
  }
  check(sizes);
  std::string bytes, directory;
  const auto add = [&](const std::string& array, const std::string& member) {
    const std::string name = array + ".npy";
    const std::string fields = entry_fields(crc32(member), static_cast<uint32_t>(member.size()), name.size());
    put<uint32_t>(directory, 0x02014b50);
    put<uint16_t>(directory, 3 << 8 | 20);  // made by: Unix, version 2.0
    directory += fields;
    put<uint16_t>(directory, 0);  // no comment
    put<uint16_t>(directory, 0);  // disk 0
    put<uint16_t>(directory, 0);  // binary
    put<uint32_t>(directory, 0100644u << 16);
    put(directory, static_cast<uint32_t>(bytes.size()));
    directory += name;
    put<uint32_t>(bytes, 0x04034b50);
    bytes += fields + name + member;
  };
  for (const auto& array : arrays) add(array.name, format_npy(array));
  for (const auto& one : texts) add(one.name, format_npy(one));
  const auto start = static_cast<uint32_t>(bytes.size()), size = static_cast<uint32_t>(directory.size());
  const auto count = static_cast<uint16_t>(sizes.size());
  bytes += directory;
  put<uint32_t>(bytes, 0x06054b50);
  put<uint32_t>(bytes, 0);  // one disk
  put(bytes, count);
  put(bytes, count);
  put(bytes, size);
  put(bytes, start);
  put<uint16_t>(bytes, 0);  // no comment
  return bytes;
}

void write_npz(const Path& path, const std::vector<NamedArray>& arrays) { write_file(path, format_npz(arrays)); }

}  // namespace loralens
