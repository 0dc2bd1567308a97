// SPDX-License-Identifier: Apache-2.0
#include "adapter/ia3.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <map>

#include "adapter/method.h"
#include "adapter/peft.h"
#include "base/error.h"
#include "base/pattern.h"
#include "base/text.h"
#include "compute/linear.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

MethodOption feedforward_option() {
  const auto set = [](OwnOptions& own, const std::string& text) {
    own_to_change<Ia3Options>(own).feedforward = split(text);
  };
  const auto text_of = [](const OwnOptions& own) {
    return fmt::format("{}", fmt::join(own_or_defaults<Ia3Options>(own).feedforward, ","));
  };
  return {.name = "feedforward",
          .help = "adapted modules that scale their input instead of their output",
          .kind = "TEXT",
          .default_value = text_of({}),
          .complaint = no_complaint,
          .normal = same_text,
          .set = set,
          .text = text_of};
}

// PEFT's rule for feed-forward modules: the module's name ends in one of `names`, with or without a dot before it.
bool ends_in_any(const std::string& path, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& name) { return path.ends_with(name); });
}

// The modules among `places` that scale their input. options: for the names in PEFT. Error for an invalid pattern.
std::vector<Place> feedforward_among(const std::vector<Place>& places, const AdapterOptions& options,
                                     const Ia3Options& own) {
  std::vector<Place> found;
  const Pattern pattern(own.feedforward_pattern);
  for (const Place& place : places)
    if (const std::string name = options.name_in_peft(path_of(place));
        own.feedforward_pattern.empty() ? ends_in_any(name, own.feedforward) : pattern.match(name).has_value())
      found.push_back(place);
  return found;
}

// A regular expression that matches the names of exactly these modules.
std::string pattern_of(const std::vector<Place>& places) {
  std::map<int64_t, std::string> modules;  // by layer: "self_attn\.k_proj|fc2"
  for (const Place& place : places) {
    const std::string begin = fmt::format("encoder.layers.{}.", place.layer);
    std::string& text = modules[place.layer];
    if (!text.empty()) text += "|";
    for (const char c : path_of(place).substr(begin.size())) text += c == '.' ? std::string("\\.") : std::string(1, c);
  }
  std::map<std::string, std::vector<int64_t>> layers;  // by modules
  for (const auto& [layer, text] : modules) layers[text].push_back(layer);
  std::string pattern;
  for (const auto& [text, numbers] : layers)
    pattern +=
        fmt::format(R"({}encoder\.layers\.({})\.({}))", pattern.empty() ? "" : "|", fmt::join(numbers, "|"), text);
  return pattern;
}

// The modules that the options choose, given a list of layers. The config has just enough layers for this list, because
// peft_config() does not know the encoder.
std::vector<Place> places_in_layers(const AdapterOptions& options) {
  WhisperConfig config;
  config.layers = *std::ranges::max_element(options.layers) + 1;
  return target_modules(config, options);
}

