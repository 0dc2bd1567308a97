// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/encoding.h"

#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

bool is_gb2312(const std::string& bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x80) continue;
    const auto trail = static_cast<unsigned char>(i + 1 < bytes.size() ? bytes[++i] : 0);
    if (lead < 0xa1 || lead > 0xf7 || trail < 0xa1 || trail > 0xfe) return false;
  }
  return true;
}

const char* encoding_of(const std::string& bytes, const char* otherwise) {
  if (bytes.starts_with("\xff\xfe")) return "UTF-16LE";
  if (bytes.starts_with("\xfe\xff")) return "UTF-16BE";
  if (bytes.find('\0') != std::string::npos) return bytes[0] == '\0' ? "UTF-16BE" : "UTF-16LE";
  if (is_utf8(bytes)) return "UTF-8";
  return is_gb2312(bytes) ? "GB18030" : otherwise;
}

}  // namespace

std::string utf8_of(const std::string& bytes, const char* otherwise, const std::string& name) {
  if (bytes.empty()) return "";
  const char* encoding = encoding_of(bytes, otherwise);
  std::string text = converted_to_utf8(bytes, encoding);
  if (!is_utf8(text)) fail("{}: the text is not valid {}: save it as UTF-8", name, encoding);
  return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

}  // namespace loralens
