// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/ctranslate2_file.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/formats/json.h"
#include "checkpoint/finite.h"

namespace loralens {
namespace {

std::optional<c10::ScalarType> element_type(uint8_t code) {
  constexpr c10::ScalarType types[] = {at::kFloat, at::kChar, at::kShort, at::kInt, at::kHalf};
  return code < std::size(types) ? std::optional(types[code]) : std::nullopt;
}

}  // namespace

CTranslate2File::CTranslate2File(const Path& path) : file_(path) {
  const std::string where = path.string();
  if (const auto version = take<uint32_t>(); version != 6)
    fail(
        "{}: it does not begin as a CTranslate2 model of version 6 does (found {}): convert the model again with "
        "ct2-transformers-converter --quantization float16",
        where, version);
  specification_ = take_string();
  revision_ = take<uint32_t>();
  for (uint32_t left = take<uint32_t>(); left > 0; --left) take_variable();
  for (uint32_t left = take<uint32_t>(); left > 0; --left) {
    const std::string alias = take_string(), name = take_string();
    if (variables_.contains(alias) || !aliases_.emplace(alias, name).second)
      fail("{}: the variable {} occurs twice", where, quoted(alias));
    variable(name);
  }
  if (position_ != file_.size()) fail("{}: {} bytes follow the end of the model", where, file_.size() - position_);
}

template <typename T>
T CTranslate2File::take() {
  T value;
  file_.read(position_, &value, sizeof value);
  position_ += sizeof value;
  return value;
}

std::string CTranslate2File::take_string() {
  std::string text(take<uint16_t>(), '\0');
  file_.read(position_, text.data(), text.size());
  position_ += text.size();
  if (text.empty() || text.find('\0') != text.size() - 1)
    fail("{}: the text at byte {} has a wrong length", path().string(), position_ - text.size());
  text.pop_back();
  return text;
}

void CTranslate2File::take_variable() {
  const std::string name = take_string();
  const std::string where = fmt::format("{}: variable {}", path().string(), quoted(name));
  Variable variable;
  variable.shape.resize(take<uint8_t>());
  uint64_t expected = 1;
  bool overflow = false;
  for (auto& size : variable.shape) {
    size = take<uint32_t>();
    if (size == 0) fail("{}: one of its dimensions is 0", where);
    overflow |= __builtin_mul_overflow(expected, static_cast<uint64_t>(size), &expected);
  }
  const auto code = take<uint8_t>();
  const auto type = element_type(code);
  if (!type)
    fail(
        "{}: the element type {} is not supported: convert the model again with ct2-transformers-converter "
        "--quantization float16",
        where, code);
  overflow |= __builtin_mul_overflow(expected, static_cast<uint64_t>(c10::elementSize(*type)), &expected);
  variable.type = *type;
  variable.bytes = take<uint32_t>();
  variable.offset = position_;
  if (overflow || variable.bytes != expected) fail("{}: {} bytes of data do not make its shape", where, variable.bytes);
  if (variable.bytes > file_.size() - position_)
    fail("{}: its data ends after the end of the file: the file is cut; fetch or copy it again", where);
  position_ += variable.bytes;
  if (!variables_.emplace(name, std::move(variable)).second) fail("{}: it occurs twice in the file", where);
}

const CTranslate2File::Variable& CTranslate2File::variable(const std::string& name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end()) fail("{} has no variable {}", path().string(), quoted(name));
  return found->second;
}

at::Tensor CTranslate2File::read_rows(const std::string& name, int64_t first, int64_t count) const {
  const Variable& whole = variable(name);
  TORCH_INTERNAL_ASSERT(!whole.shape.empty() && first >= 0 && count >= 0 && first + count <= whole.shape[0], name);
  std::vector<int64_t> shape = whole.shape;
  shape[0] = count;
  at::Tensor rows = at::empty(shape, at::TensorOptions().dtype(whole.type));
  file_.read(whole.offset + whole.bytes / static_cast<uint64_t>(whole.shape[0]) * static_cast<uint64_t>(first),
             rows.data_ptr(), rows.nbytes());
  if (!all_finite(rows))
    fail("{}: variable {} holds a NaN or an infinity: fetch or copy it again", path().string(), quoted(name));
  return rows;
}

double CTranslate2File::number(const std::string& name) const {
  const Variable& stored = variable(name);
  at::Tensor value = at::empty({}, at::TensorOptions().dtype(stored.type));
  if (stored.bytes != value.nbytes()) fail("{}: variable {} is not one number", path().string(), quoted(name));
  file_.read(stored.offset, value.data_ptr(), value.nbytes());
  return value.item().toDouble();
}

}  // namespace loralens
