// SPDX-License-Identifier: Apache-2.0
#include "whisper/tokens/tokenizer.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/text.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr Range<int64_t> ids{0, 999'999};

// The letters of byte-level BPE: printable bytes of Latin-1 stand for themselves, the 68 others, in ascending order,
// for the characters from U+0100 on. Returns {letter in UTF-8: byte}.
std::map<std::string, char, std::less<>> byte_letters() {
  std::map<std::string, char, std::less<>> letters;
  int others = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int character = printable ? byte : 256 + others++;
    std::string letter;
    if (character < 128) {
      letter = static_cast<char>(character);
    } else {  // at most U+0143: two bytes
      letter += static_cast<char>(0xc0 | character >> 6);
      letter += static_cast<char>(0x80 | (character & 0x3f));
    }
    letters[letter] = static_cast<char>(byte);
  }
  return letters;
}

// The bytes that a token of the vocabulary stands for. A token with any other character stands for itself.
std::string bytes_of(const std::string& token, const std::map<std::string, char, std::less<>>& letters) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const size_t length = static_cast<unsigned char>(token[at]) < 0x80 ? 1 : 2;
    const auto letter = letters.find(std::string_view(token).substr(at, length));
    if (letter == letters.end()) return token;
    bytes += letter->second;
    at += length;
  }
  return bytes;
}

// Whether a token is a timestamp: "<|12.34|>".
bool is_timestamp(std::string_view token) {
  if (!token.starts_with("<|") || !token.ends_with("|>") || token.size() < 7) return false;
  const std::string_view number = token.substr(2, token.size() - 4);
  return number.find_first_not_of("0123456789.") == std::string_view::npos && std::ranges::count(number, '.') == 1;
}

}  // namespace

Tokenizer::Tokenizer(const Path& file, int64_t words)
    : Tokenizer(
          [&] {
            if (!std::filesystem::exists(file))
              fail(
                  "{} is missing, which turns tokens into text: get the model again, with 'loralens fetch' or, from a "
                  "CTranslate2 folder that holds tokenizer.json, with 'loralens import'",
                  file.string());
            return read_json_object(file);
          }(),
          words, file.string()) {}

Tokenizer::Tokenizer(const json& value, int64_t words, const std::string& name) {
  const JsonObject object(value, name), model(object.at("model"), name), decoder(object.at("decoder"), name);
  if (model.text("type", "BPE") != "BPE") model.refuse("type", "\"BPE\", the model of Whisper's tokenizer");
  if (decoder.text("type") != "ByteLevel") decoder.refuse("type", "\"ByteLevel\", the decoder of Whisper's tokenizer");
  std::vector<const std::string*> names;  // of each id; null: none
  const auto put = [&](const std::string& token, const json& id, std::string bytes) {
    const auto number =
        static_cast<size_t>(whole_number(id, fmt::format("{}: the id of {}", name, quoted(token)), ids));
    if (number >= bytes_.size()) {
      bytes_.resize(number + 1);
      names.resize(number + 1);
    }
    if (names[number] && *names[number] != token)
      fail("{}: the id {} is that of both {} and {}", name, number, quoted(*names[number]), quoted(token));
    names[number] = &token;
    bytes_[number] = std::move(bytes);
  };
  const json& vocabulary = model.at("vocab");
  if (!vocabulary.is_object()) model.refuse("vocab", "an object of tokens and their ids");
  const auto letters = byte_letters();
  for (const auto& [token, id] : vocabulary.get_ref<const json::object_t&>()) put(token, id, bytes_of(token, letters));
  const json none = json::array();
  const json& added_tokens = object.has("added_tokens") ? object.at("added_tokens") : none;
  if (!added_tokens.is_array()) object.refuse("added_tokens", "a list of tokens");
  for (const json& one : added_tokens) {
    const JsonObject added(one, name + ": a token of \"added_tokens\"");
    if (!added.at("content").is_string()) added.refuse("content", "a text");
    const auto& token = added.at("content").get_ref<const std::string&>();
    put(token, added.at("id"), added.truth("special", false) || is_timestamp(token) ? "" : token);
  }
  names.resize(std::max(names.size(), static_cast<size_t>(words)));
  if (const auto lost = std::ranges::find(names, nullptr) - names.begin(); lost < words)
    fail("{} has no token of the id {}, but the model's ids 0 to {} are words: it belongs to another model", name, lost,
         words - 1);
}

std::string Tokenizer::text(std::span<const int64_t> tokens) const {
  std::string bytes;
  for (const int64_t token : tokens)
    if (token >= 0 && token < std::ssize(bytes_)) bytes += bytes_[token];
  return repaired_utf8(bytes);
}

}  // namespace loralens
