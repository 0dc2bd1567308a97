// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "adapter/lora/lora.h"
#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "base/error.h"
#include "statistics/tsne/tsne.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::Contains;
using testing::HasSubstr;

constexpr int64_t rank = 3, width = 6, layers = 2;
constexpr Module module = Module::v_proj;

// Clips of three emotions and five speakers; the residual streams depend on both. LoRA on v_proj of two layers.
// Activations are synthetic; rows after a clip's own frames are outliers.
struct HandMade {
  Clips clips;
  Setting setting;
  FoldSubjects fold;
  std::vector<int64_t> rows, speech;  // of each clip

  explicit HandMade(int64_t count, int64_t speakers = 5, bool paper = false) {
    for (int64_t i = 0; i < count; ++i) {
      Clip clip;
      clip.id = fmt::format("{}.wav", i);
      clip.speaker = fmt::format("s{}", i / 2 % speakers);
      clip.label = fmt::format("e{}", i % 3);
      clips.clips.push_back(clip);
      setting.labels.push_back(i % 3);
      rows.push_back(paper ? 4 : 4 + i % 5);
      speech.push_back(paper ? 4 : 2 + i % 3);
      (paper ? fold.sample : fold.test).push_back(i);
    }
    setting.clips = &clips;
    setting.protocol = paper ? paper_protocol : strict_protocol;
    setting.classes = {"e0", "e1", "e2"};
    setting.layers = layers;
    setting.width = width;
    for (int64_t l = 0; l < layers; ++l) {
      setting.adapted.emplace_back(l, module);
      for (Subject* subject : {&fold.adapted, &fold.untrained}) {
        auto lora = std::make_shared<Lora>();
        lora->a = random_tensor({rank, width}, hash_of(10, l, static_cast<uint64_t>(subject->role)));
        lora->b = random_tensor({width, rank}, hash_of(20, l, static_cast<uint64_t>(subject->role)));
        subject->model.adapted.adapters.linear[{l, module}] = std::move(lora);
      }
    }
  }
  HandMade(const HandMade&) = delete;

  Factors lora(Role role, int64_t layer) const {
    return fold.of(role).model.adapted.adapters.linear.at({layer, module})->factors().value();
  }

  // One clip's value at a site: T×R or T×D.
  Tensor seen(Role role, const Site& site, int64_t clip) const {
    const auto i = static_cast<size_t>(clip);
    const uint64_t key = hash_of(static_cast<uint64_t>(site.layer), static_cast<uint64_t>(role), fold.fold);
    Tensor x = random_tensor({rows[i], width}, hash_of(1, clip, key)) +
               random_tensor({1, width}, hash_of(2, setting.labels[i], key)) +
               random_tensor({1, width}, hash_of(3, hash_of(clips.clips[i].speaker), key), 0.5);
    x.narrow(0, speech[i], rows[i] - speech[i]).fill_(1000.0);
    return site.kind == SiteKind::adapter_down ? at::matmul(x, lora(role, site.layer).a.t()) : x;
  }

  // Calls the analysis as the runner does: clips in another order, in batches of five.
  void pass(Analysis& analysis) const {
    analysis.begin_fold(fold);
    for (const Part part : {Part::test, Part::sample}) {
      std::vector<int64_t> order = fold.of(part);
      std::ranges::reverse(order);
      for (size_t first = 0; first < order.size(); first += 5) {
        const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(first + 5, order.size()));
        const std::vector<int64_t> batch(order.begin() + static_cast<std::ptrdiff_t>(first), end);
        for (const Role role : {Role::adapted, Role::frozen, Role::untrained})
          if (analysis.wants(part, role)) pass(analysis, part, role, batch);
      }
      analysis.end_part(fold, part);
    }
    analysis.end_fold(fold);
  }
  Findings find() const {
    const auto analysis = make_embedding(setting);
    pass(*analysis);
    return analysis->finish();
  }

 private:
  void pass(Analysis& analysis, Part part, Role role, const std::vector<int64_t>& batch) const {
    Pass passing;
    BatchView view{setting, fold, fold.of(role), part, batch, passing, {}, {}, {}, {}};
    for (const int64_t clip : batch) {
      view.clip_rows.push_back(rows[clip]);
      view.speech_rows.push_back(speech[clip]);
    }
    std::vector<Site> sites;
    for (int64_t l = 0; l < layers; ++l) {
      if (fold.of(role).model.adapted.adapters.linear.contains({l, module}))
        sites.push_back({SiteKind::adapter_down, l, module});
      sites.push_back({SiteKind::residual_out, l});
    }
    for (const Site& site : sites) {
      if (!analysis.wants(part, role, site)) continue;
      std::vector<Tensor> parts;
      for (const int64_t clip : batch) parts.push_back(seen(role, site, clip));
      analysis.see(view, site, at::cat(parts));
    }
    analysis.end_batch(view);
  }
};

