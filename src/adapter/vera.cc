// SPDX-License-Identifier: Apache-2.0
#include "adapter/vera.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "adapter/dropout.h"
#include "adapter/lora/lora.h"
#include "adapter/method.h"
#include "adapter/peft.h"
#include "base/error.h"
#include "base/random.h"
#include "compute/linear.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr double start_of_lambda_d = 0.1;

// Names of the shared A and B. The file holds each once, outside the model's modules: as "base_model.vera_A", whereas
// names of modules begin with "base_model.model.".
constexpr const char* shared_names[] = {"vera_A", "vera_B"};

bool is_shared(const std::string& name) { return name == shared_names[0] || name == shared_names[1]; }

std::string name_in_file(const std::string& prefix, const std::string& name) {
  constexpr std::string_view of_model = "model.";
  if (!is_shared(name) || !prefix.ends_with(of_model)) return prefix + name;
  return prefix.substr(0, prefix.size() - of_model.size()) + name;
}

// Uniform in ±√(6/columns): PEFT's Kaiming initialisation. CPU, float64.
Tensor projection(int64_t rows, int64_t columns, uint64_t key) {
  Tensor tensor = at::empty({rows, columns}, c10::ScalarType::Double);
  const double bound = std::sqrt(6 / static_cast<double>(columns));
  Random random(key);
  double* values = tensor.mutable_data_ptr<double>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = random.uniform(-bound, bound);
  return tensor;
}

// The first setting that is not supported, because the adapter would compute another function or its file is
// incomplete; "" if there is none.
std::string unsupported(const JsonObject& object, const json& config) {
  if (is_on(config, "fan_in_fan_out")) return "fan_in_fan_out";
  if (!object.truth("save_projection", true))
    return "save_projection false, with which the file lacks vera_A and vera_B (save it with true in PEFT),";
  return unknown_layers_pattern(config);
}

class VeraMethod : public Method {
 public:
  std::string_view name() const override { return "vera"; }
  std::string_view summary() const override { return "trained scales of random projections that all modules share"; }
  Targeting targeting() const override { return Targeting::modules; }
  std::span<const MethodOption> options() const override {
    static const MethodOption all[] = {
        number_option("rank", &VeraOptions::rank, ranks, "rank of the shared projections"),
        number_option("dropout", &VeraOptions::dropout, dropouts, "dropout of the adapter's input")};
    return all;
  }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override { places_of(config, options); }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const override {
    Adapted adapted{std::move(base), {}, {}, false};
    const auto places = places_of(adapted.encoder.config, options);
    const auto& own = options.own_as<VeraOptions>();
    const auto type = adapted.encoder.norm.weight.options();
    int64_t in = 0, out = 0;
    for (const Place& place : places) {
      const Tensor& weight = adapted.encoder.linear(place.layer, place.module).weight;
      in = std::max(in, weight.size(1));
      out = std::max(out, weight.size(0));
    }
    const Tensor a = projection(own.rank, in, hash_of(seed, hash_of("vera_A"))).to(type),
                 b = projection(out, own.rank, hash_of(seed, hash_of("vera_B"))).to(type);
    add(adapted, shared_names[0], a, -1);
    add(adapted, shared_names[1], b, -1);
    for (const Place& place : places) {
      const Tensor& weight = adapted.encoder.linear(place.layer, place.module).weight;
      auto vera = std::make_shared<Vera>();
      vera->a = a.narrow(1, 0, weight.size(1));
      vera->b = b.narrow(0, 0, weight.size(0));
      vera->lambda_d = at::full({own.rank}, start_of_lambda_d, type).requires_grad_();
      vera->lambda_b = at::zeros({weight.size(0)}, type).requires_grad_();
      vera->dropout = own.dropout;
      add(adapted, path_of(place) + ".vera_lambda_d", vera->lambda_d, place.layer);
      add(adapted, path_of(place) + ".vera_lambda_b", vera->lambda_b, place.layer);
      adapted.adapters.linear[place] = std::move(vera);
    }
    return adapted;
  }

