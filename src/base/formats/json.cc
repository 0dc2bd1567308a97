// SPDX-License-Identifier: Apache-2.0
#include "base/formats/json.h"

#include <algorithm>
#include <set>
#include <type_traits>

#include "base/error.h"

namespace loralens {
namespace {

// SAX handler that builds the value from the parser's events. nlohmann's own builder does not limit the depth, accepts
// duplicate keys, and with a callback it visits all keys of an object after each new key.
template <typename Json>
class Builder {
 public:
  Builder(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(typename Json::binary_t&) { return false; }  // occurs only in binary formats, not in JSON texts
  bool start_array(size_t) { return open(Json::array()); }
  bool start_object(size_t) { return open(Json::object()); }
  bool end_array() { return close(); }
  bool end_object() { return close(); }

  bool key(std::string& name) {
    Level& level = open_.back();
    if constexpr (ordered) {
      if (!level.keys.insert(name).second) refuse_twice(name);
      auto& members = level.value->template get_ref<typename Json::object_t&>();
      members.push_back({name, nullptr});  // ordered_json::emplace would compare the name with all others
      level.member = &members.back().second;
    } else {
      const auto [place, fresh] = level.value->emplace(name, nullptr);
      if (!fresh) refuse_twice(name);
      level.member = &*place;
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    if (error.id == 406) fail("{}: its JSON holds a number beyond all bounds (at byte {})", where_, position);
    const std::string_view before = text_.substr(0, std::min(position, text_.size()));
    const auto column = before.size() - (before.rfind('\n') + 1);  // npos + 1 is 0
    const auto line = text_.find('\n') == std::string_view::npos
                          ? std::string()
                          : fmt::format("line {}, ", 1 + std::count(before.begin(), before.end(), '\n'));
    const bool utf8 = std::string_view(error.what()).find("UTF-8") != std::string_view::npos;
    fail("{}: no valid JSON in {}column {}{}: correct it, or fetch or copy the file again", where_, line, column,
         utf8 ? " (not UTF-8)" : "");
  }

 private:
  static constexpr bool ordered = std::is_same_v<Json, nlohmann::ordered_json>;

  struct Level {
    Json* value;
    Json* member = nullptr;  // objects only: the value of the last key
    std::set<std::string> keys;  // ordered objects only: all keys so far
  };

  [[noreturn]] void refuse_twice(const std::string& name) const {
    fail("{}: the key {} stands twice in one object", where_, quoted(name));
  }

  // Stores a value at the next place: a new list element, the last key's value, or the root.
  bool add(Json value, Json** placed = nullptr) {
    if (++count_ > most_json_values) fail("{}: more than {} JSON values, the limit", where_, most_json_values);
    Json* place = &root_;
    if (!open_.empty() && open_.back().value->is_array()) {
      auto& list = open_.back().value->template get_ref<typename Json::array_t&>();
      place = &list.emplace_back();
    } else if (!open_.empty()) {
      place = open_.back().member;
    }
    *place = std::move(value);
    if (placed) *placed = place;
    return true;
  }

  bool open(Json empty) {
    if (open_.size() == deepest_json)
      fail("{}: its JSON is nested more than {} levels deep, the limit", where_, deepest_json);
    Json* place = nullptr;
    add(std::move(empty), &place);
    open_.push_back({place, nullptr, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& where_;
  Json root_;
  std::vector<Level> open_;  // a parent does not grow while its child is open, so pointers stay valid
  size_t count_ = 0;
};

std::string cut(std::string text) {
  constexpr size_t most = 200;
  if (text.size() > most) text = text.substr(0, most) + "...";
  return text;
}

}  // namespace

template <typename Json>
Json parse_json(std::string_view text, const std::string& where) {
  if (text.size() > largest_json) fail("{}: {} bytes of JSON; at most {} are read", where, text.size(), largest_json);
  Builder<Json> builder(text, where);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}
template nlohmann::json parse_json(std::string_view, const std::string&);
template nlohmann::ordered_json parse_json(std::string_view, const std::string&);

nlohmann::json read_json_object(const Path& file) {
  std::error_code code;
  if (const auto size = std::filesystem::file_size(file, code); !code && size > largest_json)
    fail("{}: {} bytes of JSON; at most {} are read", file.string(), size, largest_json);
  nlohmann::json value = parse_json(read_file(file), file.string());
  if (!value.is_object()) fail("{}: not a JSON object", file.string());
  return value;
}

std::string shown_json(const nlohmann::json& value) {
  return cut(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

std::string quoted(const std::string& name) {
  return nlohmann::json(cut(name)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

int64_t whole_number(const nlohmann::json& value, const std::string& where, Range<int64_t> range) {
  const bool fits = value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
  if (!fits || !range.contains(value.get<int64_t>()))
    fail("{} is {}: expected a whole number, {}", where, shown_json(value), range.text());
  return value.get<int64_t>();
}

double finite_number(const nlohmann::json& value, const std::string& where, Range<double> range) {
  if (!value.is_number() || !range.contains(value.get<double>()))
    fail("{} is {}: expected a number, {}", where, shown_json(value), range.text());
  return value.get<double>();
}

JsonObject::JsonObject(const nlohmann::json& value, std::string where) : value_(value), where_(std::move(where)) {
  if (!value.is_object()) fail("{}: not a JSON object", where_);
}

bool JsonObject::has(const char* key) const {
  const auto found = value_.find(key);
  return found != value_.end() && !found->is_null();
}

const nlohmann::json& JsonObject::at(const char* key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) fail("{}: \"{}\" is missing", where_, key);
  return *found;
}

int64_t JsonObject::whole(const char* key, Range<int64_t> range) const {
  return whole_number(at(key), fmt::format("{}: \"{}\"", where_, key), range);
}

double JsonObject::number(const char* key, Range<double> range) const {
  return finite_number(at(key), fmt::format("{}: \"{}\"", where_, key), range);
}

std::string JsonObject::text(const char* key) const {
  if (!at(key).is_string()) refuse(key, "a text");
  return at(key).get<std::string>();
}

bool JsonObject::truth(const char* key) const {
  if (!at(key).is_boolean()) refuse(key, "true or false");
  return at(key).get<bool>();
}

std::vector<std::string> JsonObject::texts(const char* key) const {
  const nlohmann::json& list = at(key);
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), [](const auto& one) { return one.is_string(); }))
    refuse(key, "a list of texts");
  return list.get<std::vector<std::string>>();
}

double JsonObject::number(const char* key, Range<double> range, double otherwise) const {
  return value_.contains(key) ? number(key, range) : otherwise;
}

std::string JsonObject::text(const char* key, const std::string& otherwise) const {
  return value_.contains(key) ? text(key) : otherwise;
}

bool JsonObject::truth(const char* key, bool otherwise) const { return value_.contains(key) ? truth(key) : otherwise; }

void JsonObject::refuse(const char* key, const std::string& expected) const {
  fail("{}: \"{}\" is {}: expected {}", where_, key, shown_json(at(key)), expected);
}

}  // namespace loralens