Tensor standardised(const Tensor& x) { return (x - x.mean(0)) / (x - x.mean(0)).square().mean(0).sqrt(); }

// n×d: the clip means of the strict protocol, before standardisation.
Tensor means_of(const HandMade& made, Role role, const Site& site) {
  std::vector<Tensor> means;
  for (const int64_t clip : made.fold.test)
    means.push_back(made.seen(role, site, clip).narrow(0, 0, made.speech[clip]).mean(0));
  return at::stack(means);
}

struct Naive {
  double silhouette = 0, precision = 0;
};

// Silhouette and R-precision by their definitions, over the points `left` (the jackknife leaves out the others).
Naive naive(const Tensor& x, const std::vector<std::string>& labels, const std::vector<size_t>& left) {
  Naive sums;
  for (const size_t i : left) {
    std::map<std::string, std::pair<double, double>> of_label;  // sum of distances, points
    std::vector<std::pair<double, size_t>> nearest;
    for (const size_t j : left) {
      if (i == j) continue;
      const double distance = (x[static_cast<int64_t>(i)] - x[static_cast<int64_t>(j)]).norm().item<double>();
      of_label[labels[j]].first += distance;
      ++of_label[labels[j]].second;
      nearest.emplace_back(distance, j);
    }
    double inside = 0, outside = INFINITY;
    for (const auto& [label, sum] : of_label)
      (label == labels[i] ? inside : outside) =
          label == labels[i] ? sum.first / sum.second : std::min(outside, sum.first / sum.second);
    sums.silhouette += (outside - inside) / std::max(inside, outside);
    std::ranges::sort(nearest);
    size_t others = 0;
    for (const auto& [distance, j] : nearest) others += labels[j] == labels[i];
    for (size_t k = 0; k < others; ++k)
      sums.precision += labels[nearest[k].second] == labels[i] ? 1 / static_cast<double>(others) : 0;
  }
  const auto n = static_cast<double>(left.size());
  return {sums.silhouette / n, sums.precision / n};
}

RowKey key_of(const std::string& model, const std::string& component, int64_t layer, const std::string& metric) {
  return {.model = model,
          .layer = layer,
          .module = component == "A" ? "v_proj" : "",
          .component = component,
          .metric = metric};
}

const Row& row_of(const Findings& findings, const RowKey& key) {
  static const Row none;
  const Row* row = find_row(findings.rows, key);
  EXPECT_NE(row, nullptr) << key.model << " " << key.variant << " " << key.component << " " << key.metric;
  return row ? *row : none;
}

// Checks the value and the jackknife interval over speakers with 4 degrees of freedom.
void expect_row(const Row& row, double value, const std::vector<double>& without) {
  EXPECT_NEAR(row.value, value, 1e-5);
  double mean = 0, squares = 0;
  for (const double w : without) mean += w / 5;
  for (const double w : without) squares += (w - mean) * (w - mean);
  const double half = 2.776445 * std::sqrt(4.0 / 5 * squares);
  EXPECT_NEAR(row.low, value - half, 1e-4);
  EXPECT_NEAR(row.high, value + half, 1e-4);
}

