// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "adapter/lora/lora.h"
#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

// Values and gradients of the adapters' sites, computed clip by clip in batches of one.
struct Stacks {
  std::map<Site, std::vector<Tensor>> values, gradients;
};

Stacks stacks_of(const TestFold& fold, const Subject& subject, const std::vector<int64_t>& clips,
                 const DropoutState& dropout = {}) {
  struct Recorder : Observer {
    std::vector<Site> sites;
    std::vector<Tensor> values;
    bool wants(const Site& site) const override {
      return site.kind == SiteKind::adapter_down || site.kind == SiteKind::adapter_up ||
             site.kind == SiteKind::attention_in || site.kind == SiteKind::mlp_hidden;
    }
    void see(const Pass&, const Site& site, const Tensor& value, int64_t) override {
      sites.push_back(site);
      values.push_back(value);
    }
  };
  Stacks stacks;
  for (const int64_t clip : clips) {
    const TestFold::Seen seen = fold.see(subject, clip);
    Recorder recorder;
    Taps taps;
    taps.observers.push_back(&recorder);
    Pass pass = seen.pass;
    pass.taps = &taps;
    pass.dropout = dropout;
    const Tensor x = seen.x.detach().requires_grad_();
    const Tensor out = logits_from(network_of(subject.model, subject.encoder), x, 0, pass);
    const Tensor loss = at::cross_entropy_loss(out, at::tensor(std::vector<int64_t>{fold.label(clip)}));
    const auto gradients = torch::autograd::grad({loss}, recorder.values);
    for (size_t i = 0; i < gradients.size(); ++i) {
      stacks.values[recorder.sites[i]].push_back(recorder.values[i].detach().narrow(0, 0, seen.speech));
      stacks.gradients[recorder.sites[i]].push_back(gradients[i].narrow(0, 0, seen.speech));
    }
  }
  return stacks;
}

Factors lora_of(const Subject& subject, int64_t layer, Module module) {
  return subject.model.adapted.adapters.linear.at({layer, module})->factors().value();
}

const Tensor& array_of(const Findings& findings, const std::string& name) {
  for (const NamedArray& array : findings.arrays)
    if (array.name == name) return array.values;
  fail("no array {}", name);
}

// Compares row `layer` of an array with the singular values of `matrix`; the row's remaining entries must be 0.
void expect_spectrum(const Findings& findings, const std::string& name, int64_t layer, const Tensor& matrix,
                     double tolerance = 1e-7) {
  const Tensor found = array_of(findings, name)[layer], expected = at::linalg_svdvals(matrix.detach());
  for (int64_t i = 0; i < found.size(0); ++i)
    EXPECT_NEAR(found[i].item<double>(), i < expected.size(0) ? expected[i].item<double>() : 0,
                tolerance * expected[0].item<double>())
        << name << " " << layer << " " << i;
}

// Components for 90 % of the energy, and the effective rank, straight from their definitions.
std::pair<double, double> naive_measures(const Tensor& matrix) {
  const Tensor sigma = at::linalg_svdvals(matrix.detach());
  const Tensor energy = sigma.square().cumsum(0) / sigma.square().sum();
  const Tensor share = (sigma / sigma.sum()).clamp_min(1e-300);
  return {1.0 + energy.lt(0.9).sum().item<double>(), std::exp(-(share * share.log()).sum().item<double>())};
}

class SpectrumTest : public testing::Test {
 protected:
  SpectrumTest() : fold(folder) {
    // The untrained model has other weights, and dropout.
    EmotionModel untrained = tiny_model(tiny_base(in_double), tiny_adapter("lora", 0.3));
    for (const Parameter& p : untrained.adapted.parameters)
      p.tensor.detach().copy_(random_tensor(p.tensor.sizes().vec(), hash_of(7, hash_of(p.name)), 0.3));
    fold.subjects.untrained = make_subject(Role::untrained, untrained);
    fold.subjects.test = {12, 13, 14};
    fold.subjects.sample = {1, 5, 12, 16};
  }
  Findings find() { return fold.find(make_spectrum(fold.setting)); }

  TestFolder folder;
  TestFold fold;
};

