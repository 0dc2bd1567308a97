#include "corpus/encoding.h"

#include <iconv.h>

#include <cerrno>
#include <memory>

#include "base/error.h"

namespace loralens {
namespace {

// False if the bytes are not valid in `encoding`.
bool convert(const std::string& bytes, const char* encoding, std::string& text) {
  const iconv_t conversion = iconv_open("UTF-8", encoding);
  if (conversion == iconv_t(-1))
    fail("this system cannot convert texts from {}: install glibc's gconv modules", encoding);
  const std::unique_ptr<void, int (*)(iconv_t)> open(conversion, iconv_close);
  char* in = const_cast<char*>(bytes.data());
  size_t left = bytes.size();
  text.clear();
  while (left > 0) {
    char buffer[4096];
    char* out = buffer;
    size_t room = sizeof buffer;
    const size_t result = iconv(conversion, &in, &left, &out, &room);
    text.append(buffer, out);
    if (result == size_t(-1) && errno != E2BIG) return false;
  }
  return true;
}

bool is_valid_utf8(const std::string& bytes) {
  std::string text;
  return convert(bytes, "UTF-8", text);
}

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
  if (is_valid_utf8(bytes)) return "UTF-8";
  return is_gb2312(bytes) ? "GB18030" : otherwise;
}

}  // namespace

std::string utf8_of(const std::string& bytes, const char* otherwise, const std::string& name) {
  if (bytes.empty()) return "";
  const char* encoding = encoding_of(bytes, otherwise);
  std::string text;
  if (!convert(bytes, encoding, text))
    fail("{}: the text is not valid {}: save it as UTF-8", name, encoding);
  return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

}  // namespace loralens
