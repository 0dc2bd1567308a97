// SPDX-License-Identifier: Apache-2.0
// NumPy's archive of arrays: an uncompressed zip of .npy files
// (numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/findings.h"
#include "base/files.h"

namespace loralens {

// A vector of texts, which NumPy reads as an array of strings ("<U").
struct NamedTexts {
  std::string name;
  std::vector<std::string> values;  // UTF-8; invalid bytes become U+FFFD
};

// The archive's bytes; member "<name>.npy" for each array, in this order, C order, little endian. Names may hold
// slashes. Tensors may be on any device and of any strides, of type float32, float64 or int64. Error for another type,
// a name that is empty or occurs twice, and archives that would need zip64: an array or archive of 4 GiB, or over
// 65,535 arrays.
std::string format_npz(const std::vector<NamedArray>& arrays, const std::vector<NamedTexts>& texts = {});
void write_npz(const Path& path, const std::vector<NamedArray>& arrays);

// One .npy file.
std::string format_npy(const NamedArray& array);
std::string format_npy(const NamedTexts& texts);

// CRC-32 as zip uses it (ISO 3309, polynomial 0xEDB88320).
uint32_t crc32(std::string_view bytes);

}  // namespace loralens
