// SPDX-License-Identifier: Apache-2.0
// Reader of CTranslate2's model.bin. Format (version 6, little endian): u32 version; string = u16 length with the final
// NUL + bytes; the specification's name, u32 revision, u32 count of variables; per variable: name, u8 rank, u32 x rank,
// u8 element type, u32 bytes, data; then u32 count of aliases, two strings each.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/binary_file.h"

namespace loralens {

class CTranslate2File {
 public:
  struct Variable {
    std::vector<int64_t> shape;
    c10::ScalarType type;
    uint64_t offset, bytes;  // of its data in the file, in bytes
  };

  // Reads and checks everything except the data. Error, with the path and the variable, on any inconsistency.
  explicit CTranslate2File(const Path& path);

  const Path& path() const { return file_.path(); }
  const std::string& specification() const { return specification_; }  // "WhisperSpec"
  uint32_t revision() const { return revision_; }
  const std::map<std::string, Variable>& variables() const { return variables_; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }  // alias -> variable

  // A variable: Error if there is none of this name.
  const Variable& variable(const std::string& name) const;
  // Rows [first, first + count) of its first dimension. Error if they hold a NaN or an infinity.
  at::Tensor read_rows(const std::string& name, int64_t first, int64_t count) const;
  // The value of a scalar variable of any type. Error if it is not one number.
  double number(const std::string& name) const;

 private:
  // These read the next value at position_ and advance it.
  template <typename T>
  T take();
  std::string take_string();
  void take_variable();

  BinaryFile file_;
  uint64_t position_ = 0;
  std::string specification_;
  uint32_t revision_ = 0;
  std::map<std::string, Variable> variables_;
  std::map<std::string, std::string> aliases_;
};

}  // namespace loralens