TEST(Embedding, AgreesWithANaiveTwin) {
  const HandMade made(36);
  const Findings findings = made.find();
  std::vector<std::string> emotions, speakers;
  std::vector<size_t> all;
  for (const Clip& clip : made.clips.clips) {
    all.push_back(emotions.size());
    emotions.push_back(clip.label);
    speakers.push_back(clip.speaker);
  }
  const auto compare = [&](const RowKey& key, const Tensor& x) {
    for (const auto& [kind, labels] : {std::pair("emotion", emotions), std::pair("speaker", speakers)}) {
      std::vector<double> silhouettes, precisions;
      for (const std::string out : {"s0", "s1", "s2", "s3", "s4"}) {
        std::vector<size_t> left;
        for (const size_t i : all)
          if (speakers[i] != out) left.push_back(i);
        const Naive without = naive(x, labels, left);
        silhouettes.push_back(without.silhouette);
        precisions.push_back(without.precision);
      }
      const Naive whole = naive(x, labels, all);
      RowKey named = key;
      named.metric = fmt::format("silhouette_{}", kind);
      expect_row(row_of(findings, named), whole.silhouette, silhouettes);
      EXPECT_EQ(row_of(findings, named).n, 36);
      named.metric = fmt::format("r_precision_{}", kind);
      expect_row(row_of(findings, named), whole.precision, precisions);
    }
  };
  const Site down{SiteKind::adapter_down, 1, module}, out{SiteKind::residual_out, 0};
  compare(key_of("adapted", "residual", 0, ""), standardised(means_of(made, Role::adapted, out)));
  compare(key_of("frozen", "residual", 0, ""), standardised(means_of(made, Role::frozen, out)));
  compare(key_of("untrained", "A", 1, ""), standardised(means_of(made, Role::untrained, down)));

  // A' = √Σ Vᵀ of B A = U Σ Vᵀ, applied to inputs whose image under A is A x.
  const Factors lora = made.lora(Role::adapted, 1);
  const auto [u, s, vt] = at::linalg_svd(at::matmul(lora.b, lora.a), false);
  const Tensor input = at::matmul(means_of(made, Role::adapted, down), at::linalg_pinv(lora.a).t());
  RowKey balanced = key_of("adapted", "A", 1, "");
  balanced.variant = "balanced";
  compare(balanced, at::matmul(input, vt.narrow(0, 0, rank).t()) * s.narrow(0, 0, rank).sqrt());

  EXPECT_NEAR(row_of(findings, key_of("adapted", "A", 0, "r_precision_emotion_chance")).value, 11.0 / 35, 1e-12);
  EXPECT_NEAR(row_of(findings, key_of("frozen", "residual", 1, "r_precision_speaker_chance")).value,
              (3 * 8 * 7 + 2 * 6 * 5) / (36.0 * 35), 1e-12);
  EXPECT_EQ(find_row(findings.rows, key_of("frozen", "A", 0, "silhouette_emotion")), nullptr);
}

