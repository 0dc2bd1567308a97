// SPDX-License-Identifier: Apache-2.0
// Regular expressions in Python's syntax, matched in bounded time and memory (PCRE2).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// A match: its whole text, then the text of each group, empty for a group that did not participate.
using Matches = std::vector<std::string>;

// A compiled expression with the meaning that Python's `re` gives it for `str`: \Z is the end of the text, {,3} is
// {0,3}, a [ in a class is an ordinary character. Syntax that only PCRE2 has (recursion, verbs, \h, \R, \K,
// (?<name>...)) is an error, as in Python. Python's flags a and L and named characters \N{...} are not supported.
class Pattern {
 public:
  // Error, with the pattern, if it is no regular expression or longer than 10,000 bytes.
  explicit Pattern(const std::string& text);

  const std::string& text() const { return text_; }
  int groups() const;  // number of groups in parentheses

  // re.fullmatch and re.search. Error after 200,000 steps: patterns with exponential run time are not searched to the
  // end.
  std::optional<Matches> match(std::string_view subject) const { return find(subject, /*whole=*/true); }
  std::optional<Matches> search(std::string_view subject) const { return find(subject, /*whole=*/false); }

 private:
  struct Code;
  std::optional<Matches> find(std::string_view subject, bool whole) const;

  std::string text_;
  std::shared_ptr<const Code> code_;
};

}  // namespace loralens
