// SPDX-License-Identifier: Apache-2.0
// TOML: configuration files (config.toml) hold command-line flags, one value or list of values for each key, without
// tables; study files hold tables of such keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// The values of each key as text: numbers in their shortest form, true and false, the elements of a list in order.
// nullopt: the key holds another kind of value (a table, a date), which no flag takes.
using Flags = std::map<std::string, std::optional<std::vector<std::string>>>;

// Error, with the file and the line, for a text that is no TOML, and for one of more than 1 MiB or 1,000 dots.
Flags parse_flags(const std::string& text, const std::string& file);
Flags read_flags(const Path& file);

// The values of one key, empty if the file does not hold it. Error if it holds another kind of value.
std::vector<std::string> values_of(const Flags& flags, const std::string& key, const std::string& file);

struct TomlKey {
  std::string name;
  int64_t line = 0;
  std::vector<std::string> values;  // as those of Flags
  bool list = false;  // whether the value is a list
  bool nested = false;  // whether it is a list of lists, whose elements `values` holds in order
};

// A table with its keys and tables, each in the order of the file.
struct TomlTable {
  std::string name;
  int64_t line = 0;
  std::vector<TomlKey> keys;
  std::vector<TomlTable> tables;
};

// The whole text as a table without a name. Errors of parse_flags; Error, with the line, for a value of another kind.
TomlTable parse_tables(const std::string& text, const std::string& file);

// Formats a value for TOML: numbers, true and false without quotes, other texts quoted.
std::string toml_value(const std::string& value);

}  // namespace loralens