TEST_F(SpectrumTest, OfThePaperIsThatOfAllRowsStacked) {
  fold.setting.protocol = paper_protocol;
  const Findings findings = find();
  const DropoutState dropout{true, hash_of(fold.setting.seed, hash_of("dropout")), 0};
  double sum = 0;
  for (const auto& [role, variant] :
       {std::pair{Role::adapted, ""}, {Role::untrained, ""}, {Role::untrained, "dropout"}}) {
    const Subject& subject = fold.subjects.of(role);
    const Stacks stacks = stacks_of(fold, subject, fold.subjects.sample, *variant ? dropout : DropoutState{});
    for (const int64_t layer : {0, 1, 2}) {
      for (const Module module : {Module::v_proj, Module::fc2}) {
        const std::string prefix = (*variant ? "dropout/" : "") + std::string(name_of(role)) + "/",
                          suffix = "/" + std::string(name_of(module));
        const Site down{SiteKind::adapter_down, layer, module}, up{SiteKind::adapter_up, layer, module};
        for (const auto& [component, matrix] : {std::pair{"A", at::cat(stacks.values.at(down))},
                                                {"B", at::cat(stacks.values.at(up))},
                                                {"A-gradient", at::cat(stacks.gradients.at(down))},
                                                {"B-gradient", at::cat(stacks.gradients.at(up))}}) {
          expect_spectrum(findings, prefix + component + suffix, layer, matrix);
          EXPECT_EQ(array_of(findings, prefix + component + suffix).sizes(), (std::vector<int64_t>{3, matrix.size(1)}));
          RowKey key{.model = std::string(name_of(role)),
                     .variant = variant,
                     .layer = layer,
                     .module = std::string(name_of(module)),
                     .component = component,
                     .metric = "sv90"};
          const auto [sv90, effective_rank] = naive_measures(matrix);
          EXPECT_EQ(value_of(findings, key), sv90);
          key.metric = "effective_rank";
          EXPECT_NEAR(value_of(findings, key), effective_rank, 1e-4 * effective_rank);
          if (role == Role::adapted && module == Module::fc2 && component == std::string("A")) sum += sv90;
        }
      }
    }
  }
  EXPECT_NEAR(value_of(findings, {.model = "adapted", .module = "fc2", .component = "A", .metric = "sv90"}), sum / 3,
              1e-12);
  for (const Row& row : findings.rows) {
    EXPECT_EQ(row.fold, 0);
    EXPECT_TRUE(std::isnan(row.low));
    EXPECT_TRUE(row.key.variant.empty() || row.key.variant == "dropout") << row.key.variant;
  }
  EXPECT_FALSE(findings.reading.empty());
}

TEST_F(SpectrumTest, OfSpeechFramesCentredAndWithRandomFactors) {
  const Findings findings = find();
  const Subject& adapted = fold.subjects.adapted;
  const Stacks stacks = stacks_of(fold, adapted, fold.subjects.test);
  const auto centred = [](const Tensor& x) { return x - x.mean(0); };
  for (const auto& [module, input] :
       {std::pair{Module::k_proj, SiteKind::attention_in}, {Module::fc2, SiteKind::mlp_hidden}}) {
    const int64_t layer = 1;
    const std::string suffix = "/" + std::string(name_of(module)), number = suffix + "/1";
    const Factors lora = lora_of(adapted, layer, module);
    const Tensor x = at::cat(stacks.values.at({input, layer})),
                 down = at::cat(stacks.values.at({SiteKind::adapter_down, layer, module})),
                 up = at::cat(stacks.values.at({SiteKind::adapter_up, layer, module})),
                 gradient = at::cat(stacks.gradients.at({SiteKind::adapter_up, layer, module})),
                 down_gradient = at::cat(stacks.gradients.at({SiteKind::adapter_down, layer, module}));
    expect_spectrum(findings, "adapted/A" + suffix, layer, down);
    expect_spectrum(findings, "adapted/B-gradient" + suffix, layer, gradient);
    expect_spectrum(findings, "centred/adapted/A" + suffix, layer, centred(down));
    expect_spectrum(findings, "centred/adapted/B" + suffix, layer, centred(up));
    expect_spectrum(findings, "centred/adapted/A-gradient" + suffix, layer, centred(down_gradient));
    expect_spectrum(findings, "centred/adapted/B-gradient" + suffix, layer, centred(gradient));

    const auto scaled = [&](const std::string& name, const Tensor& like) {
      const Tensor draw = array_of(findings, name + number).to(c10::ScalarType::Double);
      EXPECT_EQ(draw.sizes(), like.sizes());
      return draw * (like.detach().norm() / draw.norm());
    };
    const Tensor b = scaled("random-B", lora.b), a = scaled("random-A", lora.a);
    expect_spectrum(findings, "random-B/adapted/B" + suffix, layer, at::matmul(down, b.t()));
    expect_spectrum(findings, "random-B/adapted/A-gradient" + suffix, layer, at::matmul(gradient, b));
    expect_spectrum(findings, "random-A/adapted/A" + suffix, layer, at::matmul(x, a.t()));
    expect_spectrum(findings, "random-A/adapted/B" + suffix, layer, at::matmul(at::matmul(x, a.t()), lora.b.t()));
  }
}

