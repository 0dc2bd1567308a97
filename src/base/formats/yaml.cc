// SPDX-License-Identifier: Apache-2.0
#include "base/formats/yaml.h"

#include <yaml-cpp/yaml.h>

#include "base/error.h"

namespace loralens {
namespace {

using nlohmann::ordered_json;

constexpr int64_t most_values = 1'000'000;
constexpr int deepest = 64;

class Converter {
 public:
  explicit Converter(const std::string& name) : name_(name) {}

  ordered_json convert(const YAML::Node& node, int depth = 0) {
    if (depth > deepest) fail("{}: the YAML has more than {} levels", name_, deepest);
    if (++values_ > most_values) fail("{}: the YAML has more than {} values", name_, most_values);
    switch (node.Type()) {
      case YAML::NodeType::Scalar: return node.Scalar();
      case YAML::NodeType::Sequence: {
        ordered_json list = ordered_json::array();
        for (const auto& entry : node) list.push_back(convert(entry, depth + 1));
        return list;
      }
      case YAML::NodeType::Map: {
        ordered_json object = ordered_json::object();
        for (const auto& entry : node) {
          if (!entry.first.IsScalar()) fail("{}: the YAML has a key that is no text", name_);
          object[entry.first.Scalar()] = convert(entry.second, depth + 1);
        }
        return object;
      }
      default: return nullptr;
    }
  }

 private:
  const std::string& name_;
  int64_t values_ = 0;
};

}  // namespace

ordered_json parse_yaml(std::string_view text, const std::string& name) try {
  return Converter(name).convert(YAML::Load(std::string(text)));
} catch (const YAML::Exception& error) {
  fail("{}: no valid YAML: {}", name, error.what());
}

}  // namespace loralens
