// SPDX-License-Identifier: Apache-2.0
// loralens completion, loralens man: scripts that complete commands and flags in a shell, and manual pages. Both are
// made of the command line's own description.
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/config.h"

namespace loralens {
namespace {

// The commands and readers, each with its words: "train", "corpus ravdess".
void visit(const CLI::App& app, const std::string& words,
           const std::function<void(const std::string& words, const CLI::App&)>& see) {
  for (const CLI::App* command : commands_of(app)) {
    const std::string all = words.empty() ? command->get_name() : words + " " + command->get_name();
    see(all, *command);
    visit(*command, all, see);
  }
}

struct Flag {
  std::string name, text;  // "--rank"; its help in one line
  bool takes_value;
  std::vector<std::string> choices;
};

std::vector<Flag> flags_of(const CLI::App& command) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_lnames().empty()) continue;
    const std::string type = option->get_type_name();
    const size_t open = type.find('{'), close = type.find('}');
    flags.push_back({.name = "--" + option->get_lnames().front(),
                     .text = fmt::format("{}", fmt::join(lines_of(option->get_description()), " ")),
                     .takes_value = option->get_items_expected_max() > 0,
                     .choices = {}});
    if (open != std::string::npos && close != std::string::npos)
      flags.back().choices = split(type.substr(open + 1, close - open - 1));
  }
  return flags;
}

std::string names_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const Flag& flag : flags_of(command)) names.push_back(flag.name);
  for (const CLI::App* below : commands_of(command)) names.push_back(below->get_name());
  return fmt::format("{}", fmt::join(names, " "));
}

// Completes words of a command line; files where nothing else is known.
void print_bash(const CLI::App& app) {
  fmt::print(
      "# bash completion of loralens: eval \"$(loralens completion bash)\"\n"
      "_loralens() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
      "  local command=${{COMP_WORDS[1]}} words=\n"
      "  (( COMP_CWORD == 1 )) && command=\n"
      "  [[ $command == corpus && COMP_CWORD -gt 2 ]] && command+=\" ${{COMP_WORDS[2]}}\"\n"
      "  case \"$command $before\" in\n");
  visit(app, "", [](const std::string& words, const CLI::App& command) {
    for (const Flag& flag : flags_of(command))
      if (!flag.choices.empty())
        fmt::print("    '{} {}') words='{}' ;;\n", words, flag.name, fmt::join(flag.choices, " "));
  });
  fmt::print("    *) case $command in\n      '') words='{}' ;;\n", names_of(app));
  visit(app, "", [](const std::string& words, const CLI::App& command) {
    fmt::print("      '{}') words='{}' ;;\n", words, names_of(command));
  });
  fmt::print(
      "    esac ;;\n"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}}\n"
      "complete -o default -F _loralens loralens\n");
}

// Text for single quotes of zsh and fish, without what _arguments would read as its own.
std::string quotable(const std::string& text) {
  std::string safe;
  for (const char c : text)
    safe += c == '\'' ? "’" : c == '[' ? "(" : c == ']' ? ")" : c == ':' ? ";" : std::string(1, c);
  return safe;
}

void print_zsh(const CLI::App& app) {
  fmt::print(
      "#compdef loralens\n"
      "# zsh completion of loralens: loralens completion zsh > DIR/_loralens, for a folder DIR of $fpath\n"
      "_loralens() {{\n"
      "  local command=${{words[2]}}\n"
      "  [[ $command == corpus && CURRENT -gt 3 ]] && command+=\" ${{words[3]}}\"\n"
      "  (( CURRENT == 2 )) && command=\n"
      "  case $command in\n"
      "    '') compadd {} ;;\n",
      names_of(app));
  visit(app, "", [](const std::string& words, const CLI::App& command) {
    fmt::print("    '{}') ", words);
    if (!commands_of(command).empty()) fmt::print("(( CURRENT == 3 )) && compadd {}; ", names_of(command));
    fmt::print("_arguments -S");
    for (const Flag& flag : flags_of(command)) {
      fmt::print(" '*{}[{}]", flag.name, quotable(flag.text));
      if (flag.takes_value && !flag.choices.empty()) fmt::print(":value:({})", fmt::join(flag.choices, " "));
      if (flag.takes_value && flag.choices.empty()) fmt::print(":value:_files");
      fmt::print("'");
    }
    fmt::print(" '*:file:_files' ;;\n");
  });
  fmt::print("  esac\n}}\n(( $+functions[compdef] )) && compdef _loralens loralens\n");
}