// The model in another gauge, (M A, B M⁻¹), has the same balanced spectra, and other plain ones of A.
TEST_F(SpectrumTest, InTheBalancedGaugeDoesNotDependOnTheGauge) {
  const Findings before = find();
  const Place place{1, Module::v_proj};
  const Factors lora = lora_of(fold.subjects.adapted, 1, Module::v_proj);
  const auto [u, sigma, v] = at::linalg_svd(at::matmul(lora.b, lora.a).detach(), false);
  const Tensor root = sigma.narrow(0, 0, 4).sqrt();
  const Stacks stacks = stacks_of(fold, fold.subjects.adapted, fold.subjects.test);
  const Tensor x = at::cat(stacks.values.at({SiteKind::attention_in, 1})),
               gradient = at::cat(stacks.gradients.at({SiteKind::adapter_up, 1, Module::v_proj}));
  expect_spectrum(before, "balanced/adapted/A/v_proj", 1, at::matmul(x, v.narrow(0, 0, 4).t()) * root);
  expect_spectrum(before, "balanced/adapted/A-gradient/v_proj", 1, at::matmul(gradient, u.narrow(1, 0, 4)) * root);

  const Tensor gauge = random_tensor({4, 4}, 3);
  auto turned = std::make_shared<Lora>();
  turned->scale = lora.scale;
  turned->a = at::matmul(gauge, lora.a).detach().requires_grad_();
  turned->b = at::matmul(lora.b, gauge.inverse()).detach().requires_grad_();
  fold.subjects.adapted.model.adapted.adapters.linear[place] = turned;
  const Findings after = find();
  for (const char* component : {"A", "A-gradient", "B", "B-gradient"}) {
    const std::string name = fmt::format("adapted/{}/v_proj", component);
    const Tensor plain = array_of(before, name)[1];
    const double change = difference(array_of(after, name)[1], plain);
    if (component[0] == 'A') {
      EXPECT_GT(change, 0.01) << component;
      EXPECT_LT(difference(array_of(after, "balanced/" + name)[1], array_of(before, "balanced/" + name)[1]), 1e-7);
    } else {
      EXPECT_LT(change, 1e-7) << component;
    }
  }
}

TEST_F(SpectrumTest, OfTheWeights) {
  const Findings findings = find();
  const Encoder& base = fold.subjects.adapted.model.adapted.encoder;
  const Factors lora = lora_of(fold.subjects.adapted, 2, Module::fc1);
  const Tensor w = base.linear(2, Module::fc1).weight, delta = (at::matmul(lora.b, lora.a) * lora.scale).detach();
  expect_spectrum(findings, "adapted/delta-weight/fc1", 2, delta);
  expect_spectrum(findings, "frozen/weight/fc1", 2, w);
  expect_spectrum(findings, "adapted/adapted-weight/fc1", 2, w + delta);
  const Factors start = lora_of(fold.subjects.untrained, 2, Module::fc1);
  expect_spectrum(findings, "untrained/delta-weight/fc1", 2, at::matmul(start.b, start.a) * start.scale);

  const auto [u_w, s_w, v_w] = at::linalg_svd(w, false);
  const auto [u_d, s_d, v_d] = at::linalg_svd(delta, false);
  const auto [u, s, v] = at::linalg_svd(w + delta, false);
  const Tensor cosines = at::matmul(u_d.narrow(1, 0, 4).t(), u_w.narrow(1, 0, 16));
  RowKey key{.model = "adapted",
             .variant = "top-4-in-16",
             .layer = 2,
             .module = "fc1",
             .component = "output-directions",
             .metric = "overlap"};
  EXPECT_NEAR(value_of(findings, key), cosines.square().sum().item<double>() / 4, 1e-12);
  key.metric = "chance";
  EXPECT_EQ(value_of(findings, key), 0.5);
  key.component = "input-directions";  // 16 of 16 dimensions are the whole space
  EXPECT_EQ(find_row(findings.rows, key), nullptr);
  const Tensor nearest = std::get<0>(at::matmul(u_w.t(), u).abs().max(0)).narrow(0, 0, 10);
  for (const double cosine : {0.3, 0.5, 0.7}) {
    RowKey intruders{.model = "adapted",
                     .variant = fmt::format("cosine-{}", cosine),
                     .layer = 2,
                     .module = "fc1",
                     .component = "adapted-weight",
                     .metric = "intruders"};
    EXPECT_EQ(value_of(findings, intruders), nearest.lt(cosine).sum().item<double>());
    const Row* row = find_row(findings.rows, intruders);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->null_draws, 199);
    EXPECT_GE(row->p_adjusted, row->p);
    EXPECT_LE(row->null_low, row->null_high);
    intruders.layer = {};
    EXPECT_EQ(find_row(findings.rows, intruders)->null_draws, 199);
  }
}

