// SPDX-License-Identifier: Apache-2.0
#include "base/formats/toml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <sstream>

#include "base/error.h"
#include "base/text.h"

// toml++ 3.3 checks some syntax errors of a file only by assertions, such as a line that holds nothing but "[". A
// failed assertion is therefore reported as an error of the file and does not abort the program.
#define TOML_ASSERT(condition) (static_cast<bool>(condition) ? void() : throw loralens::FailedAssertion{#condition})
namespace loralens {
struct FailedAssertion {
  const char* condition;
};
}  // namespace loralens
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wterminate"  // some assertions stand in functions that are noexcept
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace loralens {
namespace {

constexpr int64_t largest_file = 1 << 20;  // bytes
constexpr int64_t most_dots = 1000;  // in dotted keys and decimal fractions

// The end of the quoted text that begins at `at`: '...', "...", or one in triple quotes.
size_t end_of_quoted(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string_view close =
      text.substr(at).starts_with(std::string(3, quote)) ? text.substr(at, 3) : text.substr(at, 1);
  for (at += close.size(); at < text.size() && !text.substr(at).starts_with(close); ++at)
    if (quote == '"' && text[at] == '\\') ++at;
  // Of more than three quotes in a row the last three close the text.
  for (int more = 0;
       close.size() == 3 && more < 2 && text.substr(std::min(at, text.size())).starts_with(std::string(4, quote));
       ++more)
    ++at;
  return std::min(at + close.size(), text.size());
}

// toml++ limits the depth of lists and inline tables, but not of a.b.c = 1 and [a.b.c], whose tables it frees
// recursively, which could overflow the stack. No flag has a dotted key, so a limit on the dots outside texts and
// comments suffices.
bool has_many_dots(std::string_view text) {
  int64_t dots = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    dots += c == '.';
    if (c == '"' || c == '\'')
      at = end_of_quoted(text, at);
    else if (c == '#')
      at = std::min(text.find('\n', at), text.size());
    else
      ++at;
  }
  return dots > most_dots;
}

// Appends the value, or each value of a list, as text. False for another kind of value (a table, a date).
bool append_texts(const toml::node& node, std::vector<std::string>& texts) {
  if (const auto text = node.value_exact<std::string>()) {
    texts.push_back(*text);
  } else if (const auto whole = node.value_exact<int64_t>()) {
    texts.push_back(std::to_string(*whole));
  } else if (const auto number = node.value_exact<double>()) {
    texts.push_back(fmt::format("{}", *number));
  } else if (const auto truth = node.value_exact<bool>()) {
    texts.emplace_back(*truth ? "true" : "false");
  } else if (const auto* list = node.as_array()) {
    return std::ranges::all_of(*list, [&](const toml::node& element) { return append_texts(element, texts); });
  } else {
    return false;
  }
  return true;
}

toml::table parsed(const std::string& text, const std::string& file) {
  if (std::ssize(text) > largest_file)
    fail("{}: {} bytes; a file of flags has at most {}", file, text.size(), largest_file);
  if (has_many_dots(text)) fail("{}: no file of flags: it has more than {} dots outside of texts", file, most_dots);
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    fail("{}: no valid TOML in line {}: {}", file, error.source().begin.line, std::string(error.description()));
  } catch (const FailedAssertion& error) {
    fail("{}: no valid TOML: the parser expected {}", file, error.condition);
  }
}

TomlKey key_of(const std::string& name, const toml::node& node, const std::string& file) {
  TomlKey key{.name = name, .line = node.source().begin.line, .values = {}, .list = node.is_array()};
  if (const auto* list = node.as_array())
    key.nested = std::ranges::any_of(*list, [](const toml::node& element) { return element.is_array(); });
  if (!append_texts(node, key.values))
    fail("{}: line {}: '{}' is neither a text, a number, true or false, nor a list of these", file, key.line,
         shown(name));
  for (const std::string& text : key.values)
    if (text.find('\0') != std::string::npos)
      fail("{}: line {}: '{}' holds a zero byte: remove it", file, key.line, shown(name));
  return key;
}

TomlTable table_of(const std::string& name, const toml::table& from, const std::string& file) {
  TomlTable table{.name = name, .line = from.source().begin.line, .keys = {}, .tables = {}};
  for (const auto& [key, node] : from) {
    const std::string inner(key.str());
    if (inner.find('\0') != std::string::npos) fail("{}: '{}' holds a zero byte: remove it", file, shown(inner));
    if (const auto* below = node.as_table())
      table.tables.push_back(table_of(inner, *below, file));
    else
      table.keys.push_back(key_of(inner, node, file));
  }
  std::ranges::stable_sort(table.keys, {}, &TomlKey::line);
  std::ranges::stable_sort(table.tables, {}, &TomlTable::line);
  return table;
}

bool is_bare(const std::string& value) {  // whether it is a TOML number or boolean without quotes
  if (value == "true" || value == "false") return true;
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  return error == std::errc() && end == value.data() + value.size() &&
         value.find_first_of("infa") == std::string::npos &&
         (value.size() < 2 || value[0] != '0' || value[1] == '.' || value[1] == 'e');
}

}  // namespace

Flags parse_flags(const std::string& text, const std::string& file) {
  Flags flags;
  for (const auto& [name, node] : parsed(text, file)) {
    std::vector<std::string> texts;
    const bool plain = append_texts(node, texts);
    texts.emplace_back(name.str());
    for (const std::string& one : texts)  // a zero byte would end a path or a name
      if (one.find('\0') != std::string::npos) fail("{}: '{}' holds a zero byte: remove it", file, shown(one));
    texts.pop_back();
    flags[std::string(name.str())] = plain ? std::optional(std::move(texts)) : std::nullopt;
  }
  return flags;
}

TomlTable parse_tables(const std::string& text, const std::string& file) {
  return table_of("", parsed(text, file), file);
}

Flags read_flags(const Path& file) { return parse_flags(read_file(file, largest_file + 1), file.string()); }

std::vector<std::string> values_of(const Flags& flags, const std::string& key, const std::string& file) {
  const auto found = flags.find(key);
  if (found == flags.end()) return {};
  if (!found->second) fail("{}: '{}' is neither a text, a number, true or false, nor a list of these", file, key);
  return *found->second;
}

std::string toml_value(const std::string& value) {
  if (is_bare(value)) return value;
  std::ostringstream out;
  out << toml::value<std::string>(value);
  return out.str();
}

}  // namespace loralens