void print_fish(const CLI::App& app) {
  fmt::print("# fish completion of loralens: loralens completion fish > ~/.config/fish/completions/loralens.fish\n");
  for (const CLI::App* command : commands_of(app))
    fmt::print("complete -c loralens -n __fish_use_subcommand -f -a {} -d '{}'\n", command->get_name(),
               quotable(lines_of(command->get_description()).front()));
  visit(app, "", [](const std::string& words, const CLI::App& command) {
    std::string seen;
    for (const std::string& word : split(words, ' '))
      seen += fmt::format("{}__fish_seen_subcommand_from {}", seen.empty() ? "" : "; and ", word);
    for (const CLI::App* below : commands_of(command))
      fmt::print("complete -c loralens -n '{}' -f -a {}\n", seen, below->get_name());
    for (const Flag& flag : flags_of(command)) {
      fmt::print("complete -c loralens -n '{}' -l {} -d '{}'", seen, flag.name.substr(2), quotable(flag.text));
      if (flag.takes_value && flag.choices.empty()) fmt::print(" -r");
      if (!flag.choices.empty()) fmt::print(" -x -a '{}'", fmt::join(flag.choices, " "));
      fmt::print("\n");
    }
  });
}

// Text as troff reads it.
std::string roff(const std::string& text) {
  std::string safe;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with('.') || line.starts_with('\'')) safe += "\\&";
    for (const char c : line) safe += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
    safe += '\n';
  }
  while (safe.ends_with('\n')) safe.pop_back();
  return safe;
}

// The manual page of the program (words: "") or of a command.
void print_page(const CLI::App& command, const std::string& words) {
  const std::string description = command.get_description();
  std::string title = "loralens" + (words.empty() ? "" : "-" + words);
  std::ranges::replace(title, ' ', '-');
  fmt::print(".TH {} 1 \"\" \"loralens {}\"\n.SH NAME\n{} \\- {}\n", roff(title), LORALENS_VERSION, roff(title),
             roff(lines_of(description).front()));
  fmt::print(".SH SYNOPSIS\n.B loralens {}\n", roff(words));
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional()) fmt::print(".I {}\n", roff(option->get_name()));
  fmt::print("[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n.nf\n{}\n.fi\n", roff(description));
  if (!commands_of(command).empty()) fmt::print(".SH COMMANDS\n");
  for (const CLI::App* below : commands_of(command))
    fmt::print(".TP\n.B {}\n{}\n", roff(below->get_name()), roff(lines_of(below->get_description()).front()));
  fmt::print(".SH OPTIONS\n");
  for (const CLI::Option* option : command.get_options()) {
    fmt::print(".TP\n.B {}\n{}\n", roff(option->get_name(/*positional=*/false, /*all_options=*/true)),
               roff(option->get_description()));
    if (const std::string value = option->get_default_str(); !value.empty()) fmt::print("(default: {})\n", roff(value));
  }
  fmt::print(".SH EXIT STATUS\n0: success; 2: a wrong command line; 1: any other error.\n");
}

const CLI::App& command_named(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (const std::string& word : words) {
    const CLI::App* found = nullptr;
    for (const CLI::App* below : commands_of(*command))
      if (below->get_name() == word) found = below;
    if (!found) throw UsageError(fmt::format("man: there is no command '{}'", fmt::join(words, " ")));
    command = found;
  }
  return *command;
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  auto* completion =
      app.add_subcommand("completion",
                         "Prints a script that completes commands, flags and their values in a shell.\n\n"
                         "Examples:\n"
                         "  eval \"$(loralens completion bash)\"                                    # in ~/.bashrc\n"
                         "  loralens completion fish > ~/.config/fish/completions/loralens.fish");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, shell] {
    if (*shell == "bash") print_bash(app);
    if (*shell == "zsh") print_zsh(app);
    if (*shell == "fish") print_fish(app);
  });
  auto words = std::make_shared<std::vector<std::string>>();
  auto* man = app.add_subcommand("man",
                                 "Prints the manual page of the program or of a command.\n\n"
                                 "Examples:\n"
                                 "  loralens man train | man -l -");
  man->add_option("command", *words, "a command, such as train or corpus ravdess; none: the program");
  man->callback([&app, words] { print_page(command_named(app, *words), fmt::format("{}", fmt::join(*words, " "))); });
}

}  // namespace loralens
