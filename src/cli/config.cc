#include "cli/config.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/error.h"

// toml++ 3.3 checks some faults of a file by assertions alone, such as a line that holds nothing but "[". An assertion that
// fails is an error of the file, not the end of the program.
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

// Where a key stands, for errors; throws them as errors of usage.
[[noreturn]] void refuse(const std::string& file, const std::string& key, const std::string& reason) {
  throw CLI::ConfigError(fmt::format("{}: '{}' {}", file, key, reason));
}

// The texts of a value or of a list of values, as they would stand on the command line.
std::vector<std::string> texts(const toml::node& node, const std::string& file, const std::string& key) {
  if (const auto text = node.value_exact<std::string>()) return {*text};
  if (const auto whole = node.value_exact<int64_t>()) return {std::to_string(*whole)};
  if (const auto number = node.value_exact<double>()) return {fmt::format("{}", *number)};
  if (const auto truth = node.value_exact<bool>()) return {*truth ? "true" : "false"};
  const auto* list = node.as_array();
  if (!list) refuse(file, key, "is neither a text, a number, true or false, nor a list of these");
  std::vector<std::string> all;
  for (const auto& element : *list)
    for (auto& text : texts(element, file, key)) all.push_back(std::move(text));
  return all;
}

constexpr size_t largest_config = 1 << 20;  // bytes
constexpr int64_t most_dots = 1000;         // of dotted keys and fractions

// The end of the text in quotes that begins at `at`: '...', "...", or three of these quotes.
size_t end_of_quoted(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string_view close = text.substr(at).starts_with(std::string(3, quote)) ? text.substr(at, 3) : text.substr(at, 1);
  for (at += close.size(); at < text.size() && !text.substr(at).starts_with(close); ++at)
    if (quote == '"' && text[at] == '\\') ++at;
  return std::min(at + close.size(), text.size());
}

// toml++ bounds the depth of lists and inline tables, but not of a.b.c = 1 and [a.b.c], whose tables it frees recursively. No
// flag has a dotted key, so a bound on all dots outside texts and comments does.
bool has_many_dots(std::string_view text) {
  int64_t dots = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    dots += c == '.';
    if (c == '"' || c == '\'') at = end_of_quoted(text, at);
    else if (c == '#') at = std::min(text.find('\n', at), text.size());
    else ++at;
  }
  return dots > most_dots;
}

toml::table read_toml(const std::string& file) {
  std::error_code code;
  if (const auto size = std::filesystem::file_size(file, code); !code && size > largest_config)
    throw CLI::ConfigError(fmt::format("{}: {} bytes; a file of flags has at most {}", file, size, largest_config));
  const std::string text = read_file(file);
  if (has_many_dots(text))
    throw CLI::ConfigError(fmt::format("{}: no file of flags: it has more than {} dots outside of texts", file, most_dots));
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw CLI::ConfigError(fmt::format("{}: no valid TOML in line {}: {}", file, error.source().begin.line,
                                       std::string(error.description())));
  } catch (const FailedAssertion& error) {
    throw CLI::ConfigError(fmt::format("{}: no valid TOML: the parser expected {}", file, error.condition));
  }
}

bool is_bare(const std::string& value) {  // a TOML number or boolean as it stands
  if (value == "true" || value == "false") return true;
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  return error == std::errc() && end == value.data() + value.size() && value.find_first_of("infa") == std::string::npos &&
         (value.size() < 2 || value[0] != '0' || value[1] == '.' || value[1] == 'e');
}

std::string toml_value(const std::string& value) {
  if (is_bare(value)) return value;
  std::ostringstream out;
  out << toml::value<std::string>(value);
  return out.str();
}

}  // namespace

void add_config_option(CLI::App& command) {
  const std::string description = "TOML file with any of these flags";
  command.add_option("--config", description)->check(CLI::ExistingFile);
}

void apply_config(CLI::App& command) {
  const CLI::Option* config = command.get_option("--config");
  if (config->count() == 0) return;
  const std::string file = config->results().front();
  for (const auto& [name, node] : read_toml(file)) {
    const std::string key(name.str());
    CLI::Option* option = command.get_option_no_throw("--" + key);
    if (!option || option == config || option == command.get_help_ptr())
      refuse(file, key, "is no flag of this command");
    if (option->count() > 0) continue;
    const auto values = texts(node, file, key);
    try {
      for (const auto& value : values)
        option->add_result(option->get_items_expected_max() == 0 ? option->get_flag_value(key, value) : value);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      refuse(file, key, fmt::format("has a value that the flag does not take ({})", error.what()));
    }
  }
}

std::set<std::string> flags_given(const CLI::App& command) {
  std::set<std::string> names;
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0) names.insert(option->get_name());
  return names;
}

void apply_preset(CLI::App& command, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    CLI::Option* option = command.get_option("--" + name);
    if (option->count() > 0) continue;
    option->add_result(value);
    option->run_callback();
  }
}

std::string resolved_config(const CLI::App& command, const std::vector<std::string>& left_out) {
  std::string text;
  for (const CLI::Option* option : command.get_options()) {
    const auto& names = option->get_lnames();
    if (names.empty() || names[0] == "help" || names[0] == "config") continue;
    if (std::find(left_out.begin(), left_out.end(), names[0]) != left_out.end()) continue;
    std::vector<std::string> values = option->results();
    const bool flag = option->get_items_expected_max() == 0;
    if (values.empty() && flag) values = {"false"};
    if (values.empty() && !option->get_default_str().empty()) values = {option->get_default_str()};
    if (values.empty()) continue;
    if (values.size() == 1) {
      text += fmt::format("{} = {}\n", names[0], toml_value(values[0]));
      continue;
    }
    std::string list;
    for (const auto& value : values) list += (list.empty() ? "" : ", ") + toml_value(value);
    text += fmt::format("{} = [{}]\n", names[0], list);
  }
  return text;
}

std::map<std::string, std::string> flags_in(const std::string& toml) {
  std::map<std::string, std::string> flags;
  for (const auto& [name, node] : toml::parse(toml)) {
    const std::string key(name.str());
    flags[key] = fmt::format("{}", fmt::join(texts(node, "the configuration", key), ","));
  }
  return flags;
}

std::vector<std::string> config_texts(const Path& file, const std::string& key) {
  const toml::table table = read_toml(file.string());
  const auto* node = table.get(key);
  return node ? texts(*node, file.string(), key) : std::vector<std::string>{};
}

}  // namespace loralens
