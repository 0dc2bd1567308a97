// SPDX-License-Identifier: Apache-2.0
#include "cli/config.h"

#include <algorithm>

#include "base/error.h"
#include "base/formats/toml.h"
#include "base/nearest.h"

namespace loralens {
namespace {

// Sets the options that are not given yet to the values in the file.
void apply_flags(CLI::App& command, const std::string& file) {
  const Flags flags = read_flags(file);
  for (const auto& [key, value] : flags) {
    CLI::Option* option = command.get_option_no_throw("--" + key);
    if (!option) {
      const std::string near = nearest(key, flag_names(command));
      fail("{}: '{}' is no flag of this command{}", file, key,
           near.empty() ? "" : fmt::format(": did you mean '{}'?", near));
    }
    if (!option->get_configurable())
      fail("{}: '{}' has no effect in a file: give --{} on the command line", file, key, key);
    if (option->count() > 0) continue;
    const auto texts = values_of(flags, key, file);
    if (texts.empty()) fail("{}: '{}' is an empty list: leave the key out, or give a value", file, key);
    try {
      for (const auto& text : texts)
        option->add_result(option->get_items_expected_max() == 0 ? option->get_flag_value(key, text) : text);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      fail("{}: '{}' has a value that the flag does not take ({})", file, key, error.what());
    }
  }
}

}  // namespace

void add_config_option(CLI::App& command) {
  const std::string description = "TOML file with any of these flags";
  command.add_option("--config", description)->check(CLI::ExistingFile)->configurable(false);
}

void apply_config(CLI::App& command) {
  const CLI::Option* config = command.get_option("--config");
  if (config->count() == 0) return;
  try {
    apply_flags(command, config->results().front());
  } catch (const Error& error) {  // the command line names the file, so an error in it is a usage error
    throw CLI::ConfigError(error.what());
  }
}

std::set<std::string> flags_given(const CLI::App& command) {
  std::set<std::string> names;
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0) names.insert(option->get_name());
  return names;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> flag_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
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
    if (flag) values = {option->count() > 0 && option->as<bool>() ? "true" : "false"};
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
