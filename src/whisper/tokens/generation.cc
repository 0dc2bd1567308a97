// SPDX-License-Identifier: Apache-2.0
#include "whisper/tokens/generation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <ranges>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

using nlohmann::json;

// The tokens of the prompt; nullopt for a language token that generation_config.json does not choose.
using Prompt = std::vector<std::optional<int64_t>>;

class GenerationFile {
 public:
  GenerationFile(const json& value, const DecoderConfig& config, const std::string& name)
      : object_(value, name), ids_{0, config.vocabulary - 1} {}

  const JsonObject& object() const { return object_; }
  int64_t token(const char* key) const { return object_.whole(key, ids_); }

  // A list of tokens; empty if there is none.
  std::vector<int64_t> tokens(const char* key) const {
    std::vector<int64_t> list;
    if (!object_.has(key)) return list;
    if (!object_.at(key).is_array()) object_.refuse(key, "a list of tokens");
    for (const json& one : object_.at(key)) list.push_back(id(one, key));
    return list;
  }

  // Tokens by name, such as those of "lang_to_id"; empty if there are none.
  std::map<std::string, int64_t> named_tokens(const char* key) const {
    std::map<std::string, int64_t> named;
    if (!object_.has(key)) return named;
    if (!object_.at(key).is_object()) object_.refuse(key, "an object of tokens");
    for (const auto& [name, one] : object_.at(key).items()) named[name] = id(one, key);
    return named;
  }

  // The value of a text that may be missing or null; "" then.
  std::string text(const char* key) const { return object_.has(key) ? object_.text(key) : ""; }

  // "forced_decoder_ids": [[1, token or null], [2, token], ...], the tokens behind <|startoftranscript|>.
  Prompt forced() const {
    constexpr const char* key = "forced_decoder_ids";
    Prompt prompt;
    if (!object_.has(key)) return prompt;
    const json& pairs = object_.at(key);
    if (!pairs.is_array()) object_.refuse(key, "a list of pairs of place and token");
    for (const json& pair : pairs) {
      if (!pair.is_array() || pair.size() != 2 || pair[0] != std::size(prompt) + 1)
        object_.refuse(key, "pairs of place and token, with the places 1, 2, ...");
      prompt.push_back(pair[1].is_null() ? std::nullopt : std::optional(id(pair[1], key)));
    }
    return prompt;
  }

 private:
  int64_t id(const json& value, const char* key) const {
    return whole_number(value, fmt::format("{}: a token in \"{}\"", object_.where(), key), ids_);
  }

  JsonObject object_;
  Range<int64_t> ids_;
};

// "de" for the token "<|de|>". Returns a name without these marks unchanged.
std::string code_of(const std::string& name) {
  const bool marked = name.size() > 4 && name.starts_with("<|") && name.ends_with("|>");
  return marked ? name.substr(2, name.size() - 4) : name;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The token of the language that the user or the file names; nullopt if neither does.
std::optional<int64_t> chosen_language(const GenerationFile& file, const std::map<std::string, int64_t>& languages,
                                       const std::string& given) {
  const std::string& where = file.object().where();
  if (!given.empty() && (languages.empty() || !file.object().truth("is_multilingual", true)))
    throw UsageError(fmt::format("--language {}: {} is of an English-only model: leave the flag out", given, where));
  const std::string named = given.empty() ? file.text("language") : given;
  if (named.empty()) return std::nullopt;
  const auto found = languages.find(code_of(lower(named)));
  if (found != languages.end()) return found->second;
  if (given.empty())
    fail("{}: \"language\" is {}, which is no code in \"lang_to_id\": give a code with --language", where,
         quoted(named));
  throw UsageError(fmt::format("--language {}: the model does not know it: choose among {}", given,
                               fmt::join(languages | std::views::keys, " ")));
}

// The prompt of transformers: the start, the language, the task, <|notimestamps|>.
Prompt prompt_of(const GenerationFile& file, const std::map<std::string, int64_t>& languages,
                 std::optional<int64_t> language) {
  Prompt prompt = {file.token("decoder_start_token_id")};
  const auto tasks = file.named_tokens("task_to_id");
  const std::string task = file.text("task");
  if (!language && task.empty())
    for (const auto& token : file.forced()) prompt.push_back(token);
  const bool open = prompt.size() < 2 || !prompt[1];
  if (language || (open && !languages.empty())) {
    prompt.resize(std::max<size_t>(2, prompt.size()));
    prompt[1] = language.value_or(detected_language);
  }
  const auto is_task = [&](const auto& token) {
    return std::ranges::any_of(tasks, [&](const auto& one) { return token == one.second; });
  };
  if (!task.empty() || (language && !tasks.empty() && std::ranges::none_of(prompt, is_task))) {
    const auto found = tasks.find(task.empty() ? "transcribe" : task);
    if (found == tasks.end())
      fail("{}: \"task_to_id\" has no task {}", file.object().where(), quoted(task.empty() ? "transcribe" : task));
    prompt.push_back(found->second);
  }
  if (file.object().has("no_timestamps_token_id"))
    if (const int64_t token = file.token("no_timestamps_token_id"); prompt.back() != token) prompt.push_back(token);
  std::erase(prompt, std::nullopt);
  return prompt;
}

}  // namespace

std::string Generation::language_of(int64_t token) const {
  for (const auto& [code, id] : languages)
    if (id == token) return code;
  return "";
}

Generation generation_of(const json& value, const DecoderConfig& config, const std::string& language,
                         const std::string& name) {
  const GenerationFile file(value, config, name);
  Generation generation;
  for (const auto& [token, id] : file.named_tokens("lang_to_id")) generation.languages[code_of(token)] = id;
  const auto chosen = chosen_language(file, generation.languages, language);
  for (const auto& token : prompt_of(file, generation.languages, chosen)) generation.prompt.push_back(*token);
  generation.suppressed = file.tokens("suppress_tokens");
  generation.suppressed_first = file.tokens("begin_suppress_tokens");
  generation.end = file.token("eos_token_id");
  generation.most_tokens = config.positions;
  const auto prompt_size = std::ssize(generation.prompt);
  if (file.object().has("max_length"))
    generation.most_tokens = std::min(config.positions, prompt_size + file.object().whole("max_length", {1, 1 << 20}));
  if (prompt_size >= generation.most_tokens)
    fail("{}: a prompt of {} tokens leaves no room in a decoder of {} positions", name, prompt_size,
         generation.most_tokens);
  return generation;
}

Generation read_generation(const Path& folder, const DecoderConfig& config, const std::string& language) {
  const Path file = folder / "generation_config.json";
  if (!std::filesystem::exists(file))
    fail(
        "{} is missing, which names the tokens of the prompt: get the model again, with 'loralens fetch' or, from a "
        "CTranslate2 folder that holds tokenizer.json, with 'loralens import'; ./quickstart and ./run-tests renew the "
        "models that they installed",
        file.string());
  return generation_of(read_json_object(file), config, language, file.string());
}

}  // namespace loralens