class Ia3Method : public Method {
 public:
  std::string_view name() const override { return "ia3"; }
  std::string_view summary() const override {
    return "trained scales of the outputs or inputs of linear layers, (IA)3";
  }
  Targeting targeting() const override { return Targeting::modules; }
  std::span<const MethodOption> options() const override {
    static const MethodOption feedforward = feedforward_option();
    return {&feedforward, 1};
  }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override {
    const auto places = target_modules(config, options);
    const auto& names = options.own_as<Ia3Options>().feedforward;
    if (names == Ia3Options().feedforward) return;
    for (const std::string& name : names)
      if (feedforward_among(places, options, {.feedforward = {name}}).empty())
        fail("'{}' should scale its input (--feedforward), but no adapted module has this name", name);
  }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t) const override {
    Adapted adapted{std::move(base), {}, {}, false};
    const auto places = target_modules(adapted.encoder.config, options);
    const auto feedforward = feedforward_among(places, options, options.own_as<Ia3Options>());
    const auto type = adapted.encoder.norm.weight.options();
    for (const Place& place : places) {
      const Tensor& weight = adapted.encoder.linear(place.layer, place.module).weight;
      auto ia3 = std::make_shared<Ia3>();
      ia3->of_input = std::ranges::count(feedforward, place) > 0;
      const std::vector<int64_t> shape =
          ia3->of_input ? std::vector<int64_t>{1, weight.size(1)} : std::vector<int64_t>{weight.size(0), 1};
      ia3->scale = at::ones(shape, type).requires_grad_();
      adapted.parameters.push_back({.name = path_of(place) + ".ia3_l",
                                    .tensor = ia3->scale,
                                    .role = ParameterRole::adapter,
                                    .layer = place.layer});
      adapted.adapters.linear[place] = std::move(ia3);
    }
    return adapted;
  }

  // PEFT's configuration of (IA)³ has no list of layers, so a list of layers is written as regular expressions for the
  // names of modules. A list of feed-forward modules must be a subset of the list of targets; otherwise it is written
  // as a regular expression.
  std::optional<json> peft_config(const AdapterOptions& options) const override {
    const auto& own = options.own_as<Ia3Options>();
    json config = {{"peft_type", "IA3"}, {"fan_in_fan_out", false}, {"init_ia3_weights", true}};
    write_targets(config, options);
    config.erase("layers_to_transform");
    const auto in_targets = [&](const std::string& name) { return std::ranges::count(options.targets, name) > 0; };
    if (!options.layers.empty()) {
      const auto places = places_in_layers(options), feedforward = feedforward_among(places, options, own);
      config["target_modules"] = pattern_of(places);
      config["exclude_modules"] = nullptr;
      config["feedforward_modules"] = feedforward.empty() ? json::array() : json(pattern_of(feedforward));
    } else if (!own.feedforward_pattern.empty()) {
      config["feedforward_modules"] = own.feedforward_pattern;
    } else if (own.feedforward.empty() || !options.target_pattern.empty() ||
               std::ranges::all_of(own.feedforward, in_targets)) {
      config["feedforward_modules"] = own.feedforward;
    } else {
      config["feedforward_modules"] = fmt::format(".*({})", fmt::join(own.feedforward, "|"));
    }
    return config;
  }

  std::optional<AdapterOptions> from_peft(const json& config, const std::string& file) const override {
    const JsonObject object(config, file);
    if (!object.has("peft_type") || object.at("peft_type") != "IA3") return std::nullopt;
    if (is_on(config, "fan_in_fan_out")) fail("{}: fan_in_fan_out is not supported", file);
    AdapterOptions options{.method = "ia3"};
    read_targets(object, options);
    Ia3Options own{.feedforward = {}};
    if (object.at("feedforward_modules").is_string())
      own.feedforward_pattern = object.text("feedforward_modules");
    else
      own.feedforward = object.texts("feedforward_modules");
    options.own = own;
    return options;
  }
};

}  // namespace

// The scales are float32, so products with x in bf16 are float32 too and are rounded once.
Tensor Ia3::forward(const Linear& base, const Tensor& x, int64_t, Module, const Pass&) const {
  const auto type = x.scalar_type();
  if (of_input) return linear((x * scale).to(type), base.weight, base.bias);
  return (linear(x, base.weight, base.bias) * scale.view({1, -1})).to(type);
}

Linear Ia3::merged(const Linear& base) const {
  Linear linear{(base.weight * scale).to(base.weight.scalar_type()), base.bias};
  if (!of_input && base.bias.defined()) linear.bias = (base.bias * scale.view(-1)).to(base.bias.scalar_type());
  return linear;
}

AdapterOperations Ia3::operations() const {
  const auto width = static_cast<double>(scale.numel());
  return {width, 2 * width, width};
}

void Ia3::randomise(uint64_t key) const { scale.detach().copy_(normal_values(scale.sizes(), key) * 0.02 + 1); }

const Method& ia3_method() {
  static const Ia3Method method;
  return method;
}

}  // namespace loralens
