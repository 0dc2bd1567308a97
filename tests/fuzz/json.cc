// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include "fuzz/bytes.h"
#include "fuzz/structure.h"

namespace loralens::fuzz {
namespace {

using Json = nlohmann::ordered_json;

// Collects every value below the root, as pairs of parent (list or object) and value.
void collect(Json& value, std::vector<std::pair<Json*, Json*>>& all) {
  if (!value.is_structured()) return;
  for (auto& child : value) {
    all.emplace_back(&value, &child);
    collect(child, all);
  }
}

// JSON text that a parsed value cannot represent; it replaces `mark` in the final text.
std::string raw_value(Random& random) {
  switch (random.below(6)) {
    case 0: return nested(100000, '[', ']');
    case 1: return nested(300, '[', ']');
    case 2: {
      std::string text;
      for (int i = 0; i < 30000; ++i) text += "{\"a\":";
      return text + "0" + std::string(30000, '}');
    }
    case 3: return "\"" + std::string("\xff\xfe") + "\"";
    case 4: return "\"\\ud800\"";
    default: return odd_number(random);
  }
}

constexpr const char* mark = "@@raw@@";

Json odd_value(Random& random) {
  static const double numbers[] = {0, -0.0, 1, -1, 0.5, 1e308, -1e308, 1e-320, 1e18, 3, 7, 1500};
  static const int64_t whole[] = {0, 1, -1, 2, 3, 8, 64, 255, 256, 4096, INT32_MAX, INT64_MAX, INT64_MIN, 1LL << 40};
  switch (random.below(9)) {
    case 0: return nullptr;
    case 1: return random.below(2) == 0;
    case 2: return pick(numbers, random);
    case 3:
    case 4: return pick(whole, random);
    case 5: return Json::array();
    case 6: return Json::object();
    case 7: return odd_text(random);
    default: return mark;
  }
}

// Another value of the same type, so that type checks accept it.
Json similar_value(const Json& value, Random& random) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number_float()) return value.get<double>() * random.uniform(-2, 4);
  if (value.is_number_integer()) return value.get<int64_t>() + static_cast<int64_t>(random.below(5)) - 2;
  if (value.is_string()) return odd_text(random);
  return odd_value(random);
}

void take_out(Json& parent, const Json* child) {
  for (auto it = parent.begin(); it != parent.end(); ++it)
    if (&*it == child) {
      parent.erase(it);
      return;
    }
}

void rename(Json& parent, const Json* child, Random& random) {
  if (!parent.is_object()) return;
  for (auto it = parent.begin(); it != parent.end(); ++it)
    if (&*it == child) {
      const std::string name = random.below(2) ? it.key() + "x" : odd_text(random);
      const Json copy = *it;
      parent.erase(it);
      parent[name] = copy;
      return;
    }
}

void mutate_once(Json& root, Random& random) {
  std::vector<std::pair<Json*, Json*>> all;
  collect(root, all);
  if (all.empty()) {
    root = odd_value(random);
    return;
  }
  const auto [parent, child] = pick(all, random);
  switch (random.below(8)) {
    case 0:
    case 1: *child = odd_value(random); return;
    case 2: *child = similar_value(*child, random); return;
    case 3: take_out(*parent, child); return;
    case 4: rename(*parent, child, random); return;
    case 5: {
      const Json other = *pick(all, random).second;
      *child = other;
      return;
    }
    case 6: {
      const Json copy = *child;
      if (parent->is_array())
        parent->push_back(copy);
      else
        (*parent)["another"] = copy;
      return;
    }
    default: {
      const Json copy = *child;
      *child = Json::array({copy});
    }
  }
}

}  // namespace

void mutate_json(std::string& text, Random& random) {
  Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return;
  for (uint64_t i = 0, count = 1 + random.below(3); i < count; ++i) mutate_once(root, random);
  text = root.dump(-1, ' ', false, Json::error_handler_t::ignore);
  const std::string quoted = std::string("\"") + mark + "\"";
  for (size_t at; (at = text.find(quoted)) != std::string::npos;) text.replace(at, quoted.size(), raw_value(random));
  if (random.below(16) == 0) {  // the first name twice
    const size_t start = text.find('"'), end = text.find(',');
    if (start != std::string::npos && end != std::string::npos && start < end && text[0] == '{')
      text.insert(start, text.substr(start, end - start + 1));
  }
}

}  // namespace loralens::fuzz
