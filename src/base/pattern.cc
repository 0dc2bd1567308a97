// SPDX-License-Identifier: Apache-2.0
#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstdint>

#include "base/error.h"

namespace loralens {
namespace {

constexpr size_t longest_pattern = 10'000;  // bytes
constexpr uint32_t most_steps = 200'000;  // calls of PCRE2's internal match(); a typical pattern needs some hundred
constexpr uint32_t deepest_backtracking = 50'000;
constexpr uint32_t most_memory = 20'000;  // KiB
constexpr uint32_t deepest_parentheses = 200;

std::string cut(const std::string& text) { return text.size() > 200 ? fmt::format("{:.200}...", text) : text; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Translates a regular expression from Python's `re` syntax to PCRE2's. Syntax that only one of the two has is an
// error.
class Translation {
 public:
  explicit Translation(const std::string& text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    fail("the pattern '{}' is no regular expression of Python: {}", cut(text_), reason);
  }

  bool next_is(std::string_view what) const { return std::string_view(text_).substr(at_).starts_with(what); }

  void copy(size_t count = 1) {
    out_.append(text_, at_, count);
    at_ += count;
  }

  void replace(size_t count, std::string_view by) {
    out_ += by;
    at_ += count;
  }

  void step() {
    const char c = text_[at_];
    if (c == '\\')
      escape(/*in_class=*/false);
    else if (c == '[')
      character_class();
    else if (next_is("(?"))
      extension();
    else if (next_is("(*"))
      refuse("nothing stands before the *");
    else if (next_is("{,"))
      lower_bound();
    else if (verbose_ && c == '#')
      at_ = std::min(text_.find('\n', at_), text_.size());
    else
      copy();
  }

  // In Python {,3} and {,} have the lower bound 0; other braces mean the same in both.
  void lower_bound() {
    size_t end = at_ + 2;
    while (end < text_.size() && is_digit(text_[end])) ++end;
    if (end < text_.size() && text_[end] == '}')
      replace(2, "{0,");
    else
      copy();
  }

  void escape(bool in_class) {
    if (at_ + 1 == text_.size()) refuse("it ends in a backslash");
    const char c = text_[at_ + 1];
    if (c == 'x') return code_point(2);
    if (c == 'u') return code_point(4);
    if (c == 'U') return code_point(8);
    if (c == 'v') return replace(2, "\\x0b");
    if (!in_class && (c == 'Z' || c == 'z')) return replace(2, "\\z");
    const std::string_view letters = in_class ? "abdDfnrsStwW" : "AabBdDfnrsStwW";
    if (is_letter(c) && letters.find(c) == std::string_view::npos) refuse(fmt::format("\\{} means nothing", c));
    copy(2);
  }

  void code_point(size_t digits) {
    const std::string hex = text_.substr(at_ + 2, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      refuse(fmt::format("\\{} takes {} hexadecimal digits", text_[at_ + 1], digits));
    replace(2 + digits, fmt::format("\\x{{{}}}", hex));
  }

  void character_class() {
    copy();
    if (next_is("^")) copy();
    if (next_is("]")) replace(1, "\\]");  // first in a class, ] is an ordinary character
    while (at_ < text_.size() && text_[at_] != ']') {
      if (text_[at_] == '\\')
        escape(/*in_class=*/true);
      else if (text_[at_] == '[')
        replace(1, "\\[");  // PCRE2 would read [:alpha:]
      else
        copy();
    }
    if (at_ == text_.size()) refuse("a [ has no ]");
    copy();
  }

  // A group that begins with "(?".
  void extension() {
    for (const char* same : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"})
      if (next_is(same)) return copy(std::string_view(same).size());
    if (next_is("(?#")) return comment();
    if (next_is("(?P<") || next_is("(?P=")) return copy(4);
    if (next_is("(?(")) return conditional();
    flags();
  }

  void comment() {
    const size_t end = text_.find(')', at_);
    if (end == std::string::npos) refuse("a comment has no )");
    at_ = end + 1;
  }

  // (?(1)yes|no) and (?(name)yes|no); (?(<name>)...) because PCRE2 gives some bare names (R, DEFINE) another meaning.
  void conditional() {
    const size_t end = text_.find(')', at_);
    if (end == std::string::npos || end == at_ + 3) refuse("a ( has no )");
    const std::string name = text_.substr(at_ + 3, end - at_ - 3);
    for (const char c : name)
      if (!is_letter(c) && !is_digit(c) && c != '_') refuse(fmt::format("'{}' is no name of a group", cut(name)));
    replace(end + 1 - at_, is_digit(name[0]) ? fmt::format("(?({})", name) : fmt::format("(?(<{}>)", name));
  }

  // (?i) and (?i:...), (?s-m:...)
  void flags() {
    out_ += "(?";
    at_ += 2;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] != ')' && text_[at_] != ':'; ++at_) {
      const char c = text_[at_];
      if (c == 'u') continue;  // Unicode: the default of Python and of this class
      if (std::string_view("imsx-").find(c) == std::string_view::npos)
        refuse(fmt::format("(?{} is unknown or not supported", cut(text_.substr(begin, at_ - begin + 1))));
      verbose_ |= c == 'x';
      out_ += c;
    }
    if (at_ == text_.size()) refuse("a ( has no )");
    copy();
  }

  const std::string& text_;
  size_t at_ = 0;
  std::string out_;
  bool verbose_ = false;
};

}  // namespace

struct Pattern::Code {
  explicit Code(const std::string& expression, const std::string& shown) {
    compiling = pcre2_compile_context_create(nullptr);
    pcre2_set_newline(compiling, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(compiling, deepest_parentheses);
    int error = 0;
    size_t place = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &place,
                         compiling);
    if (!code) {
      pcre2_compile_context_free(compiling);
      PCRE2_UCHAR reason[256] = {};
      pcre2_get_error_message(error, reason, sizeof reason);
      fail("the pattern '{}' is no regular expression: {}", cut(shown), reinterpret_cast<const char*>(reason));
    }
    matching = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(matching, most_steps);
    pcre2_set_depth_limit(matching, deepest_backtracking);
    pcre2_set_heap_limit(matching, most_memory);
  }
  ~Code() {
    pcre2_match_context_free(matching);
    pcre2_code_free(code);
    pcre2_compile_context_free(compiling);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  pcre2_compile_context* compiling = nullptr;
  pcre2_code* code = nullptr;
  pcre2_match_context* matching = nullptr;
};

Pattern::Pattern(const std::string& text) : text_(text) {
  if (text.size() > longest_pattern)
    fail("the pattern '{}' has {} letters: at most {} are read", cut(text), text.size(), longest_pattern);
  code_ = std::make_shared<const Code>(Translation(text).run(), text);
}

int Pattern::groups() const {
  uint32_t count = 0;
  pcre2_pattern_info(code_->code, PCRE2_INFO_CAPTURECOUNT, &count);
  return static_cast<int>(count);
}

std::optional<Matches> Pattern::find(std::string_view subject, bool whole) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code_->code, nullptr), pcre2_match_data_free);
  const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), 0,
                                whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0, data.get(), code_->matching);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT || found == PCRE2_ERROR_HEAPLIMIT)
    fail("the pattern '{}' takes too many steps on '{}': write it without repetitions inside repetitions", cut(text_),
         cut(std::string(subject)));
  if (found < 0) {
    PCRE2_UCHAR reason[256] = {};
    pcre2_get_error_message(found, reason, sizeof reason);
    fail("the pattern '{}' fails on '{}': {}", cut(text_), cut(std::string(subject)),
         reinterpret_cast<const char*>(reason));
  }
  Matches matches;
  const size_t* ends = pcre2_get_ovector_pointer(data.get());
  // If the subject is not valid UTF-8, PCRE2 anchors at the ends of its valid parts instead of its own ends.
  if (whole && (ends[0] != 0 || ends[1] != subject.size())) return std::nullopt;
  for (int i = 0; i <= groups(); ++i)
    matches.emplace_back(ends[2 * i] == PCRE2_UNSET ? std::string_view()
                                                    : subject.substr(ends[2 * i], ends[2 * i + 1] - ends[2 * i]));
  return matches;
}

}  // namespace loralens
