#include "cli/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/error.h"

namespace loralens {
namespace {

std::string scalar(const toml::node& node, const std::string& where) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto whole = node.value_exact<int64_t>()) return std::to_string(*whole);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
  throw CLI::FileError(where + ": a text, number, true or false was expected");
}

// Hands a parsed TOML file to CLI11, whose own reader knows only a part of the language.
class Toml : public CLI::ConfigTOML {
 public:
  explicit Toml(std::string command) : command_(std::move(command)) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    toml::table table;
    try {
      table = toml::parse(in);
    } catch (const toml::parse_error& error) {
      throw CLI::FileError(fmt::format("the configuration file is no valid TOML: {} (line {})",
                                       std::string(error.description()), error.source().begin.line));
    }
    std::vector<CLI::ConfigItem> items;
    for (const auto& [key, node] : table) {
      CLI::ConfigItem item;
      item.name = std::string(key.str());
      if (const auto* array = node.as_array())
        for (const auto& element : *array) item.inputs.push_back(scalar(element, item.name));
      else
        item.inputs.push_back(scalar(node, item.name));
      items.push_back(std::move(item));
    }
    return items;
  }

 private:
  std::string command_;
};

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
  command.config_formatter(std::make_shared<Toml>(command.get_name()));
  command.set_config("--config", "", "TOML file with any of these flags");
  command.allow_config_extras(CLI::config_extras_mode::error);
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

}  // namespace loralens
