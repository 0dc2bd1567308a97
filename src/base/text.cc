// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <sstream>

#include <iconv.h>
#include <utf8proc.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/shell.h"

namespace loralens {
namespace {

constexpr char invalid_byte = '\xff';

// Decodes the first code point of `text`. Returns its length in bytes, negative if the bytes are invalid UTF-8.
utf8proc_ssize_t next_character(std::string_view text, utf8proc_int32_t& character) {
  return utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                          static_cast<utf8proc_ssize_t>(text.size()), &character);
}

bool is_control(utf8proc_int32_t character) {
  const auto category = utf8proc_category(character);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool is_invisible(utf8proc_int32_t character) {
  const auto category = utf8proc_category(character);
  return is_control(character) || category == UTF8PROC_CATEGORY_CF ||
         (category == UTF8PROC_CATEGORY_ZS && character != ' ');
}

// Trims spaces and control characters at the ends and collapses each inner run of them to one space.
std::string with_single_spaces(std::string_view text) {
  std::string result;
  bool gap = false;
  while (!text.empty()) {
    utf8proc_int32_t character = 0;
    const auto length = static_cast<size_t>(std::max<utf8proc_ssize_t>(next_character(text, character), 1));
    const bool space = utf8proc_category(character) == UTF8PROC_CATEGORY_ZS || is_control(character);
    if (!space) {
      if (gap && !result.empty()) result += ' ';
      result += text.substr(0, length);
    }
    gap = space;
    text.remove_prefix(length);
  }
  return result;
}

// The length of the invalid sequence that `text` begins with.
size_t invalid_utf8_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;  // of the character that this byte begins
  for (size_t part = std::min(length - 1, text.size()); part > 1; --part) {
    const std::string completed = std::string(text.substr(0, part)) + std::string(length - part, '\x80');
    if (valid_utf8_bytes(completed) == length) return part;
  }
  return 1;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The text after utf8proc's mapping, or unchanged if it is not UTF-8.
std::string mapped_text(std::string_view text, int options) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &mapped, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(mapped, std::free);
  if (length < 0) return std::string(text);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
}

}  // namespace

size_t valid_utf8_bytes(std::string_view text) {
  size_t valid = 0;
  while (valid < text.size()) {
    if (static_cast<unsigned char>(text[valid]) < 0x80) {
      ++valid;
      continue;
    }
    utf8proc_int32_t character = 0;
    const auto length = next_character(text.substr(valid), character);
    if (length <= 0) break;
    valid += length;
  }
  return valid;
}

bool is_utf8(std::string_view text) { return valid_utf8_bytes(text) == text.size(); }

std::string repaired_utf8(std::string_view text) {
  std::string repaired;
  while (true) {
    const size_t valid = valid_utf8_bytes(text);
    repaired += text.substr(0, valid);
    text.remove_prefix(valid);
    if (text.empty()) return repaired;
    repaired += "\ufffd";
    text.remove_prefix(invalid_utf8_bytes(text));
  }
}

std::string converted_to_utf8(std::string_view bytes, const char* encoding) {
  const iconv_t conversion = iconv_open("UTF-8", encoding);
  if (conversion == iconv_t(-1))
    fail("this system cannot convert texts from {}: install glibc's gconv modules", encoding);
  const std::unique_ptr<void, int (*)(iconv_t)> open(conversion, iconv_close);
  const size_t unit = std::string_view(encoding).starts_with("UTF-16") ? 2 : 1;
  char* in = const_cast<char*>(bytes.data());
  size_t left = bytes.size();
  std::string text;
  while (left > 0) {
    char buffer[4096];
    char* out = buffer;
    size_t room = sizeof buffer;
    const size_t result = iconv(conversion, &in, &left, &out, &room);
    text.append(buffer, out);
    if (result != size_t(-1) || errno == E2BIG) continue;
    text += invalid_byte;
    const size_t skipped = std::min(unit, left);
    in += skipped;
    left -= skipped;
  }
  return text;
}

std::string without_byte_order_mark(std::string bytes) {
  constexpr size_t mark = 2;
  if (bytes.starts_with("\xff\xfe")) return converted_to_utf8(std::string_view(bytes).substr(mark), "UTF-16LE");
  if (bytes.starts_with("\xfe\xff")) return converted_to_utf8(std::string_view(bytes).substr(mark), "UTF-16BE");
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);
  return bytes;
}

std::string read_text(const Path& path) {
  std::string text = without_byte_order_mark(read_file(path));
  const size_t bad = std::min(valid_utf8_bytes(text), text.find('\0'));
  if (bad < text.size())
    fail("{}: line {} is not valid UTF-8: {}", path.string(),
         1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n'),
         utf8_advice(path.string()));
  return text;
}

std::string utf8_advice(const std::string& file) {
  return fmt::format("save it as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8 {} > NEW, or -f UTF-16 or its encoding)",
                     shell_word(file));
}

std::string shown(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    utf8proc_int32_t character = 0;
    const auto length = next_character(text, character);
    const size_t bytes = length > 0 ? length : 1;
    const auto piece = text.substr(0, bytes);
    if (length > 0 && !is_invisible(character))
      result += piece;
    else
      for (const char byte : piece) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    text.remove_prefix(bytes);
  }
  return result;
}

bool has_control_character(std::string_view text) {
  while (!text.empty()) {
    utf8proc_int32_t character = 0;
    const auto length = next_character(text, character);
    if (length > 0 && is_control(character)) return true;
    text.remove_prefix(length > 0 ? length : 1);
  }
  return false;
}

std::string folded(std::string_view text) {
  return with_single_spaces(
      mapped_text(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE));
}

std::string composed(std::string_view text) { return mapped_text(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE); }

std::string decomposed(std::string_view text) { return mapped_text(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE); }

std::string folded_name(std::string_view name) {
  std::string text = folded(name);
  const auto point = text.find('.');
  const std::string_view whole = std::string_view(text).substr(0, point);
  const std::string_view rest = point == std::string::npos ? "" : std::string_view(text).substr(point + 1);
  if (!is_digits(whole) || rest.find_first_not_of('0') != std::string_view::npos) return text;
  const auto first = std::min(whole.find_first_not_of('0'), whole.size() - 1);
  return std::string(whole.substr(first));
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<size_t>(1, text.size()));
  }
  return lines;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

}  // namespace loralens
