// SPDX-License-Identifier: Apache-2.0
// Restricted reader of Python pickles (protocols 2 to 5, with those opcodes of 0 and 1 that they use). It builds plain
// values and never calls anything: names of Python objects stay names, and the caller decides which it understands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

enum class PickleKind : uint8_t {
  none,
  truth,  // number: 0 or 1
  integer,  // number
  real,  // real
  text,  // text (UTF-8 or bytes)
  global,  // text: "module name" of a Python object
  list,  // items
  tuple,  // items
  dict,  // items: key, value, key, value, ...
  call,  // items: the called object, its arguments (a tuple); nothing is called
  persistent,  // items: the id of an object outside the pickle
};

// A value. Items are indices into Pickle::values: a value may occur in several places, also inside itself.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t number = 0;
  double real = 0;
  std::string text = {};
  std::vector<uint32_t> items = {};
};

struct Pickle {
  std::vector<PickleValue> values;
  uint32_t root = 0;

  const PickleValue& at(uint32_t index) const { return values[index]; }
  // The value of a text key in a dict, also in an empty OrderedDict() that was filled afterwards; nullptr if there is
  // none or if `dict` is no dict.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;
};

// Reads a pickle, which must fill the text. Takes time and memory linear in its length. Error, which begins with
// `where`, for a damaged pickle, for one of more than 2,000,000 values, and for an opcode that files of tensors do not
// contain. A state that is set on an object (BUILD) is dropped.
Pickle read_pickle(std::string_view bytes, const std::string& where);

}  // namespace loralens
