// SPDX-License-Identifier: Apache-2.0
#include "cli/train/adapter_flags.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/layers.h"
#include "cli/train/module_flags.h"

namespace loralens {
namespace {

constexpr const char* group = "Adapter";

// A method and its declaration of an option.
struct Declaration {
  const Method* method;
  const MethodOption* option;
};

// The declarations of the option of this name, in the order of methods().
std::vector<Declaration> declarations_of(const std::string& name) {
  std::vector<Declaration> all;
  for (const Method* method : methods())
    for (const MethodOption& option : method->options())
      if (option.name == name) all.push_back({method, &option});
  return all;
}

// The help line with the default inserted before the range in brackets at its end.
std::string with_default(const MethodOption& option) {
  if (option.default_value.empty()) return option.help;
  const size_t range = std::min(option.help.rfind(" ("), option.help.size());
  return fmt::format("{}, default {}{}", option.help.substr(0, range), option.default_value, option.help.substr(range));
}

// The first method's help line, and those of the methods whose help or default differs from it.
std::string help_of(const std::vector<Declaration>& declarations) {
  const MethodOption& first = *declarations.front().option;
  std::string help = first.help;
  for (const auto& [method, option] : declarations)
    if (option->help != first.help || option->default_value != first.default_value)
      help += fmt::format("; {}: {}", method->name(), with_default(*option));
  return help;
}

// Accepts a text that is valid for one of the methods; the chosen method checks it again.
CLI::Validator validator_of(const std::string& flag, const std::vector<Declaration>& declarations) {
  const auto check = [flag, declarations](std::string& text) -> std::string {
    for (const auto& [method, option] : declarations) {
      if (!option->complaint(text).empty()) continue;
      text = option->normal(text);
      return "";
    }
    // CLI11 puts the flag's name in front of a ValidationError, but passes a ConversionError on unchanged.
    throw CLI::ConversionError(fmt::format("{} {} {}", flag, text, declarations.front().option->complaint(text)));
  };
  return {check, ""};
}

// "lora, dora": the methods that have this option.
std::string methods_with(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Method* method : methods())
    if (option_names(*method).contains(name)) names.push_back(method->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

void AdapterFlags::add(CLI::App& command) {
  std::string summaries;
  std::vector<std::string> names;
  for (const Method* method : methods()) {
    summaries += fmt::format("{}{}: {}", names.empty() ? "" : "; ", method->name(), method->summary());
    names.emplace_back(method->name());
  }
  command.add_option("--method", method_, summaries)->check(CLI::IsMember(names))->group(group);
  command.add_option("--targets", targets_, "modules, a list of q_proj k_proj v_proj out_proj fc1 fc2")->group(group);
  command
      .add_option("--target-pattern", pattern_, "regular expression for a module's whole name, instead of --targets")
      ->check(pattern_error)
      ->group(group);
  command.add_option("--exclude", excluded_, "modules to exclude from adaptation")->group(group);
  command.add_option("--layers", layers_, "adapted layers: all, upper (half), or a list such as 0-2,5")->group(group);
  for (const Method* method : methods())
    for (const MethodOption& option : method->options()) {
      const std::string flag = "--" + option.name;
      if (command.get_option_no_throw(flag)) continue;  // an earlier method has the same flag
      const auto declarations = declarations_of(option.name);
      if (option.kind.empty()) {
        command.add_flag(flag, switches_[option.name], help_of(declarations))->group(group);
        continue;
      }
      texts_[option.name] = option.default_value;
      command.add_option(flag, texts_[option.name], help_of(declarations))
          ->type_name(option.kind)
          ->transform(validator_of(flag, declarations))
          ->group(group);
    }
}

AdapterOptions AdapterFlags::options(CLI::App& command, const std::set<std::string>& given) const {
  for (const std::string& name : foreign_flags(method_))
    if (given.contains("--" + name))
      throw_usage("--method {} has no flag --{}: leave it out, or choose a method that has it ({})", method_, name,
                  methods_with(name));
  AdapterOptions options;
  options.method = method_;
  options.targets = split(targets_);
  options.target_pattern = pattern_;
  options.excluded = split(excluded_);
  try {
    for (const MethodOption& option : method_named(method_).options()) {
      CLI::Option* flag = command.get_option("--" + option.name);
      const bool is_switch = option.kind.empty();
      if (flag->count() > 0)
        option.set(options.own, is_switch ? (switches_.at(option.name) ? "true" : "false") : texts_.at(option.name));
      else if (!is_switch)
        flag->default_str(option.default_value);  // the default of this method, for config.toml
    }
  } catch (const Error& error) {
    throw_usage("{}", error.what());
  }
  return options;
}

void AdapterFlags::check_same(CLI::App& command, const std::set<std::string>& given, const AdapterOptions& saved,
                              const WhisperConfig& config) const {
  const AdapterOptions asked = options(command, {});
  const Method& method = method_named(saved.method);
  const auto is_given = [&](const std::string& name) { return given.contains("--" + name); };
  for (const MethodOption& option : method.options())
    if (const auto value = option.text(saved.own);
        is_given(option.name) && option.in_files && option.text(asked.own) != value)
      throw_usage("--{} {}: the adapter of --from has {}: leave --{} out", option.name, option.text(asked.own),
                  value.empty() ? "none" : value, option.name);
  AdapterOptions chosen = saved;
  std::vector<std::string> flags;
  const auto choose = [&](const std::string& name, const auto& change) {
    if (!is_given(name)) return;
    flags.push_back("--" + name);
    change();
  };
  choose("targets", [&] { chosen.targets = asked.targets, chosen.target_pattern.clear(); });
  choose("target-pattern", [&] { chosen.target_pattern = asked.target_pattern; });
  choose("exclude", [&] { chosen.excluded = asked.excluded; });
  choose("layers", [&] { chosen.layers = parse_layers("--layers", layers_, {0, config.layers - 1}); });
  if (flags.empty()) return;
  bool same = false;
  try {
    same = method.targeting() == Targeting::modules ? target_modules(config, chosen) == target_modules(config, saved)
                                                    : target_layers(config, chosen) == target_layers(config, saved);
  } catch (const Error&) {  // such as --layers with an adapter that has a target pattern, or no matching module
  }
  if (!same)
    throw_usage("{}: the adapter of --from is on other modules or layers: leave {} out", fmt::join(flags, ", "),
                flags.size() > 1 ? "these flags" : "the flag");
}

void AdapterFlags::choose_layers(AdapterOptions& options, const WhisperConfig& config) const {
  const Method& method = method_named(options.method);
  if (method.targeting() != Targeting::none) options.layers = parse_layers("--layers", layers_, {0, config.layers - 1});
  try {
    method.check(config, options);
  } catch (const Error& error) {
    throw_usage("{}", error.what());
  }
}

std::vector<std::string> foreign_flags(const std::string& method) {
  std::set<std::string> names;
  for (const Method* other : methods()) names.merge(option_names(*other));
  for (const std::string& own : option_names(method_named(method))) names.erase(own);
  return {names.begin(), names.end()};
}

}  // namespace loralens
