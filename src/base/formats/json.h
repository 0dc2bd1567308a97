// Reading JSON that other programs or people wrote: one parser with bounds, and values of stated types and ranges.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/range.h"

namespace loralens {

inline constexpr size_t largest_json = 100'000'000;       // bytes of a text; the safetensors library's own limit
inline constexpr size_t most_json_values = 10'000'000;    // in one text
inline constexpr size_t deepest_json = 64;                // arrays and objects inside each other

// Parses a JSON text (RFC 8259). `where` begins each message. Error for a text that is no JSON, is not UTF-8, is beyond the
// bounds above, has a key twice in one object, or holds a number that no double holds. Its time is n log n in the text's
// length. nlohmann::ordered_json keeps the order of the keys.
template <typename Json = nlohmann::json>
Json parse_json(std::string_view text, const std::string& where);
extern template nlohmann::json parse_json(std::string_view, const std::string&);
extern template nlohmann::ordered_json parse_json(std::string_view, const std::string&);

// The object that a file holds. Error as for read_file and parse_json, and for a file of another value.
nlohmann::json read_json_object(const Path& file);

// A value for a message: one line of ASCII of at most 200 characters.
std::string shown(const nlohmann::json& value);
// A name out of a file for a message: in quotes, otherwise the same.
std::string quoted(const std::string& name);

// The value as a number of this range. Errors begin with `where`.
int64_t whole_number(const nlohmann::json& value, const std::string& where, Range<int64_t> range);
double finite_number(const nlohmann::json& value, const std::string& where, Range<double> range);

// An object of a file whose values are asked for by key. Errors name the file, the key, the value
// and the expected range.
class JsonObject {
 public:
  // `value` must outlive this. Error unless it is an object.
  JsonObject(const nlohmann::json& value, std::string where);

  const std::string& where() const { return where_; }
  bool has(const char* key) const;  // there, and not null
  const nlohmann::json& at(const char* key) const;  // Error if it is not there

  // Error if the value is missing, of another type, or out of range.
  int64_t whole(const char* key, Range<int64_t> range) const;
  double number(const char* key, Range<double> range) const;
  std::string text(const char* key) const;
  bool truth(const char* key) const;
  std::vector<std::string> texts(const char* key) const;

  // The same, or `otherwise` where there is no such key; a null is an error.
  double number(const char* key, Range<double> range, double otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  bool truth(const char* key, bool otherwise) const;

  // Fails with the key, its value and what was expected ("a list of texts").
  [[noreturn]] void refuse(const char* key, const std::string& expected) const;

 private:
  const nlohmann::json& value_;
  std::string where_;
};

}  // namespace loralens
