// Texts as Unicode: their encoding, how they are shown, and which spellings are one name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace loralens {

// How many bytes at the start of `text` are valid UTF-8 (no surrogate, no overlong form): all of them or fewer.
size_t valid_utf8_bytes(std::string_view text);
bool is_utf8(std::string_view text);

// `bytes`, which are in `encoding` (a name that iconv knows), as UTF-8. What is invalid in it becomes the byte 0xff,
// which is never valid in UTF-8. Error if the system does not know the encoding.
std::string converted_to_utf8(std::string_view bytes, const char* encoding);

// The bytes of a file without their byte-order mark: UTF-16 that begins with its mark becomes UTF-8, other bytes stay
// as they are. What is invalid in that UTF-16 becomes 0xff.
std::string without_byte_order_mark(std::string bytes);

// A text file of lines as UTF-8, its byte-order mark read and removed. Error, with the line, for what is not UTF-8 and
// for a zero byte.
std::string read_text(const Path& path);

// What to do with a text that is not UTF-8, for the end of an error: "save it as UTF-8 (iconv -f ...)".
std::string utf8_advice(const std::string& file);

// `text` for a message: a byte that is not UTF-8, a control character, an invisible one and a space that is not the plain
// one appear as "\xfc".
std::string shown(std::string_view text);

// Whether the text holds a control character (Unicode's Cc, and the separators of lines and paragraphs).
bool has_control_character(std::string_view text);

// What spellings of one name have in common: compatibility characters, case and composition are folded (NFKC_Casefold,
// which also drops invisible characters), spaces at the ends are dropped and others become one each. "" for a blank
// text. A text that is not UTF-8 stays as it is.
std::string folded(std::string_view text);
// The same for a name that may be a number: "03", "3" and "3.0" are one.
std::string folded_name(std::string_view name);

// "a,b,c" as a list; empty parts are left out.
std::vector<std::string> split(const std::string& text, char separator = ',');

}  // namespace loralens
