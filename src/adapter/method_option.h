// SPDX-License-Identifier: Apache-2.0
// Options of adaptation methods. A method declares each field of its struct of options once; the command-line flag, the
// key in configuration files, the help line with range and default, and the checks follow from the declaration.
#pragma once

#include <algorithm>
#include <any>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/number_text.h"

namespace loralens {

// A method's own options in their own type T (LoraOptions, ...). Empty: the defaults of T.
using OwnOptions = std::any;

template <typename T>
const T& own_or_defaults(const OwnOptions& own) {
  static const T defaults;
  if (!own.has_value()) return defaults;
  const T* options = std::any_cast<T>(&own);
  if (!options) fail("these options belong to another adaptation method");
  return *options;
}

// The options as a mutable T; empty options are first set to the defaults of T.
template <typename T>
T& own_to_change(OwnOptions& own) {
  if (!own.has_value()) own = T{};
  return const_cast<T&>(own_or_defaults<T>(own));
}

struct MethodOption {
  std::string name;  // "rank": the flag --rank and the key rank
  std::string help;  // a line of --help, with the range
  std::string kind;  // as --help shows it: "INT", "FLOAT", "TEXT"; "" for a switch, which takes no value
  std::string default_value;  // as text; "" for none
  // Why a text on the command line is not valid: "is out of range: choose 1 to 4096"; "" if it is valid.
  std::function<std::string(const std::string& text)> complaint;
  // The text as config.toml records it, such as "10" for "010". The text must be valid.
  std::function<std::string(const std::string& text)> normal;
  // Sets the option; a switch takes "true" or "false". Error, which begins "--NAME TEXT", if the text is not valid.
  std::function<void(OwnOptions& own, const std::string& text)> set;
  // The value as a text that set() reads.
  std::function<std::string(const OwnOptions& own)> text;
  bool in_files = true;  // whether a model's files record the option; false: it affects only training
};

// An option that takes a number in this range, int64_t or double.
template <typename T, typename Number>
MethodOption number_option(const std::string& name, Number T::* field, const Range<Number>& range,
                           const std::string& help) {
  const auto complaint = [range](const std::string& text) { return number_complaint<Number>(text, range); };
  const auto set = [=](OwnOptions& own, const std::string& text) {
    if (const auto wrong = complaint(text); !wrong.empty()) fail("--{} {} {}", name, text, wrong);
    own_to_change<T>(own).*field = *parse_number<Number>(text);
  };
  return {.name = name,
          .help = fmt::format("{} ({})", help, range.text()),
          .kind = std::is_integral_v<Number> ? "INT" : "FLOAT",
          .default_value = fmt::format("{}", T{}.*field),
          .complaint = complaint,
          .normal = [](const std::string& text) { return fmt::format("{}", *parse_number<Number>(text)); },
          .set = set,
          .text = [=](const OwnOptions& own) { return fmt::format("{}", own_or_defaults<T>(own).*field); }};
}

// MethodOption::complaint for options that accept any text or whose set() checks it, and MethodOption::normal for
// options that record the text unchanged.
inline std::string no_complaint(const std::string&) { return ""; }
inline std::string same_text(const std::string& text) { return text; }

// An option that takes one of these words; empty by default.
template <typename T>
MethodOption choice_option(const std::string& name, std::string T::* field, const std::vector<std::string>& words,
                           const std::string& help) {
  const auto complaint = [words](const std::string& text) -> std::string {
    const bool known = std::find(words.begin(), words.end(), text) != words.end();
    return known ? "" : fmt::format("is not known: choose {}", fmt::join(words, " or "));
  };
  const auto set = [=](OwnOptions& own, const std::string& text) {
    if (const auto wrong = complaint(text); !wrong.empty()) fail("--{} {} {}", name, text, wrong);
    own_to_change<T>(own).*field = text;
  };
  return {.name = name,
          .help = help,
          .kind = "TEXT",
          .default_value = "",
          .complaint = complaint,
          .normal = same_text,
          .set = set,
          .text = [=](const OwnOptions& own) { return own_or_defaults<T>(own).*field; }};
}

// A switch, off by default.
template <typename T>
MethodOption switch_option(const std::string& name, bool T::* field, const std::string& help) {
  const auto set = [=](OwnOptions& own, const std::string& text) {
    if (text != "true" && text != "false") fail("--{} {} is neither true nor false", name, text);
    own_to_change<T>(own).*field = text == "true";
  };
  return {.name = name,
          .help = help,
          .kind = "",
          .default_value = "",
          .complaint = no_complaint,
          .normal = same_text,
          .set = set,
          .text = [=](const OwnOptions& own) { return own_or_defaults<T>(own).*field ? "true" : "false"; }};
}

// "fc1=8,q_proj=16" as numbers by module, each of this range. `name` begins the error, as a flag. Error for any other
// form and for a number out of range.
template <typename Number>
std::map<std::string, Number> parse_numbers_by_module(const std::string& name, const std::string& text,
                                                      const Range<Number>& range);
extern template std::map<std::string, int64_t> parse_numbers_by_module(const std::string&, const std::string&,
                                                                       const Range<int64_t>&);
extern template std::map<std::string, double> parse_numbers_by_module(const std::string&, const std::string&,
                                                                      const Range<double>&);

// An option that takes numbers by module; empty by default.
template <typename T, typename Number>
MethodOption numbers_by_module_option(const std::string& name, std::map<std::string, Number> T::* field,
                                      const Range<Number>& range, const std::string& help) {
  const auto text_of = [=](const OwnOptions& own) {
    std::string text;
    for (const auto& [module, number] : own_or_defaults<T>(own).*field)
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", module, number);
    return text;
  };
  const auto set = [=](OwnOptions& own, const std::string& text) {
    auto numbers = parse_numbers_by_module(name, text, range);
    own_to_change<T>(own).*field = std::move(numbers);
  };
  return {.name = name,
          .help = help,
          .kind = "TEXT",
          .default_value = "",
          .complaint = no_complaint,
          .normal = same_text,
          .set = set,
          .text = text_of};
}

}  // namespace loralens
