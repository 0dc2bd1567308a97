// SPDX-License-Identifier: Apache-2.0
// Unicode texts: validation and conversion to UTF-8, escaping for messages, and folding of spellings of one name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace loralens {

// The length in bytes of the longest prefix of `text` that is valid UTF-8 (no surrogates, no overlong forms).
size_t valid_utf8_bytes(std::string_view text);
bool is_utf8(std::string_view text);

// `text` with U+FFFD in place of each invalid sequence: the longest that begins a character but does not complete one,
// else a byte (Unicode's "substitution of maximal subparts").
std::string repaired_utf8(std::string_view text);

// Converts `bytes` from `encoding` (a name that iconv knows) to UTF-8. Each invalid unit becomes the byte 0xff, which
// is never valid in UTF-8. Error if the system does not know the encoding.
std::string converted_to_utf8(std::string_view bytes, const char* encoding);

// Removes the byte-order mark. UTF-16 with a mark is converted to UTF-8, each invalid unit becoming 0xff; other bytes
// are not changed.
std::string without_byte_order_mark(std::string bytes);

// Reads a text file as UTF-8, or as UTF-16 with a byte-order mark; the mark is removed. Error, with the line, for bytes
// that are not UTF-8 and for a zero byte.
std::string read_text(const Path& path);

// Advice at the end of an error about a text that is not UTF-8: "save it as UTF-8 (iconv -f ...)".
std::string utf8_advice(const std::string& file);

// `text` escaped for a message: invalid UTF-8, control characters, invisible characters and spaces other than U+0020
// appear byte by byte as "\xfc".
std::string shown(std::string_view text);

// Whether the text holds a control character (Unicode categories Cc, Zl and Zp).
bool has_control_character(std::string_view text);

// A key that is equal for different spellings of one name: compatibility characters, case and composition are folded
// (NFKC_Casefold, which also drops invisible characters), spaces at the ends are trimmed and inner runs collapsed. ""
// for a blank text. A text that is not UTF-8 is returned unchanged.
std::string folded(std::string_view text);
// The text in Unicode's composed (NFC) and decomposed form (NFD). A text that is not UTF-8 is returned unchanged.
std::string composed(std::string_view text);
std::string decomposed(std::string_view text);
// folded(), but "03", "3" and "3.0" are also equal.
std::string folded_name(std::string_view name);

// The lines of a text without their ends, which are LF, CRLF or CR. Empty lines are kept.
std::vector<std::string> lines_of(std::string_view text);

// "a,b,c" as a list; empty parts are left out.
std::vector<std::string> split(const std::string& text, char separator = ',');

}  // namespace loralens
