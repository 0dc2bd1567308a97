// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/ctranslate2_generation.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr Range<int64_t> ids{0, 999'999};

// The special tokens of a tokenizer.json, and its token for a space.
class SpecialTokens {
 public:
  explicit SpecialTokens(const Path& file) : file_(file.string()) {
    const json value = read_json_object(file);
    const JsonObject object(value, file_);
    if (!object.at("added_tokens").is_array()) object.refuse("added_tokens", "a list of tokens");
    for (const json& one : object.at("added_tokens")) {
      const JsonObject token(one, file_ + ": a token of \"added_tokens\"");
      tokens_[token.text("content")] = token.whole("id", ids);
    }
    const JsonObject model(object.at("model"), file_), vocabulary(model.at("vocab"), file_);
    space_ = vocabulary.whole("Ġ", ids);
  }

  int64_t space() const { return space_; }
  bool has(const std::string& name) const { return tokens_.contains(name); }
  int64_t id(const std::string& name) const {
    const auto found = tokens_.find(name);
    if (found == tokens_.end()) fail("{}: no token {}: it is not the tokenizer of a Whisper model", file_, name);
    return found->second;
  }
  void expect(const std::string& name, const json& expected) const {
    if (json(id(name)) != expected)
      fail("{}: {} has the id {}, in this model it is {}: it belongs to another model", file_, name, id(name),
           expected.dump());
  }

  // {"<|de|>": id} of the languages; only those among `known`, if there is such a list.
  std::map<std::string, int64_t> languages(const std::optional<std::vector<int64_t>>& known) const {
    std::map<std::string, int64_t> found;
    for (const auto& [name, token] : tokens_) {
      const bool code = name.starts_with("<|") && name.ends_with("|>") && (name.size() == 6 || name.size() == 7) &&
                        std::all_of(name.begin() + 2, name.end() - 2, [](char c) { return c >= 'a' && c <= 'z'; });
      if (code && (!known || std::ranges::find(*known, token) != known->end())) found[name] = token;
    }
    return found;
  }

 private:
  std::string file_;
  std::map<std::string, int64_t> tokens_;
  int64_t space_ = 0;
};

// A list of ids in CTranslate2's config.json; nullopt if the file or the list is missing.
std::optional<std::vector<int64_t>> list_of(const Path& file, const char* key) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  const json value = read_json_object(file);
  const JsonObject object(value, file.string());
  if (!object.has(key)) return std::nullopt;
  if (!object.at(key).is_array()) object.refuse(key, "a list of tokens");
  std::vector<int64_t> list;
  for (const json& one : object.at(key))
    list.push_back(whole_number(one, fmt::format("{}: a token in \"{}\"", file.string(), key), ids));
  return list;
}

// The special tokens that never belong to a text.
std::vector<int64_t> tokens_of_prompts(const SpecialTokens& special) {
  std::vector<int64_t> tokens;
  for (const char* name : {"<|startoftranscript|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
                           "<|startofprev|>", "<|nocaptions|>", "<|nospeech|>"})
    if (special.has(name)) tokens.push_back(special.id(name));
  return tokens;
}

}  // namespace

ordered_json generation_config_of(const Path& folder, const ordered_json& tokens, bool multilingual,
                                  int64_t positions) {
  const SpecialTokens special(folder / "tokenizer.json");
  special.expect("<|endoftext|>", tokens.at("eos_token_id"));
  special.expect("<|startoftranscript|>", tokens.at("decoder_start_token_id"));
  const Path file = folder / "config.json";
  const int64_t end = special.id("<|endoftext|>"), no_timestamps = special.id("<|notimestamps|>");
  ordered_json config = tokens;
  config["is_multilingual"] = multilingual;
  config["no_timestamps_token_id"] = no_timestamps;
  config["return_timestamps"] = false;
  config["max_length"] = positions;
  config["suppress_tokens"] = list_of(file, "suppress_ids").value_or(tokens_of_prompts(special));
  config["begin_suppress_tokens"] = list_of(file, "suppress_ids_begin").value_or(std::vector{special.space(), end});
  if (!multilingual) {
    config["forced_decoder_ids"] = {{1, no_timestamps}};
    return config;
  }
  const int64_t transcription = special.id("<|transcribe|>");
  config["forced_decoder_ids"] = {{1, nullptr}, {2, transcription}};  // null: the language is detected
  config["lang_to_id"] = special.languages(list_of(file, "lang_ids"));
  config["task_to_id"] = {{"transcribe", transcription}, {"translate", special.id("<|translate|>")}};
  return config;
}

}  // namespace loralens