TEST(Embedding, PicturesTheFoldAndSaysWhatItFound) {
  const HandMade made(36, 4);
  const Findings findings = made.find();
  std::map<std::string, Tensor> arrays;
  for (const auto& array : findings.arrays) arrays[array.name] = array.values;
  const Tensor means = means_of(made, Role::adapted, {SiteKind::residual_out, 1}).to(c10::ScalarType::Float);
  const Tsne expected = tsne(standardised(means.to(c10::ScalarType::Double)), {.perplexity = 35.0 / 3});
  const Tensor plane = arrays.at("tsne/adapted/residual/layer-1");
  EXPECT_EQ(plane.sizes(), (at::IntArrayRef{36, 2}));
  EXPECT_NEAR(row_of(findings, key_of("adapted", "residual", 1, "kl_divergence")).value, expected.divergence,
              0.1 * expected.divergence);
  for (const char* name : {"tsne/layer-0", "tsne/layer-1", "tsne/frozen/residual/layer-0", "tsne/clips"})
    EXPECT_TRUE(arrays.contains(name)) << name;
  EXPECT_THAT(findings.notes, Contains(HasSubstr("perplexity of t-SNE is 11.7 instead of 30")));

  ASSERT_EQ(findings.clips.size(), 36u);
  EXPECT_EQ(findings.clips[7].clip, 7);
  EXPECT_EQ(findings.clips[7].name, "place");
  EXPECT_TRUE(at::allclose(findings.clips[7].values, plane[7]));
  std::vector<std::string> figures;
  for (const Figure& figure : findings.figures) {
    figures.push_back(figure.name);
    if (figure.name != "embedding-A") continue;
    ASSERT_EQ(figure.points.size(), 72u);  // two layers
    EXPECT_EQ(figure.points[40].panel, "layer 1");
    EXPECT_EQ(figure.points[40].id, "4.wav");
    EXPECT_EQ(figure.points[40].label, "e1");
    EXPECT_EQ(figure.points[40].speaker, "s2");
    EXPECT_EQ(figure.points[40].x, arrays.at("tsne/layer-1")[4][0].item<double>());
  }
  EXPECT_THAT(figures,
              testing::UnorderedElementsAre("embedding-A", "embedding-residual-adapted", "embedding-residual-frozen",
                                            "embedding-silhouette-emotion", "embedding-silhouette-speaker",
                                            "embedding-r-precision-emotion", "embedding-r-precision-speaker"));
  ASSERT_EQ(findings.reading.size(), 3u);
  double best = -1;
  for (int64_t l = 0; l < layers; ++l)
    best = std::max(best, row_of(findings, key_of("adapted", "residual", l, "silhouette_emotion")).value);
  EXPECT_THAT(findings.reading[0], HasSubstr(fmt::format("silhouette {:.3f}", best)));
  EXPECT_THAT(findings.reading[1], HasSubstr("In A x"));
  EXPECT_THAT(findings.reading[2], HasSubstr("of its speaker when adapted"));
}

TEST(Embedding, PaperFlattensAllPositions) {
  const HandMade made(36, 4, true);
  const Findings findings = made.find();
  std::vector<Tensor> flat;
  for (const int64_t clip : made.fold.sample)
    flat.push_back(made.seen(Role::adapted, {SiteKind::adapter_down, 1, module}, clip).reshape({-1}));
  const Tensor x = at::stack(flat).to(c10::ScalarType::Float).to(c10::ScalarType::Double);
  const Row& row = row_of(findings, key_of("adapted", "A", 1, "kl_divergence"));
  const Tsne expected = tsne(standardised(x), {.perplexity = 30});
  EXPECT_NEAR(row.value, expected.divergence, 0.1 * expected.divergence);
  EXPECT_EQ(row.fold, 0);
  EXPECT_EQ(row.n, 36);
  EXPECT_TRUE(std::isnan(row.low));
  EXPECT_EQ(findings.rows.size(), 2u);  // one a layer
  EXPECT_EQ(findings.clips.size(), 36u);
  EXPECT_EQ(findings.figures.size(), 1u);
  EXPECT_THAT(findings.notes, Contains(HasSubstr("All 36 clips are held at once")));  // 36 × 12 × 4 bytes × 2 layers
}

TEST(Embedding, PaperSaysWhatItCannotDraw) {
  const Findings few = HandMade(20, 4, true).find();
  EXPECT_TRUE(few.rows.empty());
  EXPECT_THAT(few.notes, Contains("No t-SNE of A x: a perplexity of 30 does not fit 20 points: it must be at least 1 "
                                  "and less than their number."));
  HandMade uneven(36, 4, true);
  uneven.rows[8] = uneven.speech[8] = 5;
  const Findings found = uneven.find();
  EXPECT_TRUE(found.rows.empty());
  EXPECT_TRUE(found.arrays.empty());
  EXPECT_THAT(found.notes, Contains(HasSubstr("clips differ in their number of positions")));
}

