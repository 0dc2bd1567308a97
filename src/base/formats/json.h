// SPDX-License-Identifier: Apache-2.0
// Reading JSON from untrusted files: a parser with limits on size and depth, and access to values with type and range
// checks.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/range.h"

namespace loralens {

inline constexpr size_t largest_json = 100'000'000;       // bytes of a text; the limit of the safetensors library
inline constexpr size_t most_json_values = 10'000'000;    // per text
inline constexpr size_t deepest_json = 64;                // nesting of arrays and objects

// Parses a JSON text (RFC 8259). `where` begins each error message. Error for a text that is not JSON or not UTF-8,
// exceeds the limits above, has a key twice in one object, or holds a number too large for a double. Takes O(n log n)
// time in the text's length. nlohmann::ordered_json keeps the order of the keys.
template <typename Json = nlohmann::json>
Json parse_json(std::string_view text, const std::string& where);
extern template nlohmann::json parse_json(std::string_view, const std::string&);
extern template nlohmann::ordered_json parse_json(std::string_view, const std::string&);

// Reads a file that holds a JSON object. Errors of read_file and parse_json; Error if the value is not an object.
nlohmann::json read_json_object(const Path& file);

// A value for a message: one line of ASCII, cut after 200 characters.
std::string shown_json(const nlohmann::json& value);
// A name from a file for a message: as above, in quotes.
std::string quoted(const std::string& name);

// The value as an integer or double. Error, which begins with `where`, for another type or a value out of range.
int64_t whole_number(const nlohmann::json& value, const std::string& where, Range<int64_t> range);
double finite_number(const nlohmann::json& value, const std::string& where, Range<double> range);

// Access to the values of a JSON object by key. Errors name the file, the key, the value and the expected range.
class JsonObject {
 public:
  // `value` must outlive this object. `where` begins each error message. Error unless `value` is a JSON object.
  JsonObject(const nlohmann::json& value, std::string where);

  const std::string& where() const { return where_; }
  bool has(const char* key) const;  // present and not null
  const nlohmann::json& at(const char* key) const;  // Error if missing

  // Error if the value is missing, has another type, or is out of range.
  int64_t whole(const char* key, Range<int64_t> range) const;
  double number(const char* key, Range<double> range) const;
  std::string text(const char* key) const;
  bool truth(const char* key) const;
  std::vector<std::string> texts(const char* key) const;

  // The same, or `otherwise` if the key is missing; a null is an error.
  double number(const char* key, Range<double> range, double otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  bool truth(const char* key, bool otherwise) const;

  // Throws an Error with the key, its value and the expected kind ("a list of texts").
  [[noreturn]] void refuse(const char* key, const std::string& expected) const;

 private:
  const nlohmann::json& value_;
  std::string where_;
};

}  // namespace loralens