  std::optional<json> peft_config(const AdapterOptions& options) const override {
    const auto& own = options.own_as<VeraOptions>();
    json config = {{"peft_type", "VERA"},         {"r", own.rank},
                   {"vera_dropout", own.dropout}, {"save_projection", true},
                   {"projection_prng_key", 0},    {"d_initial", start_of_lambda_d},
                   {"fan_in_fan_out", false},     {"bias", "none"},
                   {"init_weights", true}};
    write_targets(config, options);
    config.erase("exclude_modules");
    return config;
  }
  std::optional<AdapterOptions> from_peft(const json& config, const std::string& file) const override {
    const JsonObject object(config, file);
    if (!object.has("peft_type") || object.at("peft_type") != "VERA") return std::nullopt;
    if (const std::string key = unsupported(object, config); !key.empty()) fail("{}: {} is not supported", file, key);
    AdapterOptions options{.method = "vera"};
    options.own = VeraOptions{.rank = whole_number(object.at("r"), file + ": the rank r", ranks),
                              .dropout = object.number("vera_dropout", dropouts, 0)};
    read_targets(object, options);
    options.biases = biases_of(object, "vera_only");
    return options;
  }

  std::map<std::string, Tensor> tensors_to_save(const Adapted& adapted, const std::string& prefix) const override {
    std::map<std::string, Tensor> tensors;
    for (const Parameter& p : adapted.parameters) tensors[name_in_file(prefix, p.name)] = p.tensor;
    return tensors;
  }
  void load_tensors(const Adapted& adapted, const std::string& prefix, const TensorReader& read) const override {
    for (const Parameter& p : adapted.parameters) read(name_in_file(prefix, p.name), p.tensor);
  }

 private:
  // The adapted linear layers. Error for numbers out of range, and for --exclude, which PEFT's configuration lacks.
  static std::vector<Place> places_of(const WhisperConfig& config, const AdapterOptions& options) {
    const auto& own = options.own_as<VeraOptions>();
    if (!ranks.contains(own.rank)) fail("a rank of {} is out of range: choose {}", own.rank, ranks.text());
    if (!dropouts.contains(own.dropout))
      fail("a dropout of {} is out of range: choose {}", own.dropout, dropouts.text());
    if (!options.excluded.empty() || !options.excluded_pattern.empty())
      fail("PEFT's configuration of VeRA has no --exclude: choose the modules with --target-pattern");
    return target_modules(config, options);
  }

  static void add(Adapted& adapted, const std::string& name, const Tensor& tensor, int64_t layer) {
    adapted.parameters.push_back({.name = name,
                                  .tensor = tensor,
                                  .role = ParameterRole::adapter,
                                  .layer = layer,
                                  .trained = tensor.requires_grad()});
  }
};

}  // namespace

Tensor Vera::forward(const Linear& base, const Tensor& x, int64_t layer, Module module, const Pass& pass) const {
  const auto type = x.scalar_type();
  const bool drop = pass.dropout.active && dropout > 0;
  const Tensor in = drop ? with_dropout(pass, layer, module, dropout, x) : x;
  const Tensor down = linear(in, a.to(type), {}) * lambda_d.to(type);   // ΣT×R
  const Tensor up = linear(down, b.to(type), {}) * lambda_b.to(type);  // ΣT×out
  return linear(x, base.weight, base.bias).add_(up, drop ? 1 / (1 - dropout) : 1);
}

Linear Vera::merged(const Linear& base) const {
  const Tensor update = at::matmul(lambda_b.unsqueeze(1) * b, lambda_d.unsqueeze(1) * a);
  return {(base.weight + update).to(base.weight.scalar_type()), base.bias};
}

AdapterOperations Vera::operations() const {
  const auto rank = static_cast<double>(a.size(0)), in = static_cast<double>(a.size(1)),
             out = static_cast<double>(b.size(0));
  return {2 * rank * (in + out) + rank + out, 2 * rank * out + 3 * (rank + out), 2 * rank * in};
}

void Vera::randomise(uint64_t key) const {
  lambda_d.detach().fill_(start_of_lambda_d);
  lambda_b.detach().copy_(normal_values(lambda_b.sizes(), key) * 0.02);
}

const Method& vera_method() {
  static const VeraMethod method;
  return method;
}

}  // namespace loralens