// Two folds of one speaker each, the first with too few clips for a t-SNE plot.
TEST(Embedding, MeasuresEachFoldInItsOwnSpace) {
  HandMade made(56, 1);
  made.setting.folds = 2;
  const auto analysis = make_embedding(made.setting);
  std::vector<double> values;
  for (const int64_t fold : {0, 1}) {
    made.fold.fold = fold;
    made.fold.test.clear();
    for (int64_t i = fold ? 24 : 0; i < (fold ? 56 : 24); ++i) made.fold.test.push_back(i);
    made.pass(*analysis);
    const Tensor x = standardised(means_of(made, Role::adapted, {SiteKind::residual_out, 1}));
    std::vector<std::string> labels;
    std::vector<size_t> all;
    for (const int64_t clip : made.fold.test) {
      all.push_back(all.size());
      labels.push_back(made.clips.clips[clip].label);
    }
    values.push_back(naive(x, labels, all).precision);
  }
  const Findings findings = analysis->finish();
  const Row& pooled = row_of(findings, key_of("adapted", "residual", 1, "r_precision_emotion"));
  EXPECT_FALSE(pooled.fold);
  EXPECT_NEAR(pooled.value, (values[0] + values[1]) / 2, 1e-6);
  EXPECT_EQ(find_row(findings.rows, key_of("adapted", "residual", 1, "r_precision_speaker")), nullptr);
  EXPECT_THAT(findings.notes,
              Contains(HasSubstr("By speaker, nothing is measured in folds whose test clips have a single")));
  EXPECT_THAT(findings.notes, Contains(HasSubstr("t-SNE shows the test clips of fold 1 alone")));
  ASSERT_EQ(findings.clips.size(), 32u);
  EXPECT_EQ(findings.clips[0].clip, 24);
  EXPECT_EQ(findings.reading.size(), 2u);
}

TEST(Embedding, GoesOnWithoutAnAdapter) {
  HandMade made(36);
  made.setting.adapted.clear();
  made.fold.adapted.model.adapted.adapters.clear();
  const Findings findings = made.find();
  EXPECT_NE(find_row(findings.rows, key_of("adapted", "residual", 1, "silhouette_speaker")), nullptr);
  EXPECT_EQ(find_row(findings.rows, key_of("untrained", "A", 1, "silhouette_emotion")), nullptr);
  EXPECT_EQ(findings.clips.size(), 36u);
  EXPECT_THAT(findings.notes, Contains("The adapted model has no A x, so only residual streams were measured."));
  EXPECT_EQ(findings.reading.size(), 2u);
}

TEST(Embedding, SaysWhatItCannotMeasure) {
  HandMade unknown(36);
  unknown.clips.clips[3].speaker = "";
  const Findings some = unknown.find();
  EXPECT_EQ(find_row(some.rows, key_of("adapted", "residual", 1, "r_precision_speaker")), nullptr);
  EXPECT_FALSE(std::isnan(row_of(some, key_of("adapted", "residual", 1, "r_precision_emotion")).low));
  EXPECT_THAT(some.notes, Contains(HasSubstr("By speaker, nothing is measured")));

  const Findings few = HandMade(9).find();
  EXPECT_TRUE(few.rows.empty());
  EXPECT_THAT(few.notes, Contains("Nothing is measured in folds with fewer than 11 test clips."));
  EXPECT_THAT(few.notes, Contains("No t-SNE: no fold has 30 test clips."));
  EXPECT_THAT(HandMade(0).find().notes, testing::ElementsAre("No clip was seen, so nothing could be measured."));

  HandMade one_layer(36);
  one_layer.setting.adapted.pop_back();
  one_layer.fold.adapted.model.adapted.adapters.linear.erase({1, module});
  one_layer.fold.untrained.model.adapted.adapters.linear.erase({1, module});
  EXPECT_THAT(one_layer.find().notes, Contains("No picture of A x in layer 1: there is no adapter on v_proj."));
}

}  // namespace
}  // namespace loralens