TEST_F(SpectrumTest, OfAFullyTrainedEncoderIsThatOfItsWeights) {
  const EmotionModel full = tiny_model(tiny_base(in_double), tiny_adapter("full"));
  fold.subjects.adapted = make_subject(Role::adapted, full);
  fold.subjects.untrained = make_subject(Role::untrained, full);
  fold.setting.adapted.clear();
  const Findings findings = find();
  const Tensor w = fold.subjects.frozen.encoder.linear(0, Module::out_proj).weight;
  expect_spectrum(findings, "adapted/delta-weight/out_proj", 0,
                  full.adapted.encoder.linear(0, Module::out_proj).weight - w);
  EXPECT_EQ(
      find_row(findings.rows, {.model = "adapted", .layer = 0, .module = "v_proj", .component = "A", .metric = "sv90"}),
      nullptr);
  EXPECT_FALSE(findings.notes.empty());
}

TEST_F(SpectrumTest, OfAFrozenModelIsExplainedAway) {
  fold.subjects.adapted = fold.subjects.frozen;
  fold.subjects.untrained = fold.subjects.frozen;
  fold.setting.adapted.clear();
  for (const bool paper : {false, true}) {
    fold.setting.protocol = paper ? paper_protocol : strict_protocol;
    const Findings findings = find();
    EXPECT_TRUE(findings.rows.empty());
    EXPECT_FALSE(findings.notes.empty());
  }
}

TEST_F(SpectrumTest, OfAdaptersAtSitesIsExplainedAway) {
  const EmotionModel model = tiny_model(tiny_base(in_double), tiny_adapter("houlsby"));
  fold.subjects.adapted = make_subject(Role::adapted, model);
  fold.subjects.untrained = make_subject(Role::untrained, model);
  fold.setting.adapted.clear();
  for (const auto& [site, adapter] : model.adapted.adapters.sites()) fold.setting.adapted_sites.push_back(site);
  for (const Protocol& protocol : {strict_protocol, paper_protocol}) {
    fold.setting.protocol = protocol;
    const Findings findings = find();
    EXPECT_TRUE(findings.rows.empty());
    EXPECT_TRUE(std::ranges::any_of(findings.notes, [](const std::string& note) {
      return note.starts_with(
          "The model has adapters that change activations (attention_out, mlp_out): they have no "
          "update ΔW of a linear layer");
    }));
  }
}

TEST_F(SpectrumTest, OfGradientsThatAreZeroHasNoMeasures) {
  const auto& adapted = fold.subjects.adapted.model.adapted;
  for (const Parameter& p : adapted.parameters)
    if (p.name.ends_with("lora_B.weight")) p.tensor.detach().zero_();
  const Findings findings = find();
  EXPECT_EQ(find_row(findings.rows,
                     {.model = "adapted", .layer = 1, .module = "v_proj", .component = "A-gradient", .metric = "sv90"}),
            nullptr);
  EXPECT_TRUE(
      std::ranges::any_of(findings.notes, [](const std::string& note) { return note.starts_with("A-gradient"); }));
  EXPECT_EQ(largest(array_of(findings, "adapted/A-gradient/v_proj")), 0);
}

TEST_F(SpectrumTest, OverSeveralFoldsIsTheirMean) {
  const std::unique_ptr<Analysis> analysis = make_spectrum(fold.setting);
  SourceOptions options;
  options.input.tail = 0.1;  // as in TestFold
  double values = 0, sv90 = 0;
  const RowKey key{.model = "adapted", .layer = 1, .module = "v_proj", .component = "A", .metric = "sv90"};
  for (int64_t number = 0; number < 2; ++number) {
    fold.subjects.fold = number;
    fold.subjects.test = number == 0 ? std::vector<int64_t>{12, 13} : std::vector<int64_t>{14, 15};
    fold.setting.folds = 1;
    const Findings alone = find();
    values += array_of(alone, "adapted/A/v_proj")[1][0].item<double>() / 2;
    sv90 += value_of(alone, key) / 2;
    fold.setting.folds = 2;
    AnalysisRunner(fold.setting, {analysis.get()}).run(fold.subjects, fold.subjects.frozen.encoder, options);
  }
  const Findings findings = analysis->finish();
  EXPECT_NEAR(array_of(findings, "adapted/A/v_proj")[1][0].item<double>(), values, 1e-9 * values);
  EXPECT_EQ(value_of(findings, key), sv90);
  EXPECT_EQ(std::ranges::count(findings.rows, key, &Row::key), 3);  // two folds and their mean
}

}  // namespace
}  // namespace loralens
