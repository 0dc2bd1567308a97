// SPDX-License-Identifier: Apache-2.0
#include "base/formats/text_in_place.h"

#include <algorithm>

namespace loralens {
namespace {

constexpr std::string_view spaces = " \t\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view without_spaces(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(spaces), text.size()));
}

bool is_json(std::string_view text) {
  if (text.empty() || (text[0] != '{' && text[0] != '[')) return false;
  const std::string_view rest = without_spaces(text.substr(1));
  return !rest.empty() && std::string_view("\"{[]}").find(rest[0]) != std::string_view::npos;
}

}  // namespace

std::string text_in_place_of_data(std::string_view start) {
  const bool has_control = std::ranges::any_of(
      start, [](char c) { return (c >= 0 && c < ' ' && spaces.find(c) == std::string_view::npos) || c == '\x7f'; });
  if (has_control) return "";
  if (start.starts_with("version https://git-lfs")) return "a pointer of Git LFS: run 'git lfs pull' in its folder";
  if (start.starts_with("\xef\xbb\xbf")) start.remove_prefix(3);
  start = without_spaces(start);
  std::string first(start.substr(0, 14));
  std::ranges::transform(first, first.begin(), lower);
  const auto begins = [&](std::string_view mark) { return first.starts_with(mark); };
  if (begins("<!doctype html") || begins("<html") || begins("<head") || begins("<body"))
    return "a web page (HTML), as a download that failed leaves it: fetch the file again";
  if (begins("<?xml")) return "an XML text, as a download that failed leaves it: fetch the file again";
  if (is_json(start)) return "a JSON text, as a download that failed leaves it: fetch the file again";
  return "";
}

}  // namespace loralens
