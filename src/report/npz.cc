// SPDX-License-Identifier: Apache-2.0
#include "report/npz.h"

#include <ATen/ops/contiguous.h>

#include <array>
#include <limits>
#include <set>

#include "base/error.h"

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

std::string npy_header(const NamedArray& array) {
  std::string shape;
  for (const int64_t size : array.values.sizes()) shape += fmt::format("{}, ", size);
  if (array.values.dim() > 1) shape.resize(shape.size() - 2);
  if (array.values.dim() == 1) shape.pop_back();
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", numpy_type(array), shape);
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

// Checks all limits before any data is copied.
void check(const std::vector<NamedArray>& arrays) {
  constexpr uint64_t limit = std::numeric_limits<uint32_t>::max();
  if (arrays.size() > 65535) fail("{} arrays: an .npz holds at most 65535 here; write several", arrays.size());
  std::set<std::string> names;
  uint64_t total = 22;
  for (const auto& array : arrays) {
    if (array.name.empty() || array.name.size() > 65000) fail("an array of an .npz needs a name of 1 to 65000 bytes");
    if (!names.insert(array.name).second) fail("an .npz cannot hold two arrays named '{}'", array.name);
    total += npy_header(array).size() + array.values.numel() * array.values.element_size() + 76 +
             2 * (array.name.size() + 4);
    if (total >= limit)
      fail("array '{}' brings the .npz to 4 GiB or more, which is not written: analyse fewer clips", array.name);
  }
}

}  // namespace

uint32_t crc32(std::string_view bytes) {
  uint32_t c = 0xFFFFFFFFu;
  for (const char byte : bytes) c = crc_table[(c ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (c >> 8);
  return c ^ 0xFFFFFFFFu;
}

std::string format_npy(const NamedArray& array) {
  std::string bytes = npy_header(array);
  const auto values = array.values.cpu().contiguous();
  return bytes.append(static_cast<const char*>(values.const_data_ptr()), values.numel() * values.element_size());
}

std::string format_npz(const std::vector<NamedArray>& arrays) {
  check(arrays);
  std::string bytes, directory;
  for (const auto& array : arrays) {
    const std::string name = array.name + ".npy", member = format_npy(array);
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
  }
  const auto start = static_cast<uint32_t>(bytes.size()), size = static_cast<uint32_t>(directory.size());
  const auto count = static_cast<uint16_t>(arrays.size());
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
